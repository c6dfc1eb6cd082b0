import t from 'tap'
import { createMemoryStore } from '../../lib/stores/memory.ts'
import type { SliceStore } from '../../lib/stores/store.ts'
import { createTieredStore } from '../../lib/stores/tiered.ts'
import { bytesOf, headOf, sliceOf } from './helpers.ts'

/** A second tier whose reads answer when the test says so. */
function slowStore() {
  const store = createMemoryStore({ maxBytes: 1e6 })
  let reads = 0
  let answer = () => {}
  const gate = new Promise<void>((resolve) => (answer = resolve))
  async function later<T>(found: T): Promise<T> {
    reads++
    await gate
    return found
  }
  const slow: SliceStore = {
    ...store,
    name: 'l2',
    getHeads: (key) => later(store.getHeads(key)),
    getSlice: (key, generation, index) => later(store.getSlice(key, generation, index)),
  }
  return { slow, reads: () => reads, answer }
}

function tiers(l1MaxObjectBytes = 1e6) {
  const l1 = createMemoryStore({ maxBytes: 1e6 })
  const l2 = slowStore()
  return { l1, l2: l2.slow, ...l2, store: createTieredStore({ l1, l2: l2.slow, l1MaxObjectBytes }) }
}

t.test('without a tier it takes and finds nothing', async (t) => {
  const store = createTieredStore({ l1MaxObjectBytes: 1 })
  t.notOk(store.putSlice('a', 1, 0, sliceOf(1, 10)))
  t.notOk(store.putHeads('a', [headOf('a', 1)]))
  t.equal(store.getHeads('a'), undefined)
  t.equal(store.getSlice('a', 1, 0), undefined)
  t.equal(await store.drop('a'), 0)
  t.equal(store.stats().maxBytes, 0)
})

t.test('puts reach both tiers, and memory answers at once', async (t) => {
  const { store, l1, l2 } = tiers()
  store.putSlice('a', 1, 0, sliceOf(1, 10))
  t.ok(l1.hasSlice('a', 1, 0))
  t.ok(l2.hasSlice('a', 1, 0))
  t.notOk(store.getSlice('a', 1, 0) instanceof Promise)
})

t.test('what the disk has is read once for all who ask, and then lies in memory', async (t) => {
  const { store, l1, l2, reads, answer } = tiers()
  l2.putSlice('a', 1, 0, sliceOf(1, 10))
  l2.putHeads('a', [headOf('a', 1)])
  t.equal(store.l1Slice('a', 1, 0), undefined)
  const asked = [store.getSlice('a', 1, 0), store.l2Slice('a', 1, 0), store.getHeads('a'), store.l2Heads('a')]
  t.equal(reads(), 2)
  answer()
  await Promise.all(asked)
  t.same(bytesOf(l1.getSlice('a', 1, 0)), bytesOf(sliceOf(1, 10)))
  t.equal(store.l1Heads('a')?.[0].generation, 1)
})

t.test('slices of large objects stay out of memory', async (t) => {
  const { store, l1, answer } = tiers(100)
  answer()
  t.ok(store.putSlice('a', 1, 0, sliceOf(1, 50), { objectBytes: 101 }))
  t.ok(await store.l2Slice('a', 1, 0, 101))
  t.notOk(l1.hasSlice('a', 1, 0))
  store.putSlice('b', 1, 0, sliceOf(1, 50), { objectBytes: 100 })
  t.ok(l1.hasSlice('b', 1, 0))
})

t.test('with memory alone, slices of large objects lie there', async (t) => {
  const l1 = createMemoryStore({ maxBytes: 1e6 })
  const store = createTieredStore({ l1, l1MaxObjectBytes: 100 })
  t.ok(store.putSlice('a', 1, 0, sliceOf(1, 50), { objectBytes: 101 }))
  t.ok(l1.hasSlice('a', 1, 0))
})

for (const [what, forget] of [
  ['drop', (store: SliceStore) => void store.drop('a')],
  ['dropGeneration', (store: SliceStore) => store.dropGeneration('a', 1)],
  ['clear', (store: SliceStore) => void store.clear()],
] as const) {
  t.test(`a read that was under way when ${what} came does not bring the slice back`, async (t) => {
    const { store, l1, l2, answer } = tiers()
    l2.putSlice('a', 1, 0, sliceOf(1, 10))
    const old = store.getSlice('a', 1, 0)
    forget(store)
    const later = store.getSlice('a', 1, 0)
    answer()
    await old
    t.equal(await later, undefined, 'a get after the drop does not join the read from before')
    t.notOk(l1.hasSlice('a', 1, 0))
  })
}

t.test('a read that a put has overtaken does not replace what was put', async (t) => {
  const { store, l1, l2, answer } = tiers()
  l2.putHeads('a', [headOf('a', 1)])
  const old = store.getHeads('a')
  store.putHeads('a', [headOf('a', 2)])
  answer()
  await old
  t.equal(l1.getHeads('a')?.[0].generation, 2)
})

t.test('a slice that was put while an older one was read stays', async (t) => {
  const { store, l1, l2, answer } = tiers()
  l2.putSlice('a', 1, 0, sliceOf(1, 10))
  const old = store.getSlice('a', 1, 0)
  store.putSlice('a', 1, 0, sliceOf(2, 10))
  answer()
  await old
  t.same(bytesOf(l1.getSlice('a', 1, 0)), bytesOf(sliceOf(2, 10)))
})
