/** Bytes of a block: a read from an origin that sends faster than we read brings as many. */
export const BLOCK_BYTES = 128 * 1024
/** Bytes of a large one: fewer reads and writes. */
export const LARGE_BLOCK_BYTES = 512 * 1024
/** Blocks that are kept for the next content; more are left to the garbage collector. */
const MOST_FREE = 64
/** Large ones that there may be at a time: each client that takes nothing holds a block for as long as it likes. */
const MOST_LARGE = 64

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
const freeLarge: MemoryBlock[] = []
let large = 0

/** A block that the caller holds, with whatever was in it. */
export function takeBlock(): MemoryBlock {
  const block = free.pop() ?? createBlock(BLOCK_BYTES, free)
  block.hold()
  return block
}

/** A large block where there is one, else one like all others. For what its holder surely lets go of: one that is lost is missed. */
export function takeLargeBlock(): MemoryBlock {
  const block = freeLarge.pop() ?? (large < MOST_LARGE ? createLarge() : undefined)
  if (block === undefined) return takeBlock()
  block.hold()
  return block
}

function createLarge(): MemoryBlock {
  large++
  return createBlock(LARGE_BLOCK_BYTES, freeLarge)
}

function createBlock(length: number, free: MemoryBlock[]): MemoryBlock {
  let holders = 0
  const block: MemoryBlock = {
    bytes: Buffer.allocUnsafeSlow(length),
    hold() {
      holders++
    },
    release() {
      if (--holders === 0 && free.length < MOST_FREE) free.push(block)
    },
  }
  return block
}
