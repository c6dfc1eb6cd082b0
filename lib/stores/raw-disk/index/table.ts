import { ARRAY_OVERHEAD, NONE } from './records.ts'

/** Most full slots of a shard before it grows. Above it, searches for what is not there get long. */
const MAX_LOAD = 0.8
/** All shards fill up alike, so doubling would leave all of them at 0.4 at times: 10 bytes an entry instead of 7.5. */
const GROWTH = 1.5
const FIRST_SLOTS = 16
/** Growing a shard of this many entries takes well under a millisecond. */
const SHARD_ENTRIES = 2048
const MAX_SHARDS = 4096

interface Shard {
  /** 0 = empty; else the id + 1 and, in the bits that ids leave, a tag: some bits of the hash. */
  slots: Int32Array
  count: number
  /** Most entries before it grows. */
  limit: number
}

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
  /** The hash of an id that is in the table, u32. */
  hashOf(id: number): number
  /** A power of two; default by capacity. */
  shards?: number
}

/**
 * Open addressing with linear probing, in many shards that grow one by one: no pause is longer than what rehashing
 * one shard takes. Removing closes the gap, so that there are no tombstones and a table that lives long stays fast.
 */
export function createIdTable({ capacity, hashOf, shards: shardCount }: IdTableOptions): IdTable {
  const shards = new Array<Shard | undefined>(shardCount ?? shardsFor(capacity)).fill(undefined)
  const shardMask = shards.length - 1
  const idBits = 32 - Math.clz32(capacity)
  const idMask = 2 ** idBits - 1
  let slotCount = 0
  let searched: Int32Array = new Int32Array(1)
  let searchedTag = 0
  let searchedAt = 0

  // The low bits of a hash choose the shard, the high bits the slot, and a product with all bits in its high ones is the tag.
  const tagOf = (hash: number): number => Math.imul(hash, 0x9e3779b1) & ~idMask
  const homeOf = (hash: number, slots: Int32Array): number =>
    Math.floor((hash >>> 0) * slots.length * 2 ** -32)

  function shardOf(hash: number): Shard {
    return (shards[hash & shardMask] ??= createShard())
  }

  function createShard(): Shard {
    slotCount += FIRST_SLOTS
    return { slots: new Int32Array(FIRST_SLOTS), count: 0, limit: Math.floor(FIRST_SLOTS * MAX_LOAD) }
  }

  function next(): number {
    for (;;) {
      const slot = searched[searchedAt]
      if (slot === 0) return NONE
      if (++searchedAt === searched.length) searchedAt = 0
      if ((slot & ~idMask) === searchedTag) return (slot & idMask) - 1
    }
  }

  function first(hash: number): number {
    searched = shardOf(hash).slots
    searchedTag = tagOf(hash)
    searchedAt = homeOf(hash, searched)
    return next()
  }

  function place(slots: Int32Array, hash: number, slot: number): void {
    let at = homeOf(hash, slots)
    while (slots[at] !== 0) if (++at === slots.length) at = 0
    slots[at] = slot
  }

  function grow(shard: Shard): void {
    const before = shard.slots
    shard.slots = new Int32Array(Math.ceil(before.length * GROWTH))
    shard.limit = Math.floor(shard.slots.length * MAX_LOAD)
    slotCount += shard.slots.length - before.length
    for (const slot of before) if (slot !== 0) place(shard.slots, hashOf((slot & idMask) - 1), slot)
  }

  function slotOf(slots: Int32Array, hash: number, id: number): number {
    const wanted = tagOf(hash) | (id + 1)
    let at = homeOf(hash, slots)
    while (slots[at] !== wanted) {
      if (slots[at] === 0) throw new Error(`id ${id} is not in the table`)
      if (++at === slots.length) at = 0
    }
    return at
  }

  /** Moves what follows a gap into it wherever it may be found there, until nothing follows. */
  function closeGap(slots: Int32Array, gap: number): void {
    const distance = (from: number, to: number) => (to >= from ? to - from : to - from + slots.length)
    slots[gap] = 0
    for (let at = gap; ; ) {
      if (++at === slots.length) at = 0
      const slot = slots[at]
      if (slot === 0) return
      const home = homeOf(hashOf((slot & idMask) - 1), slots)
      if (distance(home, at) < distance(gap, at)) continue
      slots[gap] = slot
      slots[at] = 0
      gap = at
    }
  }

  return {
    bytes: () => slotCount * 4 + shards.reduce((sum, shard) => sum + (shard ? ARRAY_OVERHEAD : 8), 0),
    first,
    next,

    add(hash, id) {
      const shard = shardOf(hash)
      if (shard.count === shard.limit) grow(shard)
      shard.count++
      place(shard.slots, hash, tagOf(hash) | (id + 1))
    },

    replace(hash, id, by) {
      const { slots } = shardOf(hash)
      slots[slotOf(slots, hash, id)] = tagOf(hash) | (by + 1)
    },

    remove(hash, id) {
      const shard = shardOf(hash)
      const gap = slotOf(shard.slots, hash, id)
      shard.count--
      closeGap(shard.slots, gap)
    },
  }
}

function shardsFor(capacity: number): number {
  return Math.min(MAX_SHARDS, 2 ** Math.ceil(Math.log2(Math.max(1, capacity / SHARD_ENTRIES))))
}
