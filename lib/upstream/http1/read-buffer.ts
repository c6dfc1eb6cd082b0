import { BLOCK_BYTES, type Block, takeBlock } from '../block.ts'

/** Bytes read at once, heads and small contents; shared by all connections, see below. */
const SHARED_BYTES = 64 * 1024
/** A content of which less is to come is not worth memory of its own before it has come. */
const OWN_FROM = 16 * 1024
/** What is left of a buffer is read into as well, as long as so many bytes are. */
const WORTH_FILLING = 16 * 1024

/** Copies of fewer bytes share memory of Node's pool with others. */
const POOLED_BELOW = 4096

/**
 * Every connection reads into this one: what has come is dealt with before the next read of any of them, and what is to
 * outlive that is copied. So a connection that is idle, waits or is paused has no memory of its own, and a small answer none
 * that is larger than itself.
 */
const SHARED = Buffer.allocUnsafeSlow(SHARED_BYTES)

/**
 * Where one connection reads to. A large content goes into memory of its own, which is handed on without a copy: into blocks
 * where its receiver gives them back, else into buffers of which nothing is left over, as they become slices.
 */
export interface ReadBuffer {
  /** The memory for the next read. */
  next: Buffer
  /** Another content begins. @param givesBack its receiver lets go of the blocks that it gets */
  begin(givesBack: boolean): void
  /** What was read between two places of `next`, to be kept by whoever gets it. */
  take(from: number, to: number): Buffer
  /** The block that was taken last, held for whoever gets that; undefined = it lies in none. */
  taken: Block | undefined
  /** `read` bytes were read into `next` and dealt with. @param rest bytes that surely come soon */
  advance(read: number, rest: number): void
}

export function createReadBuffer(): ReadBuffer {
  let recycles = false
  /** What `next` lies in. */
  let block: Block | undefined

  const buffer: ReadBuffer = {
    next: SHARED,
    taken: undefined,
    begin(givesBack) {
      recycles = givesBack
    },
    take(from, to) {
      const read = buffer.next.subarray(from, to)
      buffer.taken = block
      block?.hold()
      if (buffer.next !== SHARED) return read
      if (read.length < POOLED_BELOW) return Buffer.from(read)
      if (!recycles) return copyInto(Buffer.allocUnsafeSlow(read.length), read)
      buffer.taken = takeBlock()
      return copyInto(buffer.taken.bytes, read)
    },
    advance(read, rest) {
      const { next } = buffer
      const left = next === SHARED ? 0 : next.length - read
      if (rest > 0 && left > 0 && left >= Math.min(WORTH_FILLING, rest)) {
        buffer.next = next.subarray(read)
        return
      }
      block?.release()
      block = recycles && rest >= OWN_FROM ? takeBlock() : undefined
      if (block) buffer.next = block.bytes
      else buffer.next = rest >= OWN_FROM ? Buffer.allocUnsafeSlow(Math.min(BLOCK_BYTES, rest)) : SHARED
    },
  }
  return buffer
}

function copyInto(memory: Buffer, bytes: Buffer): Buffer {
  bytes.copy(memory)
  return memory.length === bytes.length ? memory : memory.subarray(0, bytes.length)
}
