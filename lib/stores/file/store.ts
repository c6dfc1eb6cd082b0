import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Head } from '../../semantics/types.ts'
import { createEntryIndex, type Entry, HEADS } from '../entry-index.ts'
import { emptyStats } from '../stats.ts'
import type { Slice, SliceStore } from '../store.ts'
import { createWriteQueue } from '../write-queue.ts'
import { createBreaker } from './breaker.ts'
import { codeOf, createEntryWriter, readEntry, removeFile } from './files.ts'
import { type EntryId, prefixLength, totalLength } from './format.ts'
import { prepareDirectory } from './open.ts'
import { type EntryName, entryPath, objectOf } from './paths.ts'
import { type FoundEntry, findEntries, latestFirst } from './recovery.ts'
import { createSpaceGuard } from './space.ts'

export interface FileStoreOptions {
  /** Cache directory; made when it is missing. Files in it that are not the store's are left alone. */
  dir: string
  /** Most bytes that the entries may take on the disk, each rounded up to 4 KiB. */
  maxBytes: number
  /** Most bytes of entries that wait to be written or are being written; default 32 MiB. */
  queueBytes?: number
  /** Writes at once; default 4, the threads that Node has for files. */
  concurrency?: number
  /** Told of what an operator wants to know: recovery finished, writing paused. */
  log?: FileStoreLog
}

export interface FileStoreLog {
  info(detail: object, message: string): void
  warn(detail: object, message: string): void
}

export interface FileStore extends SliceStore {
  /** Resolves when what earlier runs left is in the index; lookups find it before that, too. */
  readonly recovered: Promise<void>
}

/** A put on its way to the disk: what readers get meanwhile, and the same as bytes. */
interface Pending {
  id: EntryId
  object: string
  heads: readonly Head[] | undefined
  slice: Slice
}

/** Unit of allocation of common file systems, in bytes. */
const BLOCK = 4096
/** In `dropped`: everything. */
const ALL = '*'

/**
 * A store of one file an entry, in a directory of any file system.
 * Rejects with one plain sentence when the directory cannot be used; after that, no failure of the disk is an error.
 */
export async function createFileStore(options: FileStoreOptions): Promise<FileStore> {
  const { dir, maxBytes, log } = options
  await prepareDirectory(dir)

  const stats = emptyStats(maxBytes)
  /** The value of an entry is the length of its file. */
  const index = createEntryIndex<number>()
  const breaker = createBreaker()
  const writer = createEntryWriter(dir)
  const queue = createWriteQueue<Pending>({
    maxBytes: options.queueBytes ?? 32 * 1024 * 1024,
    concurrency: options.concurrency ?? 4,
    write,
    remove: removeEntry,
  })
  const space = createSpaceGuard(dir, maxBytes, bytesOnDisk, () => makeRoom(0))

  /** Until then the index does not know every file, and names that it does not know are looked for on the disk. */
  let indexIsComplete = false
  /** What was dropped meanwhile, by object or `object.generation`: its files on the disk count as removed. */
  const dropped = new Set<string>()
  /** Bytes of files that were found and are not in the index yet. */
  let foundBytes = 0
  let closed = false

  function bytesOnDisk(): number {
    return index.bytes() + foundBytes - queue.pendingBytes()
  }

  // Writing

  async function write(path: string, { id, object, slice }: Pending, isWanted: () => boolean): Promise<void> {
    try {
      if (breaker.isOpen(Date.now())) throw new Error('paused')
      await writer.write(path, id, slice.segments, isWanted)
      breaker.succeeded()
      stats.writtenBytes += slice.length
    } catch (error) {
      countWriteError(error)
      if (!isWanted()) return
      // What it should have replaced must not come back in its place.
      await removeFile(join(dir, path)).catch(() => {})
      const entry = index.find(object, id.generation, id.index)
      if (isWanted() && entry !== undefined) index.remove(entry)
    }
  }

  async function removeEntry(path: string): Promise<boolean> {
    try {
      return await removeFile(join(dir, path))
    } catch (error) {
      countWriteError(error)
      return false
    }
  }

  function countWriteError(error: unknown): void {
    const now = Date.now()
    stats.writeErrors++
    if (breaker.isOpen(now)) return
    breaker.failed(now)
    if (breaker.isOpen(now))
      log?.warn({ err: error, dir }, 'cache directory fails: writing is paused for a while')
    const code = codeOf(error)
    if (code === 'ENOSPC' || code === 'EDQUOT') space.ranOut()
  }

  function put(pending: Pending): boolean {
    const { id, object, slice } = pending
    const length = prefixLength(id.key) + slice.length
    const bytes = Math.ceil(length / BLOCK) * BLOCK
    const path = entryPath(object, id.generation, id.index)
    space.willWrite(bytes)
    const takes = !closed && !breaker.isOpen(Date.now()) && bytes <= space.limit()
    if (!takes || !queue.put(path, pending, length)) {
      stats.refused++
      return false
    }
    // The entry that is replaced leaves the index first: as the oldest one it could be evicted, and its name with it.
    const before = index.find(object, id.generation, id.index)
    if (before !== undefined) index.remove(before)
    makeRoom(bytes)
    index.add(object, id.generation, id.index, bytes, length)
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

  function get(id: EntryId, object: string): Pending | Promise<Pending | undefined> | undefined {
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
  ): Promise<Pending | undefined> {
    // Another process that shares the directory may have replaced a list of heads by a longer one.
    const length = id.generation === HEADS ? undefined : entry?.value
    const result = await readEntry(join(dir, path), id, length)
    const now = index.find(object, id.generation, id.index)
    const wasDropped = now === undefined && (entry !== undefined || !mayBeOnDisk(object, id.generation))

    if (typeof result !== 'string') {
      if (wasDropped) return undefined
      const slice = { length: totalLength(result), segments: result }
      stats.hits++
      stats.readBytes += slice.length
      if (now !== undefined) use(now)
      return { id, object, heads: undefined, slice }
    }

    if (result === 'failed') stats.readErrors++
    else if (now === entry && queue.pending(path) === undefined) {
      if (result === 'damaged') stats.corrupt++
      if (entry !== undefined) index.remove(entry)
      if (result === 'damaged') void queue.remove(path)
    }
    return undefined
  }

  /** An object's heads are never older than its slices: without them the slices would be lost. */
  function use(entry: Entry<number>): void {
    index.touch(entry)
    const heads = index.find(entry.object, HEADS, 0)
    if (heads !== undefined) index.touch(heads)
  }

  function mayBeOnDisk(object: string, generation: number): boolean {
    if (indexIsComplete) return false
    return !dropped.has(ALL) && !dropped.has(object) && !dropped.has(`${object}.${generation}`)
  }

  // Dropping

  function dropEntries(object: string, generation?: number): Promise<boolean>[] {
    if (!indexIsComplete) dropped.add(generation === undefined ? object : `${object}.${generation}`)
    const entries = index.entriesOf(object, generation)
    stats.removes += entries.length
    return entries.map(forget)
  }

  /** Forgets the list of heads, of which the index may not know. Resolves to whether there was one. */
  function dropHeads(object: string): Promise<boolean> {
    const known = dropEntries(object, HEADS)
    return known[0]?.then(() => true) ?? queue.remove(entryPath(object, HEADS, 0))
  }

  // Recovery

  async function recover(): Promise<void> {
    const started = Date.now()
    const found: FoundEntry[] = []
    const isKnown = ({ object, generation, index: at }: EntryName) => {
      return index.find(object, generation, at) !== undefined
    }
    for await (const group of findEntries(dir, isKnown)) {
      if (closed) return
      for (const entry of group) foundBytes += entry.length
      found.push(...group)
    }
    await space.check()
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

  await space.check()
  const recovered = recover()

  return {
    name: 'l2',
    recovered,

    getHeads(key) {
      const found = get({ key, generation: HEADS, index: 0 }, objectOf(key))
      return found instanceof Promise ? found.then(headsOf) : headsOf(found)
    },

    putHeads(key, heads) {
      const object = objectOf(key)
      if (heads.length > 0) {
        const json = Buffer.from(JSON.stringify(heads))
        const slice = { length: json.length, segments: [json] }
        if (put({ id: { key, generation: HEADS, index: 0 }, object, heads, slice })) return true
      }
      // Also when refused: an older list must not stay in place of this one.
      void dropHeads(object)
      return heads.length === 0
    },

    getSlice(key, generation, sliceIndex) {
      const found = get({ key, generation, index: sliceIndex }, objectOf(key))
      return found instanceof Promise ? found.then((each) => each?.slice) : found?.slice
    },

    hasSlice(key, generation, sliceIndex) {
      const object = objectOf(key)
      return index.find(object, generation, sliceIndex) !== undefined || mayBeOnDisk(object, generation)
    },

    putSlice(key, generation, sliceIndex, slice) {
      return put({
        id: { key, generation, index: sliceIndex },
        object: objectOf(key),
        heads: undefined,
        slice,
      })
    },

    dropGeneration(key, generation) {
      dropEntries(objectOf(key), generation)
    },

    async drop(key) {
      const object = objectOf(key)
      const heads = dropHeads(object)
      const slices = dropEntries(object)
      const hadHeads = await heads
      await Promise.all(slices)
      return slices.length + (hadHeads ? 1 : 0)
    },

    async clear() {
      if (!indexIsComplete) dropped.add(ALL)
      let removed = 0
      for (let entry = index.oldest(); entry !== undefined; entry = index.oldest()) {
        void forget(entry)
        removed++
      }
      stats.removes += removed
      await recovered
      await queue.flush()
      return removed
    },

    stats: () => ({
      ...stats,
      entries: index.count(),
      bytes: index.bytes(),
      pendingBytes: queue.pendingBytes(),
    }),

    flush: queue.flush,

    async close() {
      closed = true
      await recovered
      await queue.flush()
    },
  }
}

function headsOf(found: Pending | undefined): readonly Head[] | undefined {
  return found === undefined
    ? undefined
    : (found.heads ?? JSON.parse(Buffer.concat(found.slice.segments).toString()))
}
