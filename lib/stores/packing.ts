/**
 * Bytes of many small slices, side by side in pages, without an object for any of them: a Buffer of its own would cost 480 bytes, and
 * the garbage collector a look at it each time.
 *
 * The slices of one size lie close together: where one leaves, the last one takes its place. So pages have no holes, and memory is
 * given back as slices leave.
 */

/** Longer slices have Buffers of their own. */
export const LONGEST_PACKED = 4096
const PAGE_BYTES = 32 * 1024
/** Slices up to FINE bytes take a multiple of FINE_STEP, longer ones one of STEP: a few per cent of a page are lost. */
const FINE = 1024
const FINE_STEP = 64
const STEP = 128

/** Whose bytes are packed. */
export interface Packed {
  /** Bytes that it has, at most `LONGEST_PACKED`. */
  readonly length: number
  /** Where they lie; written by the packing alone. */
  place: number
}

export interface Packing<E extends Packed> {
  /** Copies the bytes in. */
  add(entry: E, segments: readonly Buffer[]): void
  /** Gives the bytes back, in memory of their own, and forgets them. */
  take(entry: E): Buffer
  remove(entry: E): void
  clear(): void
}

/** Entries of one size. */
interface Size<E> {
  readonly perPage: number
  pages: Buffer[]
  /** By their places. */
  entries: E[]
}

/** What packed bytes take. */
export function packedBytes(length: number): number {
  const step = length <= FINE ? FINE_STEP : STEP
  return Math.max(step, Math.ceil(length / step) * step)
}

export function createPacking<E extends Packed>(): Packing<E> {
  const sizes = new Map<number, Size<E>>()

  function sizeOf(bytes: number): Size<E> {
    let size = sizes.get(bytes)
    if (size === undefined) {
      size = { perPage: Math.floor(PAGE_BYTES / bytes), pages: [], entries: [] }
      sizes.set(bytes, size)
    }
    return size
  }

  function remove(entry: E): void {
    const bytes = packedBytes(entry.length)
    const size = sizeOf(bytes)
    const { perPage, pages, entries } = size
    const last = entries.pop()!
    if (last !== entry) {
      const from = offsetOf(last.place, perPage, bytes)
      pages[pageOf(last.place, perPage)].copy(
        pages[pageOf(entry.place, perPage)],
        offsetOf(entry.place, perPage, bytes),
        from,
        from + last.length,
      )
      entries[entry.place] = last
      last.place = entry.place
    }
    // One page more than is needed stays: the next slice may come at once.
    if (entries.length <= (pages.length - 2) * perPage) pages.pop()
  }

  return {
    add(entry, segments) {
      const bytes = packedBytes(entry.length)
      const { perPage, pages, entries } = sizeOf(bytes)
      const place = entries.length
      const page = pageOf(place, perPage)
      if (page === pages.length) pages.push(Buffer.allocUnsafeSlow(PAGE_BYTES))
      let at = offsetOf(place, perPage, bytes)
      for (const segment of segments) {
        pages[page].set(segment, at)
        at += segment.length
      }
      entry.place = place
      entries.push(entry)
    },

    take(entry) {
      const bytes = packedBytes(entry.length)
      const { perPage, pages } = sizeOf(bytes)
      const from = offsetOf(entry.place, perPage, bytes)
      const own = Buffer.allocUnsafeSlow(entry.length)
      pages[pageOf(entry.place, perPage)].copy(own, 0, from, from + entry.length)
      remove(entry)
      return own
    },

    remove,
    clear: () => sizes.clear(),
  }
}

function pageOf(place: number, perPage: number): number {
  return Math.floor(place / perPage)
}

/** In its page. */
function offsetOf(place: number, perPage: number, bytes: number): number {
  return (place % perPage) * bytes
}
