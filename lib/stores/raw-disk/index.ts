import { randomInt } from 'node:crypto'
import { createChains } from './index/chains.ts'
import { createRecords, NONE } from './index/records.ts'
import { createIdTable } from './index/table.ts'
import { mix } from './mix.ts'

/** In place of generation and slice index: the entry is the list of heads of its object. */
export const HEADS_NAME = 0xffffffff

/** Most blocks of one entry. */
export const MAX_BLOCKS = 2 ** 24 - 1

/** Ids, and a tag of at least one bit beside them, fit 32 bits. */
const MAX_CAPACITY = 2 ** 30

/**
 * Where each entry is, in memory: by name, by object, by region. It knows nothing of keys: an object is 64 bits of a
 * hash, and two objects of the same bits are one here; who reads an entry compares the key that is stored with it.
 * Ids of entries stay the same until the entry is removed, then they are used again.
 */
export interface RawIndex {
  readonly count: number
  /** Memory of all its arrays, in bytes. */
  bytes(): number
  /** The entry of that name, all of it u32; -1 = none. */
  find(objectLow: number, objectHigh: number, generation: number, index: number): number
  /**
   * Adds an entry whose name must be free and returns its id; -1 when the capacity is reached.
   * `block` is a number over all regions, `blocks` 1 to `MAX_BLOCKS`, `flags` u8, `expires` in seconds, u32.
   * @throws RangeError when block or blocks are out of range
   */
  add(
    objectLow: number,
    objectHigh: number,
    generation: number,
    index: number,
    block: number,
    blocks: number,
    flags: number,
    expires: number,
  ): number
  remove(id: number): void
  objectLow(id: number): number
  objectHigh(id: number): number
  generation(id: number): number
  index(id: number): number
  block(id: number): number
  blocks(id: number): number
  flags(id: number): number
  expires(id: number): number
  setFlags(id: number, flags: number): void
  setExpires(id: number, seconds: number): void
  /**
   * Moves an entry to another place, perhaps of another region.
   * @throws RangeError as `add` does
   */
  setPlace(id: number, block: number, blocks: number): void
  /** All entries of an object, heads among them, in no special order. */
  ofObject(objectLow: number, objectHigh: number): number[]
  /** Whether the object of this entry has another one. */
  hasOthers(id: number): boolean
  /** All entries that begin in a region, in no special order. */
  ofRegion(region: number): number[]
  /**
   * Visits the entries of `count` slots from slot `from` on, and returns where to go on, 0 at the end. Entries may come
   * and go between the calls: one that is there all the time is visited once.
   */
  scan(from: number, count: number, visit: (id: number) => void): number
}

export interface RawIndexOptions {
  /** Most entries, up to 2^30. Memory is taken as they come. */
  capacity: number
  regions: number
  blocksPerRegion: number
  /** Entries that will soon be added, as in recovery: their hash tables are made for so many at once. */
  expected?: number
  /** Of the hash tables; a power of two. Default by capacity. */
  shards?: number
}

// The words of an entry. Blocks are the high 24 bits of their word, flags the low 8.
const OBJECT_LOW = 0
const OBJECT_HIGH = 1
const GENERATION = 2
const INDEX = 3
const BLOCK = 4
const BLOCKS_AND_FLAGS = 5
const EXPIRES = 6
const OBJECT_NEXT = 7
const OBJECT_PREVIOUS = 8
const REGION_NEXT = 9
const REGION_PREVIOUS = 10
const WORDS = 11

/**
 * An empty index. At a million entries it takes 53 to 59 bytes an entry, depending on how many objects they are of:
 * see bench/stores/index-memory.ts.
 */
export function createIndex(o: RawIndexOptions): RawIndex {
  const { capacity, regions, blocksPerRegion, shards, expected = 0 } = o
  if (capacity > MAX_CAPACITY) throw new RangeError(`an index has at most ${MAX_CAPACITY} entries`)
  const records = createRecords(WORDS, REGION_PREVIOUS)
  const { get, set } = records
  const byName = createIdTable({ capacity, shards, expected, hashOf: nameHashOf })
  // Of each object its first entry. The others are in its chain, so that no other object's are looked at.
  const byObject = createIdTable({ capacity, shards, expected: expected / 2, hashOf: objectHashOf })
  const objectChains = createChains(records, OBJECT_NEXT, OBJECT_PREVIOUS)
  const regionChains = createChains(records, REGION_NEXT, REGION_PREVIOUS)
  const firstOfRegion = new Int32Array(regions).fill(NONE)
  // Clients choose keys: without a secret they could choose many whose hashes are alike.
  const seed = randomInt(2 ** 32)

  function hashObject(low: number, high: number): number {
    return mix(Math.imul(mix(low ^ seed), 0x85ebca6b) ^ high)
  }

  function hashName(low: number, high: number, generation: number, index: number): number {
    return mix(hashObject(low, high) ^ mix(Math.imul(generation ^ seed, 0xc2b2ae35) ^ index))
  }

  function objectHashOf(id: number): number {
    return hashObject(get(id, OBJECT_LOW), get(id, OBJECT_HIGH))
  }

  function nameHashOf(id: number): number {
    return hashName(get(id, OBJECT_LOW), get(id, OBJECT_HIGH), get(id, GENERATION), get(id, INDEX))
  }

  function find(low: number, high: number, generation: number, index: number): number {
    let id = byName.first(hashName(low, high, generation, index))
    while (id !== NONE) {
      if (
        get(id, INDEX) === index &&
        get(id, OBJECT_LOW) === low &&
        get(id, OBJECT_HIGH) === high &&
        get(id, GENERATION) === generation
      ) {
        return id
      }
      id = byName.next()
    }
    return NONE
  }

  function firstOfObject(hash: number, low: number, high: number): number {
    let id = byObject.first(hash)
    while (id !== NONE && (get(id, OBJECT_LOW) !== low || get(id, OBJECT_HIGH) !== high)) id = byObject.next()
    return id
  }

  function linkToObject(id: number, low: number, high: number): void {
    const hash = hashObject(low, high)
    const first = firstOfObject(hash, low, high)
    if (first !== NONE) {
      objectChains.insertAfter(id, first)
    } else {
      byObject.add(hash, id)
      objectChains.prepend(id, NONE)
    }
  }

  function unlinkFromObject(id: number): void {
    if (objectChains.previous(id) === NONE) {
      const following = objectChains.next(id)
      if (following === NONE) byObject.remove(objectHashOf(id), id)
      else byObject.replace(objectHashOf(id), id, following)
    }
    objectChains.unlink(id)
  }

  const regionOf = (block: number): number => Math.floor(block / blocksPerRegion)

  function linkToRegion(id: number, region: number): void {
    regionChains.prepend(id, firstOfRegion[region])
    firstOfRegion[region] = id
  }

  function unlinkFromRegion(id: number): void {
    if (regionChains.previous(id) === NONE) {
      firstOfRegion[regionOf(get(id, BLOCK))] = regionChains.next(id)
    }
    regionChains.unlink(id)
  }

  function checkPlace(block: number, blocks: number): void {
    if (!(block >= 0 && block < regions * blocksPerRegion)) {
      throw new RangeError(`block ${block} is in no region`)
    }
    if (!(blocks >= 1 && blocks <= MAX_BLOCKS)) throw new RangeError(`an entry of ${blocks} blocks`)
  }

  return {
    get count() {
      return records.count
    },
    bytes: () => records.bytes() + byName.bytes() + byObject.bytes() + firstOfRegion.byteLength,
    find,

    add(low, high, generation, index, block, blocks, flags, expires) {
      checkPlace(block, blocks)
      if (records.count === capacity) return NONE
      const id = records.allocate()
      set(id, OBJECT_LOW, low)
      set(id, OBJECT_HIGH, high)
      set(id, GENERATION, generation)
      set(id, INDEX, index)
      set(id, BLOCK, block)
      set(id, BLOCKS_AND_FLAGS, (blocks << 8) | (flags & 0xff))
      set(id, EXPIRES, expires)
      byName.add(hashName(low, high, generation, index), id)
      linkToObject(id, low, high)
      linkToRegion(id, regionOf(block))
      return id
    },

    remove(id) {
      byName.remove(nameHashOf(id), id)
      unlinkFromObject(id)
      unlinkFromRegion(id)
      records.free(id)
    },

    objectLow: (id) => get(id, OBJECT_LOW),
    objectHigh: (id) => get(id, OBJECT_HIGH),
    generation: (id) => get(id, GENERATION),
    index: (id) => get(id, INDEX),
    block: (id) => get(id, BLOCK),
    blocks: (id) => get(id, BLOCKS_AND_FLAGS) >>> 8,
    flags: (id) => get(id, BLOCKS_AND_FLAGS) & 0xff,
    expires: (id) => get(id, EXPIRES),
    setFlags: (id, flags) => set(id, BLOCKS_AND_FLAGS, (get(id, BLOCKS_AND_FLAGS) & ~0xff) | (flags & 0xff)),
    setExpires: (id, seconds) => set(id, EXPIRES, seconds),

    setPlace(id, block, blocks) {
      checkPlace(block, blocks)
      unlinkFromRegion(id)
      set(id, BLOCK, block)
      set(id, BLOCKS_AND_FLAGS, (blocks << 8) | (get(id, BLOCKS_AND_FLAGS) & 0xff))
      linkToRegion(id, regionOf(block))
    },

    ofObject: (low, high) => objectChains.from(firstOfObject(hashObject(low, high), low, high)),
    hasOthers: (id) => objectChains.next(id) !== NONE || objectChains.previous(id) !== NONE,
    ofRegion: (region) => regionChains.from(firstOfRegion[region]),

    scan(from, count, visit) {
      const end = Math.min(from + count, records.top)
      for (let id = from; id < end; id++) if (records.isLive(id)) visit(id)
      return end >= records.top ? 0 : end
    },
  }
}
