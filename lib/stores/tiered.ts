import type { Head } from '../semantics/types.ts'
import { compactSlice } from './footprint.ts'
import { ownSlice } from './loan.ts'
import type { MemoryStore } from './memory.ts'
import { createSharedReads, type EndedRead } from './shared-reads.ts'
import { sumStats } from './stats.ts'
import type { Sequence, Slice, SliceAbout, SlicePart, SliceStore } from './store.ts'

export interface TieredStoreOptions {
  l1?: MemoryStore
  l2?: SliceStore
  /** With both tiers, slices of representations longer than this many bytes are kept in L2 only, so that one object cannot flush L1. */
  l1MaxObjectBytes: number
}

/**
 * Memory before disk. The general methods of SliceStore ask both; `l1…` and `l2…` ask one, so that a caller
 * knows which tier answered, and a hit in memory costs no promise.
 */
export interface TieredStore extends SliceStore {
  readonly l1: MemoryStore | undefined
  readonly l2: SliceStore | undefined

  l1Heads(key: string): readonly Head[] | undefined
  l1Slice(key: string, generation: number, index: number): Slice | undefined

  /** Asks L2 and brings what it has into L1. Concurrent reads of one entry are one read. */
  l2Heads(key: string): readonly Head[] | undefined | Promise<readonly Head[] | undefined>
  /**
   * @param objectBytes length of the whole representation where it is known
   * @param part all that is needed; heeded where the slice is not kept in L1 and L2 reads parts
   */
  l2Slice(
    key: string,
    generation: number,
    index: number,
    objectBytes?: number,
    part?: SlicePart,
  ): Slice | undefined | Promise<Slice | undefined>
  /** The same for slices that one response reads in order, up to `last`. */
  l2Sequence(key: string, generation: number, last: number, objectBytes?: number): Sequence

  /** True when one tier took it. */
  putSlice(key: string, generation: number, index: number, slice: Slice, about?: SliceAbout): boolean

  /** The sums of both tiers' figures: an entry in both counts twice. */
  stats(): ReturnType<SliceStore['stats']>
}

interface SliceName {
  key: string
  generation: number
  index: number
}

const HEADS = 'heads'

/** Composes the tiers that there are; without any it finds nothing and takes nothing. */
export function createTieredStore({ l1, l2, l1MaxObjectBytes }: TieredStoreOptions): TieredStore {
  const tiers: SliceStore[] = [l1, l2].filter((tier) => tier !== undefined)
  const reads = createSharedReads()

  function belongsInL1(objectBytes: number | undefined): boolean {
    return l2 === undefined || objectBytes === undefined || objectBytes <= l1MaxObjectBytes
  }

  function l2Heads(key: string): readonly Head[] | undefined | Promise<readonly Head[] | undefined> {
    if (l2 === undefined) return undefined
    return throughL2(
      key,
      HEADS,
      () => l2.getHeads(key),
      (heads, { overtaken }) => {
        if (!overtaken) l1?.putHeads(key, heads)
        return heads
      },
    )
  }

  function l2Slice(key: string, generation: number, index: number, objectBytes?: number, part?: SlicePart) {
    if (l2 === undefined) return undefined
    const read = (wanted?: SlicePart) => l2.getSlice(key, generation, index, wanted)
    return readSlice(l2, { key, generation, index }, objectBytes, part, read)
  }

  function l2Sequence(key: string, generation: number, last: number, objectBytes?: number): Sequence {
    const sequence = l2?.openSequence?.(key, generation, last)
    return {
      get(index, part) {
        if (l2 === undefined || sequence === undefined) {
          return l2Slice(key, generation, index, objectBytes, part)
        }
        const read = (wanted?: SlicePart) => sequence.get(index, wanted)
        return readSlice(l2, { key, generation, index }, objectBytes, part, read)
      },
      close: () => sequence?.close(),
    }
  }

  function readSlice(
    from: SliceStore,
    { key, generation, index }: SliceName,
    objectBytes: number | undefined,
    part: SlicePart | undefined,
    read: (part?: SlicePart) => Slice | undefined | Promise<Slice | undefined>,
  ): Slice | undefined | Promise<Slice | undefined> {
    const isKept = l1 !== undefined && belongsInL1(objectBytes)
    // Of no use to anybody else: neither shared nor kept.
    if (part !== undefined && from.readsParts === true && !isKept) return read(part)
    return throughL2(key, `${generation}.${index}`, read, (slice, { joined, overtaken }) => {
      // What was read ahead may be older than a drop that no read under way was told of.
      const promoted = isKept && !overtaken && from.hasSlice(key, generation, index)
      // Lent memory has one owner: where there are several, all get the same copy.
      const own = joined || promoted ? ownSlice(slice) : slice
      if (promoted) l1.putSlice(key, generation, index, own)
      return own
    })
  }

  function throughL2<T>(
    key: string,
    entry: string,
    get: () => T | undefined | Promise<T | undefined>,
    settle: (found: T, ended: EndedRead) => T,
  ): T | undefined | Promise<T | undefined> {
    const joined = reads.join<T>(key, entry)
    if (joined !== undefined) return joined
    const found = get()
    if (found instanceof Promise) return reads.share(key, entry, found, settle)
    return found === undefined ? undefined : settle(found, { joined: false, overtaken: false })
  }

  return {
    name: 'tiered',
    l1,
    l2,

    l1Heads: (key) => l1?.getHeads(key),
    l1Slice: (key, generation, index) => l1?.getSlice(key, generation, index),
    l2Heads,
    l2Slice,
    l2Sequence,

    getHeads: (key) => l1?.getHeads(key) ?? l2Heads(key),

    putHeads(key, heads) {
      reads.overtake(key, HEADS)
      const inL1 = l1?.putHeads(key, heads) ?? false
      const inL2 = l2?.putHeads(key, heads) ?? false
      return inL1 || inL2
    },

    getSlice: (key, generation, index) =>
      l1?.getSlice(key, generation, index) ?? l2Slice(key, generation, index),

    hasSlice: (key, generation, index) => tiers.some((tier) => tier.hasSlice(key, generation, index)),

    putSlice(key, generation, index, slice, about) {
      reads.overtake(key, `${generation}.${index}`)
      // Memory alone copies what is small.
      const own = l2 === undefined ? slice : compactSlice(slice)
      // L2 answers with the very slice while it waits to be written: its memory is nobody's to let go of.
      const shared = own.blocks ? { length: own.length, segments: own.segments } : own
      const inL2 = l2?.putSlice(key, generation, index, shared, about) ?? false
      const kept = inL2 ? shared : own
      const inL1 = belongsInL1(about?.objectBytes) && (l1?.putSlice(key, generation, index, kept) ?? false)
      return inL1 || inL2
    },

    // L2 first: what comes from there into memory meanwhile is visited in one of both. The other way round it could be
    // brought up behind the walk through L1, and leave L2 before the one through that.
    async eachHeads(visit, signal) {
      const inL2 = (await l2?.eachHeads(visit, signal)) ?? true
      const inL1 = (await l1?.eachHeads(visit, signal)) ?? true
      return inL2 && inL1 && !signal.aborted
    },

    dropGeneration(key, generation) {
      reads.overtakeKey(key, `${generation}.`)
      for (const tier of tiers) tier.dropGeneration(key, generation)
    },

    async drop(key) {
      reads.overtakeKey(key)
      const removed = await Promise.all(tiers.map((tier) => tier.drop(key)))
      return Math.max(0, ...removed)
    },

    async clear() {
      reads.overtakeAll()
      const removed = await Promise.all(tiers.map((tier) => tier.clear()))
      return Math.max(0, ...removed)
    },

    stats: () => sumStats(tiers.map((tier) => tier.stats())),

    async flush() {
      await Promise.all(tiers.map((tier) => tier.flush()))
    },

    async close() {
      await Promise.all(tiers.map((tier) => tier.close()))
    },
  }
}
