import type { Head } from '../../semantics/types.ts'
import { HEADS } from '../entry-index.ts'
import type { HeadsVisitor, Slice, SliceAbout } from '../store.ts'
import type { Catalog } from './catalog.ts'
import { createHeadsWalks } from './each-heads.ts'
import { createGets, type Gets } from './gets.ts'
import type { Guard } from './guard.ts'
import { HEADS_NAME } from './index.ts'
import { createKnown } from './known.ts'
import { generationWord, type ObjectName, objectName } from './names.ts'
import type { PendingEntries } from './pending.ts'
import type { Purges } from './purges.ts'
import { createPuts, type PutsOptions } from './puts.ts'
import type { Reads } from './reads.ts'
import type { Regions } from './regions.ts'
import type { Writer } from './writer.ts'

export interface EntriesOptions
  extends Pick<PutsOptions, 'compressor' | 'admission' | 'queueBytes' | 'maxEntryBytes' | 'onCrowded'> {
  catalog: Catalog
  regions: Regions
  writer: Writer
  reads: Reads
  purges: Purges
  guard: Guard
  nextSequence(): number
}

export interface Counts {
  lookups: number
  hits: number
  stores: number
  removes: number
  refused: number
  corrupt: number
  /** Bytes of payloads. */
  readBytes: number
  writtenBytes: number
  admissionRefused: number
}

/** Entries on the device and on their way to it, as a store has them. */
export interface Entries extends Gets {
  readonly pending: PendingEntries
  readonly counts: Counts
  readonly isRecovering: boolean
  /** From now on what recovery has found is served, and puts are taken. */
  opened(): void
  /** From now on nothing is taken. */
  closed(): void
  has(key: string, generation: number, index: number): boolean
  put(key: string, generation: number, index: number, slice: Slice, about?: SliceAbout): boolean
  putHeads(key: string, heads: readonly Head[]): boolean
  /** As that of the store; false while recovering. */
  eachHeads(visit: HeadsVisitor, signal: AbortSignal): Promise<boolean>
  dropGeneration(key: string, generation: number): void
  drop(key: string): Promise<number>
  clear(): Promise<number>
}

/** What was dropped is found no more; only a crash before the device works again could bring it back. */
const OWED = 'the purge log could not be written, and is tried again'

export function createEntries(options: EntriesOptions): Entries {
  const { catalog, guard, purges, nextSequence } = options
  const known = createKnown(catalog)
  const { pending } = known
  const counts: Counts = {
    lookups: 0,
    hits: 0,
    stores: 0,
    removes: 0,
    refused: 0,
    corrupt: 0,
    readBytes: 0,
    writtenBytes: 0,
    admissionRefused: 0,
  }
  let state: 'recovering' | 'open' | 'closed' = 'recovering'
  /** What was dropped while recovery could still find it. */
  const droppedEarly: { name: ObjectName; generation: number | undefined }[] = []
  let clearedEarly = false

  const isOnline = (): boolean => state === 'open' && !guard.offline
  const gets = createGets({ ...options, known, counts, isReadable: isOnline })
  const put = createPuts({ ...options, known, counts, isWritable: isOnline })
  const walks = createHeadsWalks({ ...options, known, counts, isReadable: isOnline })

  /** So that it is not found after a crash either. */
  function purge(kind: 'object' | 'heads' | 'all', { low, high }: ObjectName): Promise<boolean> {
    if (state === 'recovering') {
      if (kind === 'all') clearedEarly = true
      else droppedEarly.push({ name: { low, high }, generation: kind === 'heads' ? HEADS_NAME : undefined })
    }
    return purges.add({ kind, objectLow: low, objectHigh: high, sequence: nextSequence() })
  }

  function dropHeads(key: string): void {
    const found = known.forget(key, HEADS, 0)
    if (found) counts.removes++
    // An older list that is still on the device would come back.
    if (found || state === 'recovering') void purge('heads', objectName(key))
  }

  return {
    ...gets,
    pending,
    counts,
    get isRecovering() {
      return state === 'recovering'
    },

    opened() {
      if (clearedEarly) catalog.clear()
      for (const { name, generation } of droppedEarly.splice(0)) {
        for (const id of catalog.index.ofObject(name.low, name.high)) {
          if (generation === undefined || catalog.index.generation(id) === generation) catalog.remove(id)
        }
      }
      if (state === 'recovering') state = 'open'
    },

    closed() {
      state = 'closed'
    },

    has(key, generation, index) {
      if (pending.find(key, generation, index) !== undefined) return true
      return isOnline() && known.find(key, generation, index) !== -1
    },

    put: (key, generation, index, slice, about) =>
      put({ key, generation, index, heads: undefined, slice, contentType: about?.contentType }),

    putHeads(key, heads) {
      if (heads.length > 0) {
        const json = Buffer.from(JSON.stringify(heads))
        const slice = { length: json.length, segments: [json] }
        if (put({ key, generation: HEADS, index: 0, heads, slice, contentType: undefined })) {
          walks.put(key)
          return true
        }
      }
      // Also when refused: an older list must not stay in place of this one.
      dropHeads(key)
      return heads.length === 0
    },

    eachHeads: walks.each,

    dropGeneration(key, generation) {
      counts.removes += known.forgetAll(key, generation)
      if (state === 'recovering') {
        droppedEarly.push({ name: objectName(key), generation: generationWord(generation) })
      }
    },

    async drop(key) {
      const removed = known.forgetAll(key)
      counts.removes += removed
      if (!(await purge('object', objectName(key)))) throw new Error(OWED)
      return removed
    },

    async clear() {
      const waiting = pending.all()
      for (const entry of waiting) pending.cancel(entry)
      const removed = waiting.length + catalog.clear()
      counts.removes += removed
      if (!(await purge('all', { low: 0, high: 0 }))) throw new Error(OWED)
      return removed
    },
  }
}
