import type { Head } from '../../semantics/types.ts'
import { HEADS } from '../entry-index.ts'
import type { Slice, SlicePart } from '../store.ts'
import type { Counts } from './entries.ts'
import { COMPRESSED, WAS_HIT } from './flags.ts'
import type { EntryName } from './format/entry.ts'
import type { Known } from './known.ts'
import type { Place, Reads } from './reads.ts'
import type { Regions } from './regions.ts'

export interface GetsOptions {
  known: Known
  counts: Counts
  regions: Regions
  reads: Reads
  /** Whether the index may be believed, and the device asked. */
  isReadable(): boolean
}

export interface Gets {
  heads(key: string): readonly Head[] | undefined | Promise<readonly Head[] | undefined>
  slice(
    key: string,
    generation: number,
    index: number,
    part?: SlicePart,
  ): Slice | undefined | Promise<Slice | undefined>
}

/** Finds entries: in the queue of writes, or on the device. */
export function createGets({ known, counts, regions, reads, isReadable }: GetsOptions): Gets {
  const { catalog, pending } = known

  /** Reads while the region cannot be overwritten; undefined also for what was dropped meanwhile. */
  async function read<T>(
    name: EntryName,
    id: number,
    readAt: (place: Place) => Promise<T | 'failed' | 'damaged'>,
    discard?: (found: T) => void,
  ): Promise<T | undefined> {
    const block = catalog.index.block(id)
    // By the words of the index: hashing the key once more took 2 of the 50 us of reading 4 KiB.
    const [low, high] = [catalog.index.objectLow(id), catalog.index.objectHigh(id)]
    const [generation, index] = [catalog.index.generation(id), catalog.index.index(id)]
    const region = regions.regionOf(block)
    regions.pin(region)
    const place = { block, blocks: catalog.index.blocks(id), regionGeneration: regions.generation[region] }
    const found = await readAt(place)
    regions.unpin(region)
    const now = catalog.index.find(low, high, generation, index)
    if (found === 'failed') return undefined
    if (found === 'damaged') {
      counts.corrupt++
      if (now !== -1 && catalog.index.block(now) === block) catalog.remove(now)
      return undefined
    }
    if (now === -1 && pending.find(name.key, name.generation, name.index) === undefined) {
      discard?.(found as T)
      return undefined
    }
    if (now !== -1) catalog.index.setFlags(now, catalog.index.flags(now) | WAS_HIT)
    counts.hits++
    return found as T
  }

  async function parseHeads(place: Place, name: EntryName): Promise<readonly Head[] | 'failed' | 'damaged'> {
    const stored = await reads.stored(place, name)
    if (typeof stored === 'string') return stored
    try {
      counts.readBytes += stored.payload.length
      return JSON.parse(stored.payload.toString())
    } catch {
      return 'damaged'
    } finally {
      stored.release()
    }
  }

  return {
    slice(key, generation, index, part) {
      counts.lookups++
      const waiting = pending.find(key, generation, index)
      if (waiting !== undefined) {
        counts.hits++
        return waiting.slice
      }
      const id = isReadable() ? known.find(key, generation, index) : -1
      if (id === -1) return undefined
      const isCompressed = (catalog.index.flags(id) & COMPRESSED) !== 0
      const name = { key, generation, index }
      return read<Slice>(
        name,
        id,
        async (place) => {
          const slice = await reads.slice(place, name, part, isCompressed)
          if (typeof slice !== 'string') counts.readBytes += slice.length
          return slice
        },
        (slice) => slice.loan?.releaseAll(),
      )
    },

    heads(key) {
      counts.lookups++
      const waiting = pending.find(key, HEADS, 0)
      if (waiting !== undefined) {
        counts.hits++
        return waiting.heads
      }
      const id = isReadable() ? known.find(key, HEADS, 0) : -1
      if (id === -1) return undefined
      if (catalog.isExpired(id)) {
        catalog.expire(id)
        return undefined
      }
      const name = { key, generation: HEADS, index: 0 }
      return read(name, id, (place) => parseHeads(place, name))
    },
  }
}
