import { ARRAY_OVERHEAD, NONE } from './records.ts'

/** Most full slots of a shard before it grows. The fuller, the more records are looked at to close a gap. */
const MAX_LOAD = 0.7
/** All shards fill up alike, so doubling would leave all of them at 0.35 at times: 11 bytes an id instead of 8. */
const GROWTH = 1.4
const LEAST_SLOTS = 16
/** Hashes do not spread evenly: room for four standard deviations more in a shard of 2048. */
const SPREAD = 1.1
/** Growing a shard of this many entries takes well under a millisecond. */
const SHARD_ENTRIES = 2048
/** More would cost a small cache on a large disk more than its entries. With 64 million, growing one takes some ms. */
const MAX_SHARDS = 1024

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
  /** Ids that will soon be there: for so many no shard has to grow. */
  expected?: number
  /** A power of two; default by capacity. */
  shards?: number
}

/**
 * Open addressing with linear probing, in many shards that grow one by one: no pause is longer than what rehashing
 * one shard takes. Removing closes the gap, so that there are no tombstones and a table that lives long stays fast.
 */
export function createIdTable(o: IdTableOptions): IdTable {
  const { capacity, hashOf, expected = 0 } = o
  // Of each shard its slots: 0 = empty; else the id + 1 and, in the bits that ids leave, a tag: some bits of the hash.
  const shards = new Array<Int32Array | undefined>(o.shards ?? shardsFor(capacity)).fill(undefined)
  const shardMask = shards.length - 1
  const firstSlots = Math.max(LEAST_SLOTS, Math.ceil(((expected / shards.length) * SPREAD) / MAX_LOAD))
  /** Of each shard, how many more ids it takes before it grows. */
  const room = new Int32Array(shards.length)
  const idBits = 32 - Math.clz32(capacity)
  const idMask = 2 ** idBits - 1
  let slotCount = 0
  let arrays = 0
  let hashes = new Int32Array(0)
  // What `next` goes on with.
  let searched: Int32Array = new Int32Array(1)
  let searchedTag = 0
  let searchedAt = 0

  // The low bits of a hash choose the shard, the high ones the slot. The tag's bits depend on all of them.
  const tagOf = (hash: number): number => Math.imul(hash, 0x9e3779b1) & ~idMask
  const homeOf = (hash: number, slots: number): number => Math.floor((hash >>> 0) * slots * 2 ** -32)
  const idOf = (slot: number): number => (slot & idMask) - 1

  function createShard(hash: number): Int32Array {
    slotCount += firstSlots
    arrays++
    room[hash & shardMask] = Math.floor(firstSlots * MAX_LOAD)
    return (shards[hash & shardMask] = new Int32Array(firstSlots))
  }

  const shardOf = (hash: number): Int32Array => shards[hash & shardMask] ?? createShard(hash)

  function next(): number {
    for (;;) {
      const slot = searched[searchedAt]
      if (slot === 0) return NONE
      if (++searchedAt === searched.length) searchedAt = 0
      if ((slot & ~idMask) === searchedTag) return idOf(slot)
    }
  }

  function first(hash: number): number {
    searched = shardOf(hash)
    searchedTag = tagOf(hash)
    searchedAt = homeOf(hash, searched.length)
    return next()
  }

  function place(slots: Int32Array, hash: number, slot: number): void {
    let at = homeOf(hash, slots.length)
    while (slots[at] !== 0) if (++at === slots.length) at = 0
    slots[at] = slot
  }

  function grow(shard: number): Int32Array {
    const before = shards[shard]!
    const after = new Int32Array(Math.ceil(before.length * GROWTH))
    if (hashes.length < before.length) hashes = new Int32Array(after.length)
    // In a loop of their own: then the processor waits for many of the records at once and not for one after another.
    for (let at = 0; at < before.length; at++) if (before[at] !== 0) hashes[at] = hashOf(idOf(before[at]))
    for (let at = 0; at < before.length; at++) if (before[at] !== 0) place(after, hashes[at], before[at])
    slotCount += after.length - before.length
    room[shard] += Math.floor(after.length * MAX_LOAD) - Math.floor(before.length * MAX_LOAD)
    return (shards[shard] = after)
  }

  function slotOf(slots: Int32Array, hash: number, id: number): number {
    const wanted = tagOf(hash) | (id + 1)
    let at = homeOf(hash, slots.length)
    while (slots[at] !== wanted) {
      if (slots[at] === 0) throw new Error(`id ${id} is not in the table`)
      if (++at === slots.length) at = 0
    }
    return at
  }

  /** Moves what follows a gap into it wherever it would still be found there, until nothing follows. */
  function closeGap(slots: Int32Array, gap: number): void {
    slots[gap] = 0
    for (let at = gap; ; ) {
      if (++at === slots.length) at = 0
      const slot = slots[at]
      if (slot === 0) return
      const home = homeOf(hashOf(idOf(slot)), slots.length)
      const homeIsBehindGap = gap < at ? gap < home && home <= at : gap < home || home <= at
      if (homeIsBehindGap) continue
      slots[gap] = slot
      slots[at] = 0
      gap = at
    }
  }

  return {
    bytes: () => slotCount * 4 + arrays * ARRAY_OVERHEAD + shards.length * 12 + hashes.byteLength,
    first,
    next,

    add(hash, id) {
      let slots = shardOf(hash)
      if (room[hash & shardMask] === 0) slots = grow(hash & shardMask)
      room[hash & shardMask]--
      place(slots, hash, tagOf(hash) | (id + 1))
    },

    replace(hash, id, by) {
      const slots = shardOf(hash)
      slots[slotOf(slots, hash, id)] = tagOf(hash) | (by + 1)
    },

    remove(hash, id) {
      const slots = shardOf(hash)
      closeGap(slots, slotOf(slots, hash, id))
      room[hash & shardMask]++
    },
  }
}

function shardsFor(capacity: number): number {
  return Math.min(MAX_SHARDS, 2 ** Math.ceil(Math.log2(Math.max(1, capacity / SHARD_ENTRIES))))
}
