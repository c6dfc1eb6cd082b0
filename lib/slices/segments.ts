import type { Mutable } from '../semantics/types.ts'
import type { MemoryBlock } from '../stores/memory-block.ts'
import { MAX_SEGMENT } from '../stores/store.ts'

/** Chunks from this size on are kept as they came; smaller ones are copied together. */
const ADOPT_FROM = 32 * 1024
/** Memory for small chunks: the first one exactly, so that a small object wastes nothing, then growing to this. */
const COPY_SEGMENT = 64 * 1024

/**
 * Consecutive bytes of a representation in memory, as segments with absolute offsets. No segment crosses
 * a slice boundary, so that a slice is handed to the stores as the very segments that readers are sent.
 */
export interface Segments {
  /** Absolute offset of the first byte that is still held, and after the last one. */
  readonly start: number
  readonly end: number
  /**
   * Nobody else writes to the chunk any more, unless it is a small part of more memory.
   *
   * @param block what the chunk lies in, held for us; let go when what we keep of it is dropped
   */
  append(chunk: Buffer, block?: MemoryBlock): void
  /** What is held from `offset` to the end of the segment that holds it; undefined when nothing is. */
  at(offset: number): Buffer | undefined
  /** The same, but not what lies in a block. */
  lasting(offset: number): Buffer | undefined
  /** The block that `at` lies in, held once more: for whoever lets go of it, when nobody reads those bytes any more. */
  holdAt(offset: number): MemoryBlock | undefined
  /** The segments of `[first, end)`, which must be held, and the blocks that they lie in, each held once more. */
  between(first: number, end: number): { segments: Buffer[]; blocks: MemoryBlock[] | undefined }
  /** Forgets whole segments before `offset`. */
  dropBefore(offset: number): void
}

/** @param most bytes of a segment */
export function createSegments(start: number, sliceSize: number, most = MAX_SEGMENT): Segments {
  let offsets: number[] = []
  let buffers: Buffer[] = []
  /** What they lie in, where it is to be given back. */
  let blocks: (MemoryBlock | undefined)[] = []
  let head = 0 // index of the first segment that is held: shift() on every segment would be quadratic
  let room: Buffer | null = null // tail segment's memory, while small chunks are being copied into it

  function push(bytes: Buffer, block?: MemoryBlock): void {
    block?.hold()
    offsets.push(held.end)
    buffers.push(bytes)
    blocks.push(block)
    held.end += bytes.length
  }

  /** Small chunks grow the last segment in place; what readers hold of it stays valid, because bytes only follow. */
  function copyIn(bytes: Buffer): void {
    let from = 0
    while (from < bytes.length) {
      const last = buffers.length - 1
      const used = room && last >= head ? buffers[last].length : 0
      if (!room || used === 0 || used === room.length || held.end % sliceSize === 0) {
        const grown = Math.min(COPY_SEGMENT, (room?.length ?? 0) * 4)
        if (from === 0 && grown <= bytes.length && hasOwnMemory(bytes)) {
          // What a copy would be, it is already: most small objects come in one piece.
          room = bytes
          push(bytes)
          return
        }
        room = Buffer.allocUnsafeSlow(Math.max(bytes.length - from, grown))
        const taken = bytes.copy(room, 0, from, Math.min(bytes.length, from + room.length))
        push(partOf(room, 0, taken))
        from += taken
      } else {
        const taken = bytes.copy(room, used, from, Math.min(bytes.length, from + room.length - used))
        buffers[last] = partOf(room, 0, used + taken)
        held.end += taken
        from += taken
      }
    }
  }

  /** What follows in a block makes the segment before it longer, however small it is: it lies in its place already. */
  function extend(bytes: Buffer, block: MemoryBlock): boolean {
    const last = buffers.length - 1
    if (last < head || blocks[last] !== block || held.end % sliceSize === 0) return false
    const before = buffers[last]
    if (before.byteOffset + before.length !== bytes.byteOffset) return false
    const from = before.byteOffset - block.bytes.byteOffset
    buffers[last] = block.bytes.subarray(from, from + before.length + bytes.length)
    held.end += bytes.length
    return true
  }

  function adopt(chunk: Buffer, from: number, to: number, block: MemoryBlock | undefined): void {
    room = null
    for (let at = from; at < to; at += most) push(partOf(chunk, at, Math.min(to, at + most)), block)
  }

  function find(offset: number): number {
    let low = head
    let high = buffers.length - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if (offsets[middle] <= offset) low = middle
      else high = middle - 1
    }
    return low
  }

  function after(index: number, offset: number): Buffer {
    return partOf(buffers[index], offset - offsets[index], buffers[index].length)
  }

  const held: Mutable<Segments> = {
    start,
    end: start,

    append(chunk, block) {
      let from = 0
      while (from < chunk.length) {
        const to = Math.min(chunk.length, from + sliceSize - (held.end % sliceSize))
        if (block) {
          if (!extend(partOf(chunk, from, to), block)) adopt(chunk, from, to, block)
        } else if (to - from < ADOPT_FROM) copyIn(partOf(chunk, from, to))
        else adopt(chunk, from, to, undefined)
        from = to
      }
      block?.release()
    },

    at(offset) {
      if (offset < held.start || offset >= held.end) return undefined
      return after(find(offset), offset)
    },

    lasting(offset) {
      if (offset < held.start || offset >= held.end) return undefined
      const index = find(offset)
      return blocks[index] === undefined ? after(index, offset) : undefined
    },

    holdAt(offset) {
      const block = blocks[find(offset)]
      block?.hold()
      return block
    },

    between(first, last) {
      const found: Buffer[] = []
      let theirs: MemoryBlock[] | undefined
      for (let index = find(first); index < buffers.length && offsets[index] < last; index++) {
        found.push(buffers[index])
        const block = blocks[index]
        if (block === undefined || block === theirs?.at(-1)) continue
        block.hold()
        if (theirs === undefined) theirs = [block]
        else theirs.push(block)
      }
      return { segments: found, blocks: theirs }
    },

    dropBefore(offset) {
      while (head < buffers.length && offsets[head] + buffers[head].length <= offset) {
        buffers[head] = EMPTY
        blocks[head]?.release()
        blocks[head] = undefined
        head++
      }
      held.start = head < buffers.length ? offsets[head] : held.end
      if (head > 64 && head * 2 > buffers.length) {
        offsets = offsets.slice(head)
        buffers = buffers.slice(head)
        blocks = blocks.slice(head)
        head = 0
      }
    },
  }
  return held
}

function hasOwnMemory(bytes: Buffer): boolean {
  return bytes.length === bytes.buffer.byteLength
}

/** Most often it is all of them: a view costs as much as everything else that is done with a piece. */
function partOf(bytes: Buffer, from: number, to: number): Buffer {
  return from === 0 && to === bytes.length ? bytes : bytes.subarray(from, to)
}

const EMPTY = Buffer.alloc(0)
