import type { EntryRecord } from './format/footer.ts'
import type { Geometry } from './geometry.ts'
import { createIndex, HEADS_NAME, type RawIndex } from './index.ts'
import type { Outgoing } from './outgoing.ts'
import type { Regions } from './regions.ts'
import type { Writer } from './writer.ts'

/** The index and the count of live blocks, which change together. */
export interface Catalog {
  /** Another one after `clear`. */
  readonly index: RawIndex
  readonly capacity: number
  /** Nearly as many entries as there may be: some must go although the device has room. */
  readonly isCrowded: boolean
  readonly expiredEntries: number
  /** Takes in what was written; its blocks count as live already. False = no room: then they are dead. */
  add(entry: Outgoing, block: number, blocks: number): boolean
  /** Takes in what recovery found, in place of an older one of the same name. False = no room. */
  restore(record: EntryRecord): boolean
  /** Moves an entry whose copy was written to a new place; the blocks there count as live already. */
  move(id: number, block: number): void
  remove(id: number): void
  /** Whether an entry is a list of heads of which none is of use any more. */
  isExpired(id: number): boolean
  /** Forgets everything of the object whose heads have expired. */
  expire(id: number): void
  /** Looks for expired heads in a part of the index, each time in the next one. */
  sweep(): void
  /** Forgets everything; returns how much there was. */
  clear(): number
}

/** Share of the capacity from which room is made. */
const CROWDED = 0.95
/** Slots of the index that one sweep looks at: about a millisecond. */
const SWEEP = 16_384

/**
 * @param writer told of what is under way: those blocks stay live over `clear`, until they are settled
 * @param expected entries that recovery will bring, about: the index takes its memory for them at once
 */
export function createCatalog(
  geometry: Geometry,
  regions: Regions,
  writer: () => Pick<Writer, 'reserved'>,
  expected: number,
): Catalog {
  let index = createIndex({ ...geometry, expected })
  let expired = 0
  let swept = 0

  function remove(id: number): void {
    regions.addLive(index.block(id), -index.blocks(id))
    index.remove(id)
  }

  function isExpired(id: number): boolean {
    const expires = index.expires(id)
    return expires !== 0 && expires < Date.now() / 1000 && index.generation(id) === HEADS_NAME
  }

  function expire(id: number): void {
    for (const each of index.ofObject(index.objectLow(id), index.objectHigh(id))) {
      remove(each)
      expired++
    }
  }

  return {
    get index() {
      return index
    },
    capacity: geometry.capacity,
    get isCrowded() {
      return index.count > geometry.capacity * CROWDED
    },
    get expiredEntries() {
      return expired
    },

    add({ low, high, generation, index: at, flags, expires }, block, blocks) {
      if (index.add(low, high, generation, at, block, blocks, flags, expires) !== -1) return true
      regions.addLive(block, -blocks)
      return false
    },

    restore({ objectLow, objectHigh, generation, index: at, block, blocks, flags, expires }) {
      const before = index.find(objectLow, objectHigh, generation, at)
      if (before !== -1) remove(before)
      if (index.add(objectLow, objectHigh, generation, at, block, blocks, flags, expires) === -1) return false
      regions.addLive(block, blocks)
      return true
    },

    move(id, block) {
      regions.addLive(index.block(id), -index.blocks(id))
      index.setPlace(id, block, index.blocks(id))
    },

    remove,
    isExpired,
    expire,

    sweep() {
      const found: number[] = []
      swept = index.scan(swept, SWEEP, (id) => {
        if (isExpired(id)) found.push(id)
      })
      for (const id of found) if (isExpired(id)) expire(id)
    },

    clear() {
      const { count } = index
      index = createIndex(geometry)
      swept = 0
      for (let region = 0; region < regions.count; region++) regions.live[region] = writer().reserved(region)
      return count
    },
  }
}
