import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Head } from '../../semantics/types.ts'
import { createEntryIndex, type Entry, HEADS } from '../entry-index.ts'
import type { StoreLog } from '../log.ts'
import type { Slab } from '../slabs.ts'
import { emptyStats } from '../stats.ts'
import type { HeadsVisitor, Slice, StoreStats } from '../store.ts'
import { createWriteQueue } from '../write-queue.ts'
import { createDisk } from './disk.ts'
import { eachHeads, type HeadsSources } from './each-heads.ts'
import { type EntryId, prefixLength } from './format.ts'
import { createOpenFiles } from './open-files.ts'
import { type EntryName, entryPath } from './paths.ts'
import { ONCE, readEntry } from './read.ts'
import { type FoundEntry, findEntries, latestFirst } from './recovery.ts'
import { createSpaceGuard } from './space.ts'

/** The content of an entry. */
export interface Content {
  id: EntryId
  /** SHA-256 of the key. */
  object: string
  /** The heads that `slice` has as JSON, where they need not be parsed. */
  heads: readonly Head[] | undefined
  /** Payload of the file. */
  slice: Slice
}

export interface EntriesOptions {
  dir: string
  maxBytes: number
  queueBytes: number
  concurrency: number
  /** Memory that slices are read into. */
  lent: Slab
  log?: StoreLog
}

/** Entries in files: which there are (index), which are on their way (queue), and what came of it (stats). */
export interface Entries {
  /** False = refused. */
  put(content: Content): boolean
  get(id: EntryId, object: string): Content | undefined | Promise<Content | undefined>
  /** Whether `get` will probably find it. */
  has(object: string, generation: number, index: number): boolean
  /** Removes what is known of an object, or of one generation: at once for `get`; each promise when it is off the disk. */
  drop(object: string, generation?: number): Promise<boolean>[]
  /** Removes the list of heads, whether it is known or not. Resolves to whether there was one. */
  dropHeads(object: string): Promise<boolean>
  /** As that of the store; false while the index is not complete. */
  eachHeads(visit: HeadsVisitor, signal: AbortSignal): Promise<boolean>
  /** Removes everything. */
  clear(): Promise<number>
  /** Takes in what earlier lives left. */
  recover(): Promise<void>
  /** Whether a file of the object could not be removed: the next start would find it. */
  isStuck(object: string): boolean
  /** Puts are refused from now on, and recovery stops as soon as it has removed what was dropped. */
  close(): void
  flush(): Promise<void>
  stats(): StoreStats
}

/** Unit of allocation of common file systems, in bytes: what a file of one byte takes. */
const BLOCK = 4096
/** Files of a cleared index that are removed before others have their turn. */
const REMOVED_AT_ONCE = 256
/** In `dropped`: everything. */
const ALL = '*'

export function createEntries(options: EntriesOptions): Entries {
  const { dir, maxBytes, queueBytes, concurrency, lent, log } = options
  const stats = emptyStats(maxBytes)
  /** The value of an entry is the length of its file. */
  const index = createEntryIndex<number>()
  const space = createSpaceGuard(dir, maxBytes, bytesOnDisk, () => makeRoom(0))
  const openFiles = createOpenFiles()
  const slicesWith = { withFile: openFiles.use, lent }
  const disk = createDisk(dir, stats, space, openFiles, log)
  const queue = createWriteQueue<Content>({ maxBytes: queueBytes, concurrency, write, remove: disk.remove })

  /** Until then the index does not know every file, and names that it does not know are looked for on the disk. */
  let indexIsComplete = false
  /** What was dropped meanwhile, by object or `object.generation`: its files on the disk count as removed. */
  const dropped = new Set<string>()
  /** Bytes of files that were found and are not in the index yet. */
  let foundBytes = 0
  /** Bytes of files that are on the disk and in the index no more. */
  let goneBytes = 0
  let closed = false

  function bytesOnDisk(): number {
    return index.bytes() + foundBytes + goneBytes - queue.pendingBytes()
  }

  function mayBeOnDisk(object: string, generation: number): boolean {
    if (indexIsComplete) return false
    return !dropped.has(ALL) && !dropped.has(object) && !dropped.has(`${object}.${generation}`)
  }

  // Writing

  async function write(path: string, content: Content, isWanted: () => boolean): Promise<void> {
    const { id, object, slice } = content
    if (await disk.write(path, id, slice.segments, isWanted)) return
    const entry = index.find(object, id.generation, id.index)
    if (isWanted() && entry !== undefined) index.remove(entry)
  }

  function put(content: Content): boolean {
    const { id, object, slice } = content
    const length = prefixLength(id.key) + slice.length
    const bytes = Math.ceil(length / BLOCK) * BLOCK
    const path = entryPath(object, id.generation, id.index)
    space.willWrite(bytes)
    const takes = !closed && disk.isWriting() && bytes <= space.limit()
    if (!takes || !queue.put(path, content, length)) {
      stats.refused++
      return false
    }
    // The entry that is replaced leaves the index first: as the oldest one it could be evicted, and its name with it.
    const before = index.find(object, id.generation, id.index)
    if (before !== undefined) index.remove(before)
    makeRoom(bytes)
    use(index.add(object, id.generation, id.index, bytes, length))
    stats.stores++
    return true
  }

  function makeRoom(bytes: number): void {
    for (let oldest = index.oldest(); oldest !== undefined; oldest = index.oldest()) {
      if (index.bytes() + bytes <= space.limit()) return
      void forget(oldest)
      stats.evictions++
    }
  }

  /** Takes an entry out of the index at once and off the disk in the background. */
  function forget(entry: Entry<number>): Promise<boolean> {
    index.remove(entry)
    return queue.remove(entryPath(entry.object, entry.generation, entry.index))
  }

  // Reading

  function get(id: EntryId, object: string): Content | Promise<Content | undefined> | undefined {
    stats.lookups++
    const path = entryPath(object, id.generation, id.index)
    const pending = queue.pending(path)
    if (pending === null) return undefined
    const entry = index.find(object, id.generation, id.index)
    if (pending !== undefined) {
      stats.hits++
      if (entry !== undefined) use(entry)
      return pending
    }
    if (entry === undefined && !mayBeOnDisk(object, id.generation)) return undefined
    return read(path, id, object, entry)
  }

  async function read(
    path: string,
    id: EntryId,
    object: string,
    entry: Entry<number> | undefined,
  ): Promise<Content | undefined> {
    // Another process that shares the directory may have replaced a list of heads by a longer one.
    const isHeads = id.generation === HEADS
    const length = isHeads ? undefined : entry?.value
    const result = await readEntry(join(dir, path), id, length, isHeads ? ONCE : slicesWith)
    const now = index.find(object, id.generation, id.index)
    const wasDropped = now === undefined && (entry !== undefined || !mayBeOnDisk(object, id.generation))

    if (typeof result !== 'string') {
      if (wasDropped) {
        result.loan?.releaseAll()
        return undefined
      }
      stats.hits++
      stats.readBytes += result.length
      if (now !== undefined) use(now)
      return { id, object, heads: undefined, slice: result }
    }

    if (result === 'failed') stats.readErrors++
    else if (now === entry && queue.pending(path) === undefined) lost(path, entry, result)
    return undefined
  }

  function lost(path: string, entry: Entry<number> | undefined, why: 'absent' | 'damaged'): void {
    if (entry !== undefined) index.remove(entry)
    if (why === 'absent') return
    stats.corrupt++
    void queue.remove(path)
  }

  /** An object's heads are never older than its slices: without them the slices would be lost. */
  function use(entry: Entry<number>): void {
    index.touch(entry)
    const heads = index.find(entry.object, HEADS, 0)
    if (heads !== undefined) index.touch(heads)
  }

  // Dropping

  function drop(object: string, generation?: number): Promise<boolean>[] {
    if (!indexIsComplete) dropped.add(generation === undefined ? object : `${object}.${generation}`)
    const entries = index.entriesOf(object, generation)
    stats.removes += entries.length
    return entries.map(forget)
  }

  /** Forgets the list of heads, of which the index may not know. Resolves to whether there was one. */
  function dropHeads(object: string): Promise<boolean> {
    const known = drop(object, HEADS)
    return known[0]?.then(() => true) ?? queue.remove(entryPath(object, HEADS, 0))
  }

  // Walking

  const headsSources: HeadsSources = {
    dir,
    index,
    pending: queue.pending,
    lost: (object, why) => lost(entryPath(object, HEADS, 0), index.find(object, HEADS, 0), why),
    failed: () => void stats.readErrors++,
  }

  /** Takes the files of a cleared index off the disk: of a million too without holding up anybody. */
  async function removeFiles(first: Entry<number> | undefined): Promise<void> {
    let inGroup = 0
    for (let entry: Entry<number> | null = first ?? null; entry !== null; entry = entry.newer) {
      goneBytes -= entry.bytes
      // What was stored since in the same place has replaced the file, or will.
      if (index.find(entry.object, entry.generation, entry.index) === undefined) {
        void queue.remove(entryPath(entry.object, entry.generation, entry.index))
      }
      if (++inGroup % REMOVED_AT_ONCE === 0) await queue.flush()
    }
    await queue.flush()
  }

  // Recovery

  async function recover(): Promise<void> {
    const started = Date.now()
    const found: FoundEntry[] = []
    const isKnown = ({ object, generation, index: at }: EntryName) => {
      return index.find(object, generation, at) !== undefined
    }
    for await (const group of findEntries(dir, isKnown)) {
      // What was dropped and not yet found must be found and removed: the next start would take it in.
      if (closed && dropped.size === 0) return
      for (const entry of group) {
        foundBytes += entry.length
        found.push(entry)
      }
    }
    await space.check() // the limit, now that it is known what is there
    for (const group of latestFirst(found)) {
      for (const entry of group) adopt(entry)
      await nextTurn()
    }
    indexIsComplete = true
    dropped.clear()
    log?.info({ dir, entries: index.count(), ms: Date.now() - started }, 'cache directory read')
  }

  function adopt({ object, generation, index: at, length }: FoundEntry): void {
    const path = entryPath(object, generation, at)
    const bytes = Math.ceil(length / BLOCK) * BLOCK
    foundBytes -= length
    if (index.find(object, generation, at) !== undefined || queue.pending(path) !== undefined) return
    const fits = index.bytes() + bytes <= space.limit()
    if (fits && mayBeOnDisk(object, generation)) index.addOldest(object, generation, at, bytes, length)
    else void queue.remove(path)
  }

  return {
    put,
    get,
    has: (object, generation, at) =>
      index.find(object, generation, at) !== undefined || mayBeOnDisk(object, generation),
    drop,
    dropHeads,
    async eachHeads(visit, signal) {
      if (!indexIsComplete) return false
      const visited = await eachHeads(headsSources, visit, signal)
      for (const path of disk.stuck) await queue.remove(path)
      // A file that is still there comes back with the next start.
      return visited && goneBytes === 0 && disk.stuck.size === 0
    },
    isStuck: (object) => [...disk.stuck].some((path) => path.includes(object)),

    async clear() {
      if (!indexIsComplete) dropped.add(ALL)
      const removed = index.count()
      stats.removes += removed
      goneBytes += index.bytes()
      const first = index.clear()
      queue.removeAll()
      await removeFiles(first)
      return removed
    },

    recover,
    close() {
      closed = true
      openFiles.close()
    },
    flush: queue.flush,
    stats: () => ({
      ...stats,
      entries: index.count(),
      bytes: index.bytes(),
      pendingBytes: queue.pendingBytes(),
    }),
  }
}
