import type { Head } from '../semantics/types.ts'
import { createEntryIndex, type Entry, HEADS } from './entry-index.ts'
import { compactSlice, headsFootprint, sliceFootprint } from './footprint.ts'
import { emptyStats } from './stats.ts'
import type { Slice, SliceStore } from './store.ts'
import { createTurns } from './turns.ts'

export interface MemoryStoreOptions {
  /** Most bytes of memory that all entries together may take, their overhead included; 0 stores nothing. */
  maxBytes: number
}

/** A store that answers at once. */
export interface MemoryStore extends SliceStore {
  getHeads(key: string): readonly Head[] | undefined
  getSlice(key: string, generation: number, index: number): Slice | undefined
}

/** The first tier: least recently used entries go first, counted in bytes as the process feels them. */
export function createMemoryStore({ maxBytes }: MemoryStoreOptions): MemoryStore {
  const index = createEntryIndex<readonly Head[] | Slice>()
  const stats = emptyStats(maxBytes)

  function get(key: string, generation: number, sliceIndex: number): readonly Head[] | Slice | undefined {
    stats.lookups++
    const entry = index.find(key, generation, sliceIndex)
    if (entry === undefined) return undefined
    stats.hits++
    index.touch(entry)
    return entry.value
  }

  function put(
    key: string,
    generation: number,
    sliceIndex: number,
    value: readonly Head[] | Slice,
    bytes: number,
  ): boolean {
    // What is replaced goes first, also when its successor is refused: an older version must not stay in its place.
    const before = index.find(key, generation, sliceIndex)
    if (before !== undefined) index.remove(before)
    if (bytes > maxBytes) {
      stats.refused++
      return false
    }
    while (index.bytes() + bytes > maxBytes) {
      index.remove(index.oldest()!)
      stats.evictions++
    }
    index.add(key, generation, sliceIndex, bytes, value)
    // An object's heads are never older than its slices: a transfer can take longer than all others stay.
    const heads = index.find(key, HEADS, 0)
    if (heads !== undefined) index.touch(heads)
    stats.stores++
    stats.writtenBytes += bytes
    return true
  }

  function removeAll(entries: readonly Entry<unknown>[]): number {
    for (const entry of entries) index.remove(entry as Entry<readonly Head[] | Slice>)
    stats.removes += entries.length
    return entries.length
  }

  return {
    name: 'l1',

    getHeads: (key) => get(key, HEADS, 0) as readonly Head[] | undefined,

    putHeads(key, heads) {
      if (heads.length > 0) return put(key, HEADS, 0, heads, headsFootprint(key, heads))
      removeAll(index.entriesOf(key, HEADS))
      return true
    },

    getSlice(key, generation, sliceIndex) {
      const slice = get(key, generation, sliceIndex) as Slice | undefined
      if (slice !== undefined) stats.readBytes += slice.length
      return slice
    },

    hasSlice: (key, generation, sliceIndex) => index.find(key, generation, sliceIndex) !== undefined,

    putSlice(key, generation, sliceIndex, slice) {
      const own = compactSlice(slice)
      return put(key, generation, sliceIndex, own, sliceFootprint(key, own))
    },

    async eachHeads(visit, signal) {
      const turn = createTurns()
      for (const key of index.objects()) {
        if (signal.aborted) return false
        const heads = index.find(key, HEADS, 0)?.value as readonly Head[] | undefined
        if (heads !== undefined) await visit(key, heads)
        await turn()
      }
      return !signal.aborted
    },

    dropGeneration(key, generation) {
      removeAll(index.entriesOf(key, generation))
    },

    drop: async (key) => removeAll(index.entriesOf(key)),

    async clear() {
      const removed = index.count()
      stats.removes += removed
      index.clear()
      return removed
    },

    stats: () => ({ ...stats, entries: index.count(), bytes: index.bytes() }),
    flush: async () => {},
    close: async () => {},
  }
}
