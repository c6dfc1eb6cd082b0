import type { Head } from '../semantics/types.ts'
import { packedBytes } from './packing.ts'
import type { Slice } from './store.ts'

/**
 * What entries cost in memory. The constants are measured on Node 26, x64: heap and malloc together, so that
 * a store's `bytes` agrees with the growth of the process (test/stores/footprint.test.ts keeps them honest).
 */

/** An entry of the index with its share of the object's record and of the heap that collection leaves unused. */
const ENTRY_BYTES = 500
/** A Buffer object with its ArrayBuffer and backing store, without the bytes themselves. */
const SEGMENT_BYTES = 480
/** A parsed head without its strings. */
const HEAD_BYTES = 300
/** A string without its characters. */
const STRING_BYTES = 24

/** Bytes that a slice keeps alive, those of the segments' ArrayBuffers that lie outside of the slice included. */
export function sliceFootprint(key: string, slice: Slice): number {
  let bytes = ENTRY_BYTES + key.length
  let before: ArrayBufferLike | undefined
  for (const { buffer } of slice.segments) {
    bytes += SEGMENT_BYTES
    // Two that follow one another may lie in one.
    if (buffer !== before) bytes += buffer.byteLength
    before = buffer
  }
  return bytes
}

/** Bytes that a slice takes while it is packed. */
export function packedFootprint(key: string, { length }: Slice): number {
  return ENTRY_BYTES + key.length + packedBytes(length)
}

/** Bytes that a list of heads keeps alive. */
export function headsFootprint(key: string, heads: readonly Head[]): number {
  let bytes = ENTRY_BYTES + key.length
  for (const head of heads) {
    bytes += HEAD_BYTES
    for (const text of head.fields) bytes += STRING_BYTES + text.length
    for (const name of head.vary) bytes += STRING_BYTES + name.length
    for (const value of head.varyValues) bytes += STRING_BYTES + (value?.length ?? 0)
    for (const name of head.groups) bytes += STRING_BYTES + name.length
    bytes += head.acceptEncoding?.length ?? 0
  }
  return bytes
}

/**
 * The same slice, no segment of which keeps much more memory alive than its own: a small view of a large
 * ArrayBuffer is copied, and a block of which nothing is left is let go of. Returns the slice itself where that is so already.
 */
export function compactSlice(slice: Slice): Slice {
  const { length } = slice
  if (!slice.segments.some(isSmallView)) return slice
  const segments = slice.segments.map((each, at) =>
    isSmallView(each, at, slice.segments) ? copy(each) : each,
  )
  const blocks = slice.blocks?.filter((block) => {
    if (segments.some(({ buffer }) => buffer === block.bytes.buffer)) return true
    block.release()
    return false
  })
  return { length, segments, blocks }
}

function isSmallView(segment: Buffer, at: number, segments: readonly Buffer[]): boolean {
  const { buffer } = segment
  if (buffer.byteLength <= segment.length * 1.25 + 4096) return false
  // Its neighbours may have the rest of it.
  let together = segment.length
  for (let i = at - 1; i >= 0 && segments[i].buffer === buffer; i--) together += segments[i].length
  for (let i = at + 1; segments[i]?.buffer === buffer; i++) together += segments[i].length
  return buffer.byteLength > together * 1.25 + 4096
}

function copy(segment: Buffer): Buffer {
  // allocUnsafeSlow: a small Buffer of the pool would again be a view of something larger.
  const own = Buffer.allocUnsafeSlow(segment.length)
  segment.copy(own)
  return own
}
