import type { Head } from '../semantics/types.ts'
import type { MemoryBlock } from './memory-block.ts'

/**
 * Bytes of one slice, as the segments in which they were received or read. No segment is over
 * `MAX_SEGMENT` bytes, so that a client that stalls with a part of a slice in its socket's queue
 * keeps a segment alive and not the slice. Segments are shared by all readers: never write to them.
 */
export interface Slice {
  /** Sum of the segments' lengths, in bytes; of a part, of that part. */
  readonly length: number
  readonly segments: readonly Buffer[]
  /** Only a part of the slice was asked for and read: place of its first byte in the slice. Absent = 0. */
  readonly from?: number
  /** The segments lie in memory that the store lends; absent = they are everybody's. */
  readonly loan?: Loan
  /**
   * Of a slice that is put into memory alone: what its segments lie in, held for the store. As long as nobody else got them it may
   * let go of the blocks when it forgets the slice. No slice that was got has any.
   */
  readonly blocks?: readonly MemoryBlock[] | undefined
}

/**
 * Memory that a store lends for a slice. Whoever got the slice owns the loan, alone: it must give each segment back
 * once the socket has taken it or nobody needs it, and read nothing of it after that. Never keep, cache or share such
 * a slice: `ownSlice` (loan.ts) makes an ordinary one of it.
 */
export interface Loan {
  /** Gives back the segment at this place in `segments`. No effect the second time. */
  release(segment: number): void
  /** Gives back whatever has not been given back. */
  releaseAll(): void
}

/** Bytes of a slice, counted in it. */
export interface SlicePart {
  readonly from: number
  /** Exclusive; may be more than the slice has. */
  readonly to: number
}

/** What is known of a slice that is put. */
export interface SliceAbout {
  /** Length of the whole representation in bytes, where it is known. */
  readonly objectBytes?: number
  /** Content-Type as the origin sent it; undefined where the bytes have a Content-Encoding. */
  readonly contentType?: string
}

/** The slices that one response reads in order: what lets a store read ahead. */
export interface Sequence {
  /** As `getSlice`. Indexes rise from call to call, with gaps where the reader found slices elsewhere. */
  get(index: number, part?: SlicePart): Slice | undefined | Promise<Slice | undefined>
  /** The response has ended, or its client takes nothing: what was read ahead is dropped, its memory given back. */
  close(): void
}

/** Most bytes of one segment of a slice. */
export const MAX_SEGMENT = 128 * 1024

/** Figures of one store at one moment. Counters never fall; bytes include the store's own overhead. */
export interface StoreStats {
  entries: number
  bytes: number
  maxBytes: number
  /** Accepted puts that are not yet in their final place, in bytes. */
  pendingBytes: number
  stores: number
  lookups: number
  hits: number
  removes: number
  evictions: number
  /** Puts refused because the queue was full, the entry too large or the store out of order. */
  refused: number
  readBytes: number
  writtenBytes: number
  /** I/O errors; each one was a miss or a lost copy, never an error of a client. */
  readErrors: number
  writeErrors: number
  /** Entries found damaged (checksum, key, lengths) and removed. */
  corrupt: number
}

/** Told of a key and of all its heads as they are stored at this moment. What it returns is awaited. */
export type HeadsVisitor = (key: string, heads: readonly Head[]) => unknown

/**
 * Where heads and slices are kept. One contract test runs against every implementation.
 *
 * No method throws or rejects because of the medium: an entry that cannot be read is a miss, one that
 * cannot be written is a refusal, and both are counted. What `put…` accepted is found by `get…` at once,
 * also before it reached the disk, until it is evicted or dropped.
 */
export interface SliceStore {
  /** For logs, metrics and Cache-Status: 'l1', 'l2'. */
  readonly name: string

  /** The heads of all variants stored under a key; undefined when there are none. A store in memory answers at once. */
  getHeads(key: string): readonly Head[] | undefined | Promise<readonly Head[] | undefined>

  /** Replaces all heads of the key (the caller has the full list). An empty list removes the entry. Never blocks; false = refused. */
  putHeads(key: string, heads: readonly Head[]): boolean

  /**
   * Whether `getSlice` heeds `part`. Others are not asked for parts: what they read is whole, and can be shared
   * and kept in memory.
   */
  readonly readsParts?: boolean

  /** @param part all that is needed: a store may answer with that only, and says so by `from` */
  getSlice(
    key: string,
    generation: number,
    index: number,
    part?: SlicePart,
  ): Slice | undefined | Promise<Slice | undefined>

  /** Begins to read slices of one generation in order, up to `last`. Absent: nothing is gained by that. */
  openSequence?(key: string, generation: number, last: number): Sequence

  /** Whether getSlice will probably find it, without I/O. A store that is still reading its index may say true wrongly. */
  hasSlice(key: string, generation: number, index: number): boolean

  /** Never blocks; false = refused. Putting the same slice again replaces it. */
  putSlice(key: string, generation: number, index: number, slice: Slice, about?: SliceAbout): boolean

  /**
   * Visits the heads of every key that has some now, one key at a time, and awaits each visit. A list that is replaced
   * meanwhile is visited as it is then; keys that come or go meanwhile may be visited or not, and some may be twice.
   *
   * It is for sweeps: it is no use of an entry, counts as no look-up, fills no other tier, and gives everybody else their
   * turn about every millisecond. A store that is still reading its index is waited for.
   *
   * @param signal ends it early
   * @returns whether all were visited: false when it was aborted, or when some could not be read and may yet be found by a
   * later get. Damaged ones are removed and counted, as by a get. Rejects with what `visit` throws, and else never.
   */
  eachHeads(visit: HeadsVisitor, signal: AbortSignal): Promise<boolean>

  /** Forgets all slices of one generation, those still queued too. */
  dropGeneration(key: string, generation: number): void

  /**
   * Forgets everything under a key, what is still queued too. When it returns, no later get finds anything older;
   * when the promise resolves, that is true after kill -9 too. Resolves to the number of heads and slices removed; rejects
   * when the medium failed: then what was dropped could come back with the next start.
   */
  drop(key: string): Promise<number>

  /** The same for all keys. */
  clear(): Promise<number>

  stats(): StoreStats

  /** Resolves when every put accepted so far has reached its final place or failed. */
  flush(): Promise<void>

  close(): Promise<void>
}
