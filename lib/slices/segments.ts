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
   * @param isWhole nothing comes before it and nothing after it: however small, it is not copied
   */
  append(chunk: Buffer, block?: MemoryBlock, isWhole?: boolean): void
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
  return new HeldSegments(start, sliceSize, most)
}

interface Segment {
  /** Absolute, of its first byte. */
  readonly offset: number
  bytes: Buffer
  /** What it lies in, where that is to be given back. */
  readonly block: MemoryBlock | undefined
}

const DROPPED: Segment = { offset: 0, bytes: Buffer.alloc(0), block: undefined }

/** A class: as closures its parts would be garbage for each transfer. */
class HeldSegments implements Segments {
  start: number
  end: number
  readonly #sliceSize: number
  readonly #most: number
  #list: Segment[] = []
  /** Index of the first segment that is held: shift() on every segment would be quadratic. */
  #head = 0
  /** The last segment's memory, while small chunks are being copied into it. */
  #room: Buffer | null = null

  constructor(start: number, sliceSize: number, most: number) {
    this.start = start
    this.end = start
    this.#sliceSize = sliceSize
    this.#most = most
  }

  append(chunk: Buffer, block?: MemoryBlock, isWhole = false): void {
    const sliceSize = this.#sliceSize
    let from = 0
    while (from < chunk.length) {
      const to = Math.min(chunk.length, from + sliceSize - (this.end % sliceSize))
      if (block) {
        if (!this.#extend(partOf(chunk, from, to), block)) this.#adopt(chunk, from, to, block)
      } else if (to - from < ADOPT_FROM && !isWhole) this.#copyIn(partOf(chunk, from, to))
      else this.#adopt(chunk, from, to, undefined)
      from = to
    }
    block?.release()
  }

  at(offset: number): Buffer | undefined {
    return offset < this.start || offset >= this.end ? undefined : after(this.#find(offset), offset)
  }

  lasting(offset: number): Buffer | undefined {
    if (offset < this.start || offset >= this.end) return undefined
    const segment = this.#find(offset)
    return segment.block === undefined ? after(segment, offset) : undefined
  }

  holdAt(offset: number): MemoryBlock | undefined {
    if (this.#head === this.#list.length) return undefined
    const { block } = this.#find(offset)
    block?.hold()
    return block
  }

  between(first: number, end: number): { segments: Buffer[]; blocks: MemoryBlock[] | undefined } {
    const list = this.#list
    const segments: Buffer[] = []
    let blocks: MemoryBlock[] | undefined
    for (let index = this.#indexOf(first); index < list.length && list[index].offset < end; index++) {
      const { bytes, block } = list[index]
      segments.push(bytes)
      if (block === undefined || block === blocks?.at(-1)) continue
      block.hold()
      if (blocks === undefined) blocks = [block]
      else blocks.push(block)
    }
    return { segments, blocks }
  }

  dropBefore(offset: number): void {
    const list = this.#list
    while (this.#head < list.length) {
      const first = list[this.#head]
      if (first.offset + first.bytes.length > offset) break
      list[this.#head++] = DROPPED
      first.block?.release()
    }
    this.start = this.#head < list.length ? list[this.#head].offset : this.end
    if (this.#head > 64 && this.#head * 2 > list.length) {
      this.#list = list.slice(this.#head)
      this.#head = 0
    }
  }

  #push(bytes: Buffer, block?: MemoryBlock): void {
    block?.hold()
    const segment = { offset: this.end, bytes, block }
    // Most small objects have one: the first push to an array makes room for seventeen.
    if (this.#list.length === 0) this.#list = [segment]
    else this.#list.push(segment)
    this.end += bytes.length
  }

  /** The last one, if it is held. */
  #last(): Segment | undefined {
    return this.#head < this.#list.length ? this.#list[this.#list.length - 1] : undefined
  }

  /** Small chunks grow the last segment in place; what readers hold of it stays valid, because bytes only follow. */
  #copyIn(bytes: Buffer): void {
    let from = 0
    while (from < bytes.length) {
      const room = this.#room
      const last = this.#last()
      const used = room && last ? last.bytes.length : 0
      if (!last || !room || used === 0 || used === room.length || this.end % this.#sliceSize === 0) {
        const grown = Math.min(COPY_SEGMENT, (room?.length ?? 0) * 4)
        if (from === 0 && grown <= bytes.length && hasOwnMemory(bytes)) {
          // What a copy would be, it is already: most small objects come in one piece.
          this.#room = bytes
          this.#push(bytes)
          return
        }
        const memory = Buffer.allocUnsafeSlow(Math.max(bytes.length - from, grown))
        this.#room = memory
        const taken = bytes.copy(memory, 0, from, Math.min(bytes.length, from + memory.length))
        this.#push(partOf(memory, 0, taken))
        from += taken
      } else {
        const taken = bytes.copy(room, used, from, Math.min(bytes.length, from + room.length - used))
        last.bytes = partOf(room, 0, used + taken)
        this.end += taken
        from += taken
      }
    }
  }

  /** What follows in a block makes the segment before it longer, however small it is: it lies in its place already. */
  #extend(bytes: Buffer, block: MemoryBlock): boolean {
    const last = this.#last()
    if (last === undefined || last.block !== block || this.end % this.#sliceSize === 0) return false
    const before = last.bytes
    if (before.byteOffset + before.length !== bytes.byteOffset) return false
    const from = before.byteOffset - block.bytes.byteOffset
    last.bytes = block.bytes.subarray(from, from + before.length + bytes.length)
    this.end += bytes.length
    return true
  }

  #adopt(chunk: Buffer, from: number, to: number, block: MemoryBlock | undefined): void {
    const most = this.#most
    this.#room = null
    for (let at = from; at < to; at += most) this.#push(partOf(chunk, at, Math.min(to, at + most)), block)
  }

  #find(offset: number): Segment {
    return this.#list[this.#indexOf(offset)]
  }

  #indexOf(offset: number): number {
    const list = this.#list
    let low = this.#head
    let high = list.length - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if (list[middle].offset <= offset) low = middle
      else high = middle - 1
    }
    return low
  }
}

function after({ bytes, offset: begin }: Segment, offset: number): Buffer {
  return partOf(bytes, offset - begin, bytes.length)
}

function hasOwnMemory(bytes: Buffer): boolean {
  return bytes.length === bytes.buffer.byteLength
}

/** Most often it is all of them: a view costs as much as everything else that is done with a piece. */
function partOf(bytes: Buffer, from: number, to: number): Buffer {
  return from === 0 && to === bytes.length ? bytes : bytes.subarray(from, to)
}
