import type { ByteRange } from '../semantics/ranges.ts'
import type { SlicePart } from '../stores/store.ts'

/**
 * Slice arithmetic. Slice `i` of a representation of `length` bytes holds `[i*S, min((i+1)*S, length))`.
 * Offsets and lengths are bytes; ranges are inclusive at both ends, as in RFC 9110 section 14.1.
 */

/** A run of neighbouring slices, inclusive. */
export interface Run {
  from: number
  to: number
}

/** Bytes of a slice where nothing else is asked for. */
export const DEFAULT_SLICE = 1024 * 1024
const MIN_SLICE = 64 * 1024
const MAX_SLICE = 16 * 1024 * 1024
/** Slices of fewer bytes are read whole: a disk takes about as long for less of them. */
const PARTS_FROM = 128 * 1024

/** @param owner whose option it is @throws TypeError that names the option, its value and what is allowed */
export function checkSliceSize(owner: string, sliceSize: number): void {
  if (Number.isInteger(sliceSize) && sliceSize >= MIN_SLICE && sliceSize <= MAX_SLICE) return
  throw new TypeError(
    `${owner}: sliceSize ${sliceSize} is not a whole number of bytes from ${MIN_SLICE} to ${MAX_SLICE}`,
  )
}

export function sliceIndex(offset: number, sliceSize: number): number {
  return Math.floor(offset / sliceSize)
}

/** Number of slices of a representation; 0 for an empty one. */
export function sliceCount(length: number, sliceSize: number): number {
  return Math.ceil(length / sliceSize)
}

/** Bytes that slice `index` holds; the last one may be short. */
export function sliceLength(index: number, sliceSize: number, length: number): number {
  return Math.min(sliceSize, length - index * sliceSize)
}

/**
 * What of the slice that holds `offset` is read for the bytes up to `last` (inclusive, may be infinite), when that is
 * worth telling a store: not more than half of a slice that is not small. Undefined: the whole slice.
 */
export function neededPart(
  offset: number,
  last: number,
  sliceSize: number,
  length: number | null,
): SlicePart | undefined {
  const index = sliceIndex(offset, sliceSize)
  const start = index * sliceSize
  const bytes = sliceLength(index, sliceSize, length ?? Number.POSITIVE_INFINITY)
  const from = offset - start
  const to = Math.min(last + 1 - start, bytes)
  return bytes >= PARTS_FROM && to - from <= bytes / 2 ? { from, to } : undefined
}

/** The bytes of a run of slices, cut at the end of the representation when its length is known. */
export function runBytes(run: Run, sliceSize: number, length: number | null): ByteRange {
  const last = (run.to + 1) * sliceSize - 1
  return { first: run.from * sliceSize, last: length === null ? last : Math.min(last, length - 1) }
}

/** The slices that hold a range of bytes. */
export function coveringRun(range: ByteRange, sliceSize: number): Run {
  return { from: sliceIndex(range.first, sliceSize), to: sliceIndex(range.last, sliceSize) }
}

/** The missing slices between `from` and `to`, as maximal runs in ascending order: one upstream request each. */
export function missingRuns(from: number, to: number, has: (index: number) => boolean): Run[] {
  const runs: Run[] = []
  let open: Run | null = null
  for (let index = from; index <= to; index++) {
    if (has(index)) {
      open = null
    } else if (open) {
      open.to = index
    } else {
      open = { from: index, to: index }
      runs.push(open)
    }
  }
  return runs
}
