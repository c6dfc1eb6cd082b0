import t from 'tap'
import { BLOCK_BYTES, LARGE_BLOCK_BYTES, takeBlock, takeLargeBlock } from '../../lib/stores/memory-block.ts'

t.test('of large blocks there are no more than 64, which are used again', async (t) => {
  const memory = new Set<ArrayBufferLike>()
  for (let round = 0; round < 3; round++) {
    const blocks = Array.from({ length: 100 }, takeLargeBlock)
    const large = blocks.filter(({ bytes }) => bytes.length === LARGE_BLOCK_BYTES)
    t.equal(large.length, 64)
    t.ok(
      blocks.every(({ bytes }) => large.some((one) => one.bytes === bytes) || bytes.length === BLOCK_BYTES),
    )
    for (const { bytes } of large) memory.add(bytes.buffer)
    for (const block of blocks) block.release()
  }
  t.equal(memory.size, 64)
})

t.test('an ordinary block is never a large one', async (t) => {
  for (let i = 0; i < 3; i++) takeLargeBlock().release()
  const blocks = Array.from({ length: 80 }, takeBlock)
  t.ok(blocks.every(({ bytes }) => bytes.length === BLOCK_BYTES))
  for (const block of blocks) block.release()
})
