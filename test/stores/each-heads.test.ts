import t from 'tap'
import { headsFootprint } from '../../lib/stores/footprint.ts'
import { createMemoryStore } from '../../lib/stores/memory.ts'
import { createTieredStore } from '../../lib/stores/tiered.ts'
import { never, visited } from './contract-each-heads.ts'
import { headOf } from './helpers.ts'

const heads = [headOf('x', 1)]

t.test('a walk through memory is no use of what it visits', async (t) => {
  const store = createMemoryStore({ maxBytes: 3.1 * headsFootprint('a', heads) })
  for (const key of ['a', 'b', 'c']) store.putHeads(key, heads)
  store.getHeads('a')
  await visited(store)
  store.putHeads('d', heads)
  t.ok(store.getHeads('a'))
  t.equal(store.getHeads('b'), undefined, 'the one that nobody asked for went')
})

t.test('a walk through two tiers brings nothing into memory', async (t) => {
  const l1 = createMemoryStore({ maxBytes: 1e6 })
  const l2 = createMemoryStore({ maxBytes: 1e6 })
  const store = createTieredStore({ l1, l2, l1MaxObjectBytes: 1e6 })
  l2.putHeads('a', heads)
  l1.putHeads('b', heads)
  t.same([...(await visited(store)).keys()].sort(), ['a', 'b'])
  t.equal(l1.stats().entries, 1)
})

// L1 first, it would be brought into L1 behind the walk there, and be gone from L2 before the walk through that.
t.test('what moves from disk to memory during a walk is visited all the same', async (t) => {
  const l1 = createMemoryStore({ maxBytes: 1e6 })
  const l2 = createMemoryStore({ maxBytes: 1e6 })
  const store = createTieredStore({ l1, l2, l1MaxObjectBytes: 1e6 })
  l1.putHeads('first in memory', heads)
  for (const key of ['first on disk', 'moves']) l2.putHeads(key, heads)
  const seen = new Set<string>()
  await store.eachHeads((key) => {
    seen.add(key)
    if (key !== 'first on disk') return
    store.l2Heads('moves')
    void l2.drop('moves')
  }, never)
  t.ok(seen.has('moves'))
})

t.test('a walk through two tiers is complete only if both are', async (t) => {
  const l1 = createMemoryStore({ maxBytes: 1e6 })
  const l2 = { ...createMemoryStore({ maxBytes: 1e6 }), eachHeads: async () => false }
  l1.putHeads('a', heads)
  const store = createTieredStore({ l1, l2, l1MaxObjectBytes: 1e6 })
  const seen: string[] = []
  t.notOk(await store.eachHeads((key) => void seen.push(key), never))
  t.same(seen, ['a'], 'the other tier is walked through nevertheless')
})
