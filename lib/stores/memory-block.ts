/** Bytes of a block: a read from an origin that sends faster than we read brings as many. */
export const BLOCK_BYTES = 128 * 1024
/** Blocks that are kept for the next content; more are left to the garbage collector. */
const MOST_FREE = 64

/**
 * Memory for content, which is used again. Those who hold a part of it count themselves; when the last one has let go it
 * takes other content. Buffers that are dropped instead are memory outside of V8's heap: each 64 MiB of them make V8 mark
 * all of its heap, which took a third of the time of large responses.
 *
 * Who never lets go leaves a block to the garbage collector, and that is all. Who lets go and reads on reads somebody
 * else's content.
 */
export interface MemoryBlock {
  readonly bytes: Buffer
  /** One more holds it. */
  hold(): void
  /** One less does. */
  release(): void
}

const free: MemoryBlock[] = []

/** A block that the caller holds, with whatever was in it. */
export function takeBlock(): MemoryBlock {
  const block = free.pop() ?? createBlock()
  block.hold()
  return block
}

function createBlock(): MemoryBlock {
  let holders = 0
  const block: MemoryBlock = {
    bytes: Buffer.allocUnsafeSlow(BLOCK_BYTES),
    hold() {
      holders++
    },
    release() {
      if (--holders === 0 && free.length < MOST_FREE) free.push(block)
    },
  }
  return block
}
