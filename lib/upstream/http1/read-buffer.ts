import {
  BLOCK_BYTES,
  LARGE_BLOCK_BYTES,
  type MemoryBlock,
  takeBlock,
  takeLargeBlock,
} from '../../stores/memory-block.ts'

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
 * Where one connection reads to. A large content goes into memory of its own, which is handed on without a copy: blocks, and
 * for the end of what may be kept a buffer of just that size.
 */
export interface ReadBuffer {
  /** The memory for the next read. */
  next: Buffer
  /** Another content begins. @param passes nothing of it is kept */
  begin(passes: boolean): void
  /** What was read between two places of `next`, to be kept by whoever gets it. @param rest bytes that surely come after it */
  take(from: number, to: number, rest: number): Buffer
  /** The block that was taken from last, held for whoever gets that; undefined = it lies in none. */
  taken: MemoryBlock | undefined
  /** `read` bytes were read into `next` and dealt with. @param rest bytes that surely come soon */
  advance(read: number, rest: number): void
}

export function createReadBuffer(): ReadBuffer {
  let passing = false
  /** What `next` lies in, or will: the first bytes of a content are copied into it. */
  let block: MemoryBlock | undefined
  let copied = 0

  /** Of what was read into `SHARED`. */
  function copyOf(from: number, to: number, rest: number): Buffer {
    const length = to - from
    const isPooled = length < POOLED_BELOW
    const isLarge = !isPooled && (passing || length + rest >= BLOCK_BYTES)
    if (!isLarge || copied > 0) {
      const memory = isPooled ? Buffer.allocUnsafe(length) : Buffer.allocUnsafeSlow(length)
      SHARED.copy(memory, 0, from, to)
      return memory
    }
    block = blockFor(length + rest)
    copied = length
    block.hold()
    buffer.taken = block
    SHARED.copy(block.bytes, 0, from, to)
    return length === block.bytes.length ? block.bytes : block.bytes.subarray(0, length)
  }

  function blockFor(length: number): MemoryBlock {
    return passing && length >= LARGE_BLOCK_BYTES ? takeLargeBlock() : takeBlock()
  }

  const buffer: ReadBuffer = {
    next: SHARED,
    taken: undefined,
    begin(passes) {
      passing = passes
    },
    take(from, to, rest) {
      buffer.taken = undefined
      if (buffer.next === SHARED) return copyOf(from, to, rest)
      block?.hold()
      buffer.taken = block
      return buffer.next.subarray(from, to)
    },
    advance(read, rest) {
      const used = copied > 0 ? block!.bytes.subarray(copied) : buffer.next.subarray(read)
      const own = copied > 0 || buffer.next !== SHARED
      copied = 0
      if (own && rest > 0 && used.length > 0 && used.length >= Math.min(WORTH_FILLING, rest)) {
        buffer.next = used
        return
      }
      block?.release()
      block = rest >= (passing ? OWN_FROM : BLOCK_BYTES) ? blockFor(rest) : undefined
      if (block) buffer.next = block.bytes
      else buffer.next = rest >= OWN_FROM ? Buffer.allocUnsafeSlow(rest) : SHARED
    },
  }
  return buffer
}
