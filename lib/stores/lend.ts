import { PAGE, type Slab } from './slabs.ts'
import { MAX_SEGMENT, type Slice } from './store.ts'

/**
 * The bytes `start` to `end` of memory of a slab as a slice that is lent: each segment gives its own pages back, so
 * that a client which stalls in the middle keeps no more than the segments that its socket has not taken.
 *
 * @param taken what `slab.take` gave; the pages outside of the segments are given back at once
 * @param from see Slice
 */
export function lend(slab: Slab, taken: Buffer, start: number, end: number, from?: number): Slice {
  const segments: Buffer[] = []
  const isLent: boolean[] = []
  const firstPage = Math.floor(start / PAGE) * PAGE
  const lastPage = Math.ceil(end / PAGE) * PAGE
  for (let page = firstPage; page < lastPage; page += MAX_SEGMENT) {
    const stop = Math.min(page + MAX_SEGMENT, lastPage)
    segments.push(taken.subarray(Math.max(page, start), Math.min(stop, end)))
    isLent.push(true)
  }
  if (firstPage > 0) slab.give(taken, 0, firstPage)
  if (lastPage < taken.length) slab.give(taken, lastPage)

  function release(at: number): void {
    if (isLent[at] !== true) return
    isLent[at] = false
    const page = firstPage + at * MAX_SEGMENT
    slab.give(taken, page, Math.min(page + MAX_SEGMENT, lastPage))
  }

  return {
    length: end - start,
    segments,
    ...(from !== undefined && { from }),
    loan: {
      release,
      releaseAll() {
        for (let at = 0; at < isLent.length; at++) release(at)
      },
    },
  }
}
