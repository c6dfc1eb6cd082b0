import type { Slice } from './store.ts'

/**
 * The same bytes in ordinary memory, which may be kept and shared; the loan is given back. Returns the slice itself
 * where nothing is lent.
 */
export function ownSlice(slice: Slice): Slice {
  const { loan, length, segments, from } = slice
  if (loan === undefined) return slice
  // allocUnsafeSlow: a small Buffer of the pool would be a view of something larger.
  const own = segments.map((segment) => {
    const bytes = Buffer.allocUnsafeSlow(segment.length)
    segment.copy(bytes)
    return bytes
  })
  loan.releaseAll()
  return from === undefined ? { length, segments: own } : { length, segments: own, from }
}
