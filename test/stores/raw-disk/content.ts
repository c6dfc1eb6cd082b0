import { createCipheriv } from 'node:crypto'
import type { Slice, SlicePart, SliceStore } from '../../../lib/stores/store.ts'

/** Most bytes that `contentOf` has. */
export const MAX_CONTENT = 1024 * 1024

/** A prime, so that seeds that follow each other begin at places far from each other. */
const PLACES = 7_340_033
/** The key stream of a cipher: the same each time, and fast. */
const noise = createCipheriv('aes-128-ctr', Buffer.alloc(16, 1), Buffer.alloc(16)).update(
  Buffer.alloc(PLACES + MAX_CONTENT),
)

/** Bytes that follow from the seed, incompressible, different from those of other seeds in every place. */
export function contentOf(seed: number, length: number): Buffer {
  const start = (seed * 104_729) % PLACES
  return noise.subarray(start, start + length)
}

/** The same as a slice of several segments. Never write to them: they are parts of what all content is cut from. */
export function noiseSlice(seed: number, length: number): Slice {
  return sliced(contentOf(seed, length), 20_000 + (seed % 7) * 15_000)
}

/** Bytes as a slice of segments of at most `most` bytes. */
export function sliced(bytes: Buffer, most = 100_000): Slice {
  const segments: Buffer[] = []
  for (let at = 0; at < bytes.length; at += most) segments.push(bytes.subarray(at, at + most))
  return { length: bytes.length, segments }
}

/** The bytes of a slice, in memory of their own; what the store lent is given back. */
export function taken(slice: Slice | undefined): Buffer | undefined {
  if (slice === undefined) return undefined
  const bytes = Buffer.concat(slice.segments as Buffer[])
  slice.loan?.releaseAll()
  if (bytes.length !== slice.length) throw new Error(`${bytes.length} bytes in a slice of ${slice.length}`)
  return bytes
}

/** Whether a slice, or the part of it that was asked for, is what was put; what the store lent is given back. */
export function isPartOf(whole: Buffer, found: Slice, part?: SlicePart): boolean {
  const bytes = taken(found)!
  const from = Math.min(found.from ?? 0, whole.length)
  const asked = part ?? { from: 0, to: whole.length }
  const covers =
    from <= Math.min(asked.from, whole.length) && from + bytes.length >= Math.min(asked.to, whole.length)
  return covers && bytes.equals(whole.subarray(from, from + bytes.length))
}

/** A store that lends nothing: for tests that know nothing of loans. */
export function keepingNothingLent(store: SliceStore): SliceStore {
  return {
    ...store,
    async getSlice(key, generation, index, part) {
      const slice = await store.getSlice(key, generation, index, part)
      return slice?.loan === undefined ? slice : sliced(taken(slice)!)
    },
  }
}
