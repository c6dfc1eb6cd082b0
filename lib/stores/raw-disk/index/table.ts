import { ARRAY_OVERHEAD, NONE } from './records.ts'

/** Most full slots of a shard before it grows. The fuller, the more records are looked at to close a gap. */
const MAX_LOAD = 0.7
const GROWTH = 1.4
/** Growing a shard of this many ids takes well under a millisecond. */
const SHARD_IDS = 4096
/** More would cost a small cache on a large disk more than its entries. With 64 million, growing one takes some ms. */
const MAX_SHARDS = 2048

// Shards are made of pages, and pages are parts of chunks. So growing leaves nothing for the garbage collector: with
// arrays that were replaced by larger ones the process had up to 8 bytes an entry more than what was in use.
const PAGE_BITS = 6
const PAGE_SLOTS = 2 ** PAGE_BITS
const CHUNK_BITS = 14
const CHUNK_SLOTS = 2 ** CHUNK_BITS

/**
 * A hash table from 32-bit hashes to ids. It keeps nothing but the ids: what they stand for is compared by the
 * caller, and their hashes are asked for when a shard grows or closes a gap.
 */
export interface IdTable {
  bytes(): number
  /** The first id that may have this hash, `NONE` without one. The caller compares, and goes on with `next`. */
  first(hash: number): number
  /** The next one, after `first`; the table must not have been changed since. */
  next(): number
  add(hash: number, id: number): void
  /** Puts an id in the place of one of the same hash that is there. */
  replace(hash: number, id: number, by: number): void
  /** Removes an id that is there. Its hash must still be what it was, and so must those of all others. */
  remove(hash: number, id: number): void
}

export interface IdTableOptions {
  /** Most ids, which are all below this number. */
  capacity: number
  /** The hash of an id that is in the table, as 32 bits with or without sign. */
  hashOf(id: number): number
  /** Ids that will soon be there: shards begin with room for so many. */
  expected?: number
  /** A power of two; default by capacity. */
  shards?: number
}

interface Shard {
  /** Where each of its pages begins, in slots of all chunks. */
  pages: number[]
  slots: number
  /** How many more ids it takes before it grows. */
  room: number
  growths: number
}

/**
 * Open addressing with linear probing, in many shards that grow one by one: no pause is longer than what rehashing
 * one shard takes. Removing closes the gap, so that there are no tombstones and a table that lives long stays fast.
 */
export function createIdTable(o: IdTableOptions): IdTable {
  const { capacity, hashOf, expected = 0 } = o
  const shards = new Array<Shard | undefined>(o.shards ?? shardsFor(capacity)).fill(undefined)
  const firstPages = Math.max(1 / GROWTH, expected / shards.length / MAX_LOAD / PAGE_SLOTS)
  // A slot is 0 = empty, else the id + 1 and, in the bits that ids leave, a tag: some bits of the hash.
  const idBits = 32 - Math.clz32(capacity)
  const idMask = 2 ** idBits - 1
  const chunks: Int32Array[] = []
  let pageCount = 0
  // What is rehashed, and the hashes of it.
  let moved = new Int32Array(0)
  let hashes = new Int32Array(0)
  // What `next` goes on with.
  let searched: Shard
  let searchedAt = 0
  let searchedTag = 0

  // The low bits of a hash choose the shard, the high ones the slot. The tag's bits depend on all of them.
  const shardOf = (hash: number): Shard => shards[hash & (shards.length - 1)] ?? createShard(hash)
  const homeOf = (hash: number, { slots }: Shard): number => Math.floor((hash >>> 0) * slots * 2 ** -32)
  const tagOf = (hash: number): number => Math.imul(hash, 0x9e3779b1) & ~idMask
  const idOf = (slot: number): number => (slot & idMask) - 1

  function get({ pages }: Shard, at: number): number {
    const place = pages[at >>> PAGE_BITS] + (at & (PAGE_SLOTS - 1))
    return chunks[place >>> CHUNK_BITS][place & (CHUNK_SLOTS - 1)]
  }

  function set({ pages }: Shard, at: number, slot: number): void {
    const place = pages[at >>> PAGE_BITS] + (at & (PAGE_SLOTS - 1))
    chunks[place >>> CHUNK_BITS][place & (CHUNK_SLOTS - 1)] = slot
  }

  function createShard(hash: number): Shard {
    const shard: Shard = { pages: [], slots: 0, room: 0, growths: 0 }
    shards[hash & (shards.length - 1)] = shard
    extend(shard, hash & (shards.length - 1))
    return shard
  }

  /**
   * All shards fill up alike. Their sizes are spread over one growth, so that they grow one after another and the
   * table has the same memory for each id at all times.
   */
  function extend(shard: Shard, number: number): void {
    const size = () => Math.ceil(firstPages * GROWTH ** (shard.growths + number / shards.length))
    while (size() <= shard.pages.length) shard.growths++
    const before = shard.slots
    for (let missing = size() - shard.pages.length; missing > 0; missing--) {
      const place = pageCount++ << PAGE_BITS
      if (place === chunks.length << CHUNK_BITS) chunks.push(new Int32Array(CHUNK_SLOTS))
      shard.pages.push(place)
    }
    shard.slots = shard.pages.length << PAGE_BITS
    shard.room += Math.floor(shard.slots * MAX_LOAD) - Math.floor(before * MAX_LOAD)
  }

  function next(): number {
    for (;;) {
      const slot = get(searched, searchedAt)
      if (slot === 0) return NONE
      if (++searchedAt === searched.slots) searchedAt = 0
      if ((slot & ~idMask) === searchedTag) return idOf(slot)
    }
  }

  function first(hash: number): number {
    searched = shardOf(hash)
    searchedTag = tagOf(hash)
    searchedAt = homeOf(hash, searched)
    return next()
  }

  function place(shard: Shard, hash: number, slot: number): void {
    let at = homeOf(hash, shard)
    while (get(shard, at) !== 0) if (++at === shard.slots) at = 0
    set(shard, at, slot)
  }

  function grow(shard: Shard, number: number): void {
    if (moved.length < shard.slots) {
      moved = new Int32Array(shard.slots * 2)
      hashes = new Int32Array(shard.slots * 2)
    }
    let count = 0
    for (let at = 0; at < shard.slots; at++) {
      const slot = get(shard, at)
      if (slot === 0) continue
      moved[count++] = slot
      set(shard, at, 0)
    }
    // In a loop of their own: then the processor waits for many of the records at once and not for one after another.
    for (let i = 0; i < count; i++) hashes[i] = hashOf(idOf(moved[i]))
    extend(shard, number)
    for (let i = 0; i < count; i++) place(shard, hashes[i], moved[i])
  }

  function placeOf(shard: Shard, hash: number, id: number): number {
    const wanted = tagOf(hash) | (id + 1)
    for (let at = homeOf(hash, shard); ; ) {
      const slot = get(shard, at)
      if (slot === wanted) return at
      if (slot === 0) throw new Error(`id ${id} is not in the table`)
      if (++at === shard.slots) at = 0
    }
  }

  /** Moves what follows a gap into it wherever it would still be found there, until nothing follows. */
  function closeGap(shard: Shard, gap: number): void {
    set(shard, gap, 0)
    for (let at = gap; ; ) {
      if (++at === shard.slots) at = 0
      const slot = get(shard, at)
      if (slot === 0) return
      const home = homeOf(hashOf(idOf(slot)), shard)
      const homeIsBehindGap = gap < at ? gap < home && home <= at : gap < home || home <= at
      if (homeIsBehindGap) continue
      set(shard, gap, slot)
      set(shard, at, 0)
      gap = at
    }
  }

  return {
    bytes() {
      const ofChunks = chunks.length * (CHUNK_SLOTS * 4 + ARRAY_OVERHEAD)
      // A shard is two small objects, beside its list of pages.
      const ofShards = shards.reduce((sum, shard) => sum + (shard ? 100 + shard.pages.length * 8 : 0), 0)
      return ofChunks + ofShards + shards.length * 8 + moved.byteLength + hashes.byteLength
    },
    first,
    next,

    add(hash, id) {
      const shard = shardOf(hash)
      if (shard.room === 0) grow(shard, hash & (shards.length - 1))
      shard.room--
      place(shard, hash, tagOf(hash) | (id + 1))
    },

    replace(hash, id, by) {
      const shard = shardOf(hash)
      set(shard, placeOf(shard, hash, id), tagOf(hash) | (by + 1))
    },

    remove(hash, id) {
      const shard = shardOf(hash)
      closeGap(shard, placeOf(shard, hash, id))
      shard.room++
    },
  }
}

function shardsFor(capacity: number): number {
  return Math.min(MAX_SHARDS, 2 ** Math.ceil(Math.log2(Math.max(1, capacity / SHARD_IDS))))
}
