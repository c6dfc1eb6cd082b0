import type { Head } from '../semantics/types.ts'
import { createEntryTable, HEADS, type Named } from './entry-table.ts'
import { compactSlice, headsFootprint, packedFootprint, sliceFootprint } from './footprint.ts'
import type { MemoryBlock } from './memory-block.ts'
import { createPacking, LONGEST_PACKED, type Packed } from './packing.ts'
import { type Candidate, createS3Fifo, MAX_USES } from './s3-fifo.ts'
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

type Value = readonly Head[] | Slice

/** A list of heads or a slice. */
interface Entry extends Named, Candidate<Entry>, Packed {
  /** Null while it is packed: a small slice is until somebody asks for it. Most never are asked for. */
  value: Value | null
  /** Its name among what was evicted: 32 bits, signed, which take no memory of their own. */
  readonly name: number
  /** What a slice lies in that nobody has got from us yet: used again when it has to go. */
  blocks: readonly MemoryBlock[] | null
}

/** The first tier, counted in bytes as the process feels them. What has to leave is told by `s3-fifo.ts`. */
export function createMemoryStore({ maxBytes }: MemoryStoreOptions): MemoryStore {
  const table = createEntryTable<Entry>()
  const packing = createPacking<Entry>()
  const stats = emptyStats(maxBytes)
  const kept = createS3Fifo<Entry>({
    maxBytes,
    // Slices without their heads are of no use to anybody.
    isNeeded: (entry) => entry.generation === HEADS && table.hasSlices(entry.object),
    nameOf: ({ name }) => name,
    onEvicted: evicted,
  })

  function letGo(entry: Entry): void {
    if (entry.value === null) packing.remove(entry)
    for (const block of entry.blocks ?? []) block.release()
    entry.blocks = null
  }

  function evicted(entry: Entry): void {
    table.remove(entry)
    letGo(entry)
    stats.evictions++
    if (entry.generation === HEADS) return
    // Heads without slices are of some use (304, HEAD, slices on disk): where they were asked for since.
    const heads = table.find(entry.object, HEADS, 0)
    if (heads === undefined || heads.uses > 0 || table.hasSlices(entry.object)) return
    kept.remove(heads)
    table.remove(heads)
    stats.evictions++
  }

  function get(key: string, generation: number, sliceIndex: number): Value | undefined {
    stats.lookups++
    const entry = table.find(key, generation, sliceIndex)
    if (entry === undefined) return undefined
    stats.hits++
    use(entry)
    entry.blocks = null
    return entry.value ?? unpack(entry)
  }

  function unpack(entry: Entry): Slice {
    const slice = { length: entry.length, segments: [packing.take(entry)] }
    entry.value = slice
    kept.resize(entry, sliceFootprint(entry.object, slice))
    kept.makeRoom(0)
    return slice
  }

  function put(
    key: string,
    generation: number,
    sliceIndex: number,
    value: Value,
    bytes: number,
    blocks: readonly MemoryBlock[] | null,
  ): boolean {
    // What is replaced goes first, also when its successor is refused: an older version must not stay in its place.
    const before = table.find(key, generation, sliceIndex)
    if (before !== undefined) remove(before)
    if (bytes > maxBytes) {
      stats.refused++
      return false
    }
    const name = nameOf(key, generation, sliceIndex)
    const small = generation === HEADS ? null : smallSlice(value as Slice)
    const entry: Entry = {
      object: key,
      generation,
      index: sliceIndex,
      bytes,
      value: small === null ? value : null,
      length: small === null ? 0 : small.length,
      place: 0,
      name,
      blocks,
      uses: 0,
      main: false,
      older: null,
      newer: null,
    }
    // A slice first, so that room is not made by evicting its heads.
    if (generation !== HEADS) table.add(entry)
    kept.makeRoom(bytes)
    if (generation === HEADS) table.add(entry)
    if (small !== null) packing.add(entry, small.segments)
    if (before !== undefined) kept.replace(entry, before)
    else kept.add(entry, name)
    if (generation !== HEADS && sliceIndex > 0) keepHeads(key)
    stats.stores++
    stats.writtenBytes += bytes
    return true
  }

  /** A transfer of many slices can take longer than the small queue keeps them: its heads are not gone with the first ones. */
  function keepHeads(key: string): void {
    const heads = table.find(key, HEADS, 0)
    if (heads !== undefined) heads.uses = MAX_USES
  }

  function remove(entry: Entry): void {
    kept.remove(entry)
    table.remove(entry)
    letGo(entry)
  }

  function removeAll(entries: readonly Entry[]): number {
    for (const entry of entries) remove(entry)
    stats.removes += entries.length
    return entries.length
  }

  return {
    name: 'l1',

    getHeads: (key) => get(key, HEADS, 0) as readonly Head[] | undefined,

    putHeads(key, heads) {
      if (heads.length > 0) return put(key, HEADS, 0, heads, headsFootprint(key, heads), null)
      removeAll(table.entriesOf(key, HEADS))
      return true
    },

    getSlice(key, generation, sliceIndex) {
      const slice = get(key, generation, sliceIndex) as Slice | undefined
      if (slice !== undefined) stats.readBytes += slice.length
      return slice
    },

    hasSlice: (key, generation, sliceIndex) => table.find(key, generation, sliceIndex) !== undefined,

    putSlice(key, generation, sliceIndex, slice) {
      if (smallSlice(slice) !== null) {
        const isStored = put(key, generation, sliceIndex, slice, packedFootprint(key, slice), null)
        for (const block of slice.blocks ?? []) block.release()
        return isStored
      }
      const own = compactSlice(slice)
      const { length, segments, blocks } = own
      const value = blocks ? { length, segments } : own
      return put(key, generation, sliceIndex, value, sliceFootprint(key, own), blocks ?? null)
    },

    async eachHeads(visit, signal) {
      const turn = createTurns()
      for (const key of table.objects()) {
        if (signal.aborted) return false
        const heads = table.find(key, HEADS, 0)?.value as readonly Head[] | undefined
        if (heads !== undefined) await visit(key, heads)
        await turn()
      }
      return !signal.aborted
    },

    dropGeneration(key, generation) {
      removeAll(table.entriesOf(key, generation))
    },

    drop: async (key) => removeAll(table.entriesOf(key)),

    async clear() {
      const removed = table.count()
      stats.removes += removed
      table.clear()
      packing.clear()
      kept.clear()
      return removed
    },

    stats: () => ({ ...stats, entries: table.count(), bytes: kept.bytes() }),
    flush: async () => {},
    close: async () => {},
  }
}

/** The slice, if it is one to be packed. */
function smallSlice(slice: Slice): Slice | null {
  return slice.length <= LONGEST_PACKED ? slice : null
}

function use(entry: Entry): void {
  if (entry.uses < MAX_USES) entry.uses++
}

const PRIME = 0x01000193
let hashedKey = ''
let hashOfKey = 0

/** FNV-1a. Without the generation: a slice that comes back after it was evicted has another one. */
function nameOf(key: string, generation: number, index: number): number {
  // Heads and the first slice come one after the other.
  if (key !== hashedKey) {
    let hash = 0x811c9dc5
    for (let at = 0; at < key.length; at++) hash = Math.imul(hash ^ key.charCodeAt(at), PRIME)
    hashedKey = key
    hashOfKey = hash
  }
  const hash = Math.imul(hashOfKey ^ (generation === HEADS ? -1 : index), PRIME)
  // The last characters tell keys apart most, and would change the low bits only.
  return hash ^ (hash >>> 15)
}
