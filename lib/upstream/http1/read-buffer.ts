/** Bytes read at once, heads and small contents; shared by all connections, see below. */
const SHARED_BYTES = 64 * 1024
/** Bytes of memory that a large content is read into, which becomes that of its slices. */
const OWN_BYTES = 64 * 1024
/** A content of which less is to come is not worth memory of its own before it has come. */
const OWN_FROM = 16 * 1024
/** What is left of a buffer is read into as well, as long as so many bytes are. */
const WORTH_FILLING = 16 * 1024

/** Copies of fewer bytes share memory of Node's pool with others. */
const POOLED_BELOW = 4096

/**
 * Every connection reads into this one: what has come is dealt with before the next read of any of them, and what is to
 * outlive that is copied. So an idle or waiting connection has no memory of its own, and a small answer none that is
 * larger than itself.
 */
const SHARED = Buffer.allocUnsafeSlow(SHARED_BYTES)

/** Where one connection reads to. A large content goes into buffers of its own, which are handed on without a copy. */
export interface ReadBuffer {
  /** The memory for the next read. */
  next: Buffer
  /** What was read between two places of `next`, to be kept by whoever gets it. */
  take(from: number, to: number): Buffer
  /** `read` bytes were read into `next` and dealt with; so many are surely still to come. */
  advance(read: number, rest: number): void
}

export function createReadBuffer(): ReadBuffer {
  const buffer: ReadBuffer = {
    next: SHARED,
    take(from, to) {
      const read = buffer.next.subarray(from, to)
      if (buffer.next !== SHARED) return read
      return read.length < POOLED_BELOW ? Buffer.from(read) : copyOf(read)
    },
    advance(read, rest) {
      const { next } = buffer
      const left = next === SHARED ? 0 : next.length - read
      if (left > 0 && left >= Math.min(WORTH_FILLING, rest)) buffer.next = next.subarray(read)
      else if (rest >= OWN_FROM) buffer.next = Buffer.allocUnsafeSlow(Math.min(OWN_BYTES, rest))
      else buffer.next = SHARED
    },
  }
  return buffer
}

function copyOf(bytes: Buffer): Buffer {
  const own = Buffer.allocUnsafeSlow(bytes.length)
  bytes.copy(own)
  return own
}
