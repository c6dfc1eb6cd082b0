import t from 'tap'
import { createMemoryStore, type MemoryStore } from '../../lib/stores/memory.ts'
import { BLOCK_BYTES } from '../../lib/stores/memory-block.ts'
import type { Slice, SliceStore } from '../../lib/stores/store.ts'
import { createTieredStore } from '../../lib/stores/tiered.ts'
import { type CountedBlock, countedBlock } from '../helpers/blocks.ts'
import { headOf } from './helpers.ts'

const ROOM = 10 * (BLOCK_BYTES + 2000)

/** Puts an object of one slice, which lies in one block; the result is that. */
function put(store: Pick<MemoryStore, 'putHeads' | 'putSlice'>, key: string): CountedBlock {
  const block = countedBlock()
  block.bytes.fill(key)
  store.putHeads(key, [headOf(key, 1)])
  store.putSlice(key, 1, 0, { length: BLOCK_BYTES, segments: [block.bytes], blocks: [block] })
  return block
}

t.test('what was evicted before anybody got it is given back', async (t) => {
  const store = createMemoryStore({ maxBytes: ROOM })
  const blocks = Array.from({ length: 40 }, (_, i) => put(store, `k${i}`))
  t.equal(blocks.filter((block) => !block.isFree).length, store.stats().entries / 2)
  t.ok(store.stats().entries < 25)
})

t.test('what somebody has got is never given back', async (t) => {
  const store = createMemoryStore({ maxBytes: ROOM })
  const block = put(store, 'a')
  const got = store.getSlice('a', 1, 0)!
  t.equal(got.blocks, undefined, 'it is not the getter’s either')
  for (let i = 0; i < 100; i++) put(store, `k${i}`)
  await store.drop('a')
  t.equal(store.getSlice('a', 1, 0), undefined)
  t.notOk(block.isFree)
  t.ok(got.segments[0].equals(Buffer.alloc(BLOCK_BYTES, 'a')))
})

t.test('what is replaced, dropped or forgotten is given back once', async (t) => {
  const store = createMemoryStore({ maxBytes: ROOM })
  const replaced = put(store, 'a')
  const dropped = put(store, 'a')
  t.ok(replaced.isFree)
  await store.drop('a')
  t.ok(dropped.isFree)
  const forgotten = put(store, 'b')
  store.dropGeneration('b', 1)
  t.ok(forgotten.isFree)
})

t.test(
  'a block of which only a small part is stored is given back at once, and its bytes are a copy',
  async (t) => {
    const store = createMemoryStore({ maxBytes: ROOM })
    const [small, whole] = [countedBlock(), countedBlock()]
    small.bytes.fill('s')
    whole.bytes.fill('w')
    const segments = [small.bytes.subarray(0, 5000), whole.bytes]
    const blocks = [small, whole]
    store.putSlice('a', 1, 0, { length: 5000 + BLOCK_BYTES, segments, blocks })
    t.ok(small.isFree)
    t.notOk(whole.isFree)
    const [first, second] = store.getSlice('a', 1, 0)!.segments
    t.ok(first.equals(Buffer.alloc(5000, 's')))
    t.equal(second, whole.bytes)
  },
)

t.test('two segments in one block are one block of memory', async (t) => {
  const store = createMemoryStore({ maxBytes: ROOM })
  const block = countedBlock()
  const half = BLOCK_BYTES / 2
  const segments = [block.bytes.subarray(0, half), block.bytes.subarray(half)]
  store.putSlice('a', 1, 0, { length: BLOCK_BYTES, segments, blocks: [block] })
  t.ok(store.stats().bytes < BLOCK_BYTES + 3000)
  t.same(store.getSlice('a', 1, 0)!.segments, segments)
})

t.test('what the disk is still to write is not given back', async (t) => {
  const l1 = createMemoryStore({ maxBytes: ROOM })
  const l2 = createMemoryStore({ maxBytes: 100 * ROOM })
  const store = createTieredStore({ l1, l2, l1MaxObjectBytes: ROOM })
  const block = put(store, 'a')
  await l1.drop('a')
  t.notOk(block.isFree)
  t.ok(l2.getSlice('a', 1, 0)!.segments[0].equals(Buffer.alloc(BLOCK_BYTES, 'a')))
})

// A disk answers with what waits to be written, as it was put. Its blocks came back into memory with it, which let go of them
// while client and disk still read.
t.test('what comes from the disk before it was written is not given back', async (t) => {
  const waiting = new Map<string, Slice>()
  const l1 = createMemoryStore({ maxBytes: ROOM })
  const l2: SliceStore = {
    ...createMemoryStore({ maxBytes: ROOM }),
    hasSlice: (key) => waiting.has(key),
    getSlice: async (key) => waiting.get(key),
    putSlice: (key, _generation, _index, slice) => !!waiting.set(key, slice),
  }
  const store = createTieredStore({ l1, l2, l1MaxObjectBytes: ROOM })
  const block = put(store, 'a')
  await l1.drop('a')
  const got = await store.getSlice('a', 1, 0)
  t.equal(got?.blocks, undefined)
  t.ok(l1.hasSlice('a', 1, 0), 'it is in memory again')
  await l1.drop('a')
  t.notOk(block.isFree)
  t.ok(got?.segments[0].equals(Buffer.alloc(BLOCK_BYTES, 'a')))
})

t.test('of a small slice nothing is left in its block', async (t) => {
  const store = createMemoryStore({ maxBytes: ROOM })
  const block = countedBlock()
  block.bytes.fill('s')
  store.putSlice('a', 1, 0, { length: 100, segments: [block.bytes.subarray(0, 100)], blocks: [block] })
  t.ok(block.isFree)
  t.ok(store.getSlice('a', 1, 0)!.segments[0].equals(Buffer.alloc(100, 's')))
})
