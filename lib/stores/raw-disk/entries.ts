import type { Head } from '../../semantics/types.ts'
import { HEADS } from '../entry-index.ts'
import type { Slice, SliceAbout, SlicePart } from '../store.ts'
import type { Admission } from './admission.ts'
import type { Catalog } from './catalog.ts'
import type { Compressor } from './compression.ts'
import { expiryOf } from './expiry.ts'
import { COMPRESSED, WAS_HIT } from './flags.ts'
import { entryLength, MAX_KEY } from './format/entry.ts'
import type { Guard } from './guard.ts'
import { HEADS_NAME } from './index.ts'
import { generationWord, type ObjectName, objectName } from './names.ts'
import { createPendingEntries, type Pending, type PendingEntries } from './pending.ts'
import type { Purges } from './purges.ts'
import type { Place, Reads } from './reads.ts'
import type { Regions } from './regions.ts'
import type { Writer } from './writer.ts'

/** What was put, as the queue has it. */
interface Content {
  key: string
  generation: number
  index: number
  heads: readonly Head[] | undefined
  slice: Slice
  contentType: string | undefined
}

export interface EntriesOptions {
  catalog: Catalog
  regions: Regions
  writer: Writer
  reads: Reads
  purges: Purges
  guard: Guard
  compressor: Compressor | undefined
  admission: Admission | undefined
  nextSequence(): number
  /** Most bytes of puts that wait or are being written. */
  queueBytes: number
  /** Most bytes of an entry. */
  maxEntryBytes: number
}

/** Entries on the device and on their way to it. */
export interface Entries {
  readonly pending: PendingEntries
  readonly counts: Counts
  /** From now on what recovery has found is served, and puts are taken. */
  opened(): void
  closed(): void
  heads(key: string): readonly Head[] | undefined | Promise<readonly Head[] | undefined>
  slice(
    key: string,
    generation: number,
    index: number,
    part?: SlicePart,
  ): Slice | undefined | Promise<Slice | undefined>
  has(key: string, generation: number, index: number): boolean
  put(key: string, generation: number, index: number, slice: Slice, about?: SliceAbout): boolean
  putHeads(key: string, heads: readonly Head[]): boolean
  dropGeneration(key: string, generation: number): void
  drop(key: string): Promise<number>
  clear(): Promise<number>
}

export interface Counts {
  lookups: number
  hits: number
  stores: number
  removes: number
  refused: number
  corrupt: number
  readBytes: number
  writtenBytes: number
  admissionRefused: number
}

export function createEntries(options: EntriesOptions): Entries {
  const { catalog, regions, writer, reads, purges, guard, compressor, admission, nextSequence } = options
  const pending = createPendingEntries()
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
  const droppedEarly: { name: ObjectName; headsOnly: boolean }[] = []
  let clearedEarly = false

  function find(key: string, generation: number, index: number): number {
    const { low, high } = objectName(key)
    const isHeads = generation === HEADS
    return catalog.index.find(low, high, generationWord(generation), isHeads ? HEADS_NAME : index)
  }

  // Putting

  function takes(keyBytes: number, content: Content): boolean {
    if (state !== 'open' || guard.offline || keyBytes > MAX_KEY) return false
    const { length } = content.slice
    if (entryLength(keyBytes, length) > options.maxEntryBytes) return false
    if (pending.bytes() + length + keyBytes > options.queueBytes) return false
    return catalog.index.count + pending.count() < catalog.capacity
  }

  function put(content: Content): boolean {
    const { key, generation, index, slice, heads } = content
    const keyBytes = Buffer.byteLength(key)
    if (!takes(keyBytes, content)) {
      counts.refused++
      return false
    }
    if (!isAdmitted(content)) return false
    forgetOne(key, generation, index)
    const bytes = slice.length + keyBytes
    const entry: Pending = { key, generation, index, bytes, heads, slice, gone: false, done: [] }
    pending.add(entry)
    counts.stores++
    void write(entry, keyBytes, content.contentType)
    return true
  }

  /** The second time an entry is put it is worth a write. Heads are, too, once a slice of theirs was. */
  function isAdmitted({ key, generation, index }: Content): boolean {
    if (admission === undefined) return true
    const { low, high } = objectName(key)
    const isHeads = generation === HEADS
    // By its place in the object: an object that comes back from the origin has another generation.
    const admitted = admission.isSecond(low, (high ^ Math.imul(isHeads ? -1 : index, 0x9e37_79b1)) >>> 0)
    if (admitted || (isHeads && catalog.index.ofObject(low, high).length > 0)) return true
    counts.admissionRefused++
    return false
  }

  /** What is replaced goes first, also from the index: whatever becomes of its successor, it is not found again. */
  function forgetOne(key: string, generation: number, index: number): boolean {
    const waiting = pending.find(key, generation, index)
    if (waiting !== undefined) pending.cancel(waiting)
    const id = find(key, generation, index)
    if (id !== -1) catalog.remove(id)
    return waiting !== undefined || id !== -1
  }

  async function write(entry: Pending, keyBytes: number, contentType: string | undefined): Promise<void> {
    const { key, generation, index, heads, slice } = entry
    const { low, high } = objectName(key)
    const word = generationWord(generation)
    let packed: Buffer | undefined
    if (compressor !== undefined && heads === undefined) {
      const object = `${low}.${high}.${word}`
      if (compressor.wants(object, contentType, slice.length)) {
        packed = await compressor.compress(object, slice.segments, slice.length)
        if (entry.gone) return pending.settle(entry)
      }
    }
    writer.put({
      name: { key, generation, index: heads === undefined ? index : 0 },
      keyBytes,
      low,
      high,
      generation: word,
      index: heads === undefined ? index : HEADS_NAME,
      segments: packed === undefined ? slice.segments : [packed],
      stored: packed === undefined ? slice.length : packed.length,
      length: slice.length,
      codec: packed === undefined ? 'none' : 'zstd',
      expires: heads === undefined ? 0 : expiryOf(heads),
      flags: packed === undefined ? 0 : COMPRESSED,
      get gone() {
        return entry.gone
      },
      settled(block, blocks) {
        if (block !== -1) {
          if (entry.gone) regions.addLive(block, -blocks)
          else if (catalog.add(this, block, blocks)) counts.writtenBytes += this.stored
          else counts.refused++
        }
        pending.settle(entry)
      },
    })
  }

  // Getting

  function isReadable(): boolean {
    return state === 'open' && !guard.offline
  }

  function placeOf(id: number): Place {
    const block = catalog.index.block(id)
    const regionGeneration = regions.generation[regions.regionOf(block)]
    return { block, blocks: catalog.index.blocks(id), regionGeneration }
  }

  /** Reads an entry while its region cannot be overwritten; undefined also for what was dropped meanwhile. */
  async function reading<T>(
    key: string,
    generation: number,
    index: number,
    id: number,
    read: (place: Place) => Promise<T | 'failed' | 'damaged'>,
    discard: (result: T) => void,
  ): Promise<T | undefined> {
    const place = placeOf(id)
    const region = regions.regionOf(place.block)
    regions.pin(region)
    const result = await read(place)
    regions.unpin(region)
    const now = find(key, generation, index)
    if (typeof result === 'string') {
      if (result === 'damaged') {
        counts.corrupt++
        if (now !== -1 && catalog.index.block(now) === place.block) catalog.remove(now)
      }
      return undefined
    }
    if (now === -1 && pending.find(key, generation, index) === undefined) {
      discard(result)
      return undefined
    }
    if (now !== -1) catalog.index.setFlags(now, catalog.index.flags(now) | WAS_HIT)
    counts.hits++
    return result
  }

  function getSlice(key: string, generation: number, index: number, part?: SlicePart) {
    counts.lookups++
    const waiting = pending.find(key, generation, index)
    if (waiting !== undefined) {
      counts.hits++
      return waiting.slice
    }
    if (!isReadable()) return undefined
    const id = find(key, generation, index)
    if (id === -1) return undefined
    const isCompressed = (catalog.index.flags(id) & COMPRESSED) !== 0
    const name = { key, generation, index }
    return reading<Slice>(
      key,
      generation,
      index,
      id,
      (place) => reads.slice(place, name, part, isCompressed),
      (slice) => slice.loan?.releaseAll(),
    ).then((slice) => {
      if (slice !== undefined) counts.readBytes += slice.length
      return slice
    })
  }

  function getHeads(key: string) {
    counts.lookups++
    const waiting = pending.find(key, HEADS, 0)
    if (waiting !== undefined) {
      counts.hits++
      return waiting.heads
    }
    if (!isReadable()) return undefined
    const id = find(key, HEADS, 0)
    if (id === -1) return undefined
    if (catalog.isExpired(id)) {
      catalog.expire(id)
      return undefined
    }
    return reading<readonly Head[]>(
      key,
      HEADS,
      0,
      id,
      async (place) => {
        const stored = await reads.stored(place, { key, generation: HEADS, index: 0 })
        if (typeof stored === 'string') return stored
        try {
          counts.readBytes += stored.payload.length
          return JSON.parse(stored.payload.toString())
        } catch {
          return 'damaged'
        } finally {
          stored.release()
        }
      },
      () => {},
    )
  }

  // Dropping

  function forgetObject(key: string): number {
    const { low, high } = objectName(key)
    const waiting = pending.ofKey(key)
    for (const entry of waiting) pending.cancel(entry)
    const ids = catalog.index.ofObject(low, high)
    for (const id of ids) catalog.remove(id)
    const removed = waiting.length + ids.length
    counts.removes += removed
    return removed
  }

  function dropHeads(key: string): void {
    const { low, high } = objectName(key)
    const found = forgetOne(key, HEADS, 0)
    if (found) counts.removes++
    if (state === 'recovering') droppedEarly.push({ name: { low, high }, headsOnly: true })
    else if (!found) return
    // An older list that is still on the device would be found after a crash.
    void purges.add({ kind: 'heads', objectLow: low, objectHigh: high, sequence: nextSequence() })
  }

  return {
    pending,
    counts,

    opened() {
      if (clearedEarly) catalog.clear()
      for (const { name, headsOnly } of droppedEarly.splice(0)) {
        for (const id of catalog.index.ofObject(name.low, name.high)) {
          if (!headsOnly || catalog.index.generation(id) === HEADS_NAME) catalog.remove(id)
        }
      }
      if (state === 'recovering') state = 'open'
    },

    closed() {
      state = 'closed'
    },

    heads: getHeads,
    slice: getSlice,

    has(key, generation, index) {
      if (pending.find(key, generation, index) !== undefined) return true
      return isReadable() && find(key, generation, index) !== -1
    },

    put(key, generation, index, slice, about) {
      const contentType = about?.contentType
      return put({ key, generation, index, heads: undefined, slice, contentType })
    },

    putHeads(key, heads) {
      if (heads.length > 0) {
        const json = Buffer.from(JSON.stringify(heads))
        const slice = { length: json.length, segments: [json] }
        if (put({ key, generation: HEADS, index: 0, heads, slice, contentType: undefined })) return true
      }
      // Also when refused: an older list must not stay in place of this one.
      dropHeads(key)
      return heads.length === 0
    },

    dropGeneration(key, generation) {
      const { low, high } = objectName(key)
      const word = generationWord(generation)
      for (const entry of pending.ofKey(key, generation)) {
        pending.cancel(entry)
        counts.removes++
      }
      for (const id of catalog.index.ofObject(low, high)) {
        if (catalog.index.generation(id) !== word) continue
        catalog.remove(id)
        counts.removes++
      }
    },

    async drop(key) {
      const { low, high } = objectName(key)
      const removed = forgetObject(key)
      if (state === 'recovering') droppedEarly.push({ name: { low, high }, headsOnly: false })
      await purges.add({ kind: 'object', objectLow: low, objectHigh: high, sequence: nextSequence() })
      return removed
    },

    async clear() {
      const waiting = pending.all()
      for (const entry of waiting) pending.cancel(entry)
      const removed = waiting.length + catalog.clear()
      counts.removes += removed
      clearedEarly = state === 'recovering'
      await purges.add({ kind: 'all', objectLow: 0, objectHigh: 0, sequence: nextSequence() })
      return removed
    },
  }
}
