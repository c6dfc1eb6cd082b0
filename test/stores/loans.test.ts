import t from 'tap'
import { ownSlice } from '../../lib/stores/loan.ts'
import { createMemoryStore } from '../../lib/stores/memory.ts'
import type { Slice } from '../../lib/stores/store.ts'
import { createTieredStore } from '../../lib/stores/tiered.ts'
import { bytesOf, sliceOf } from './helpers.ts'
import { createLendingStore, type LendingStoreOptions } from './lending-store.ts'

const OBJECT = 1000
const LARGE = 1001

/** Both tiers; the disk has slices 0 to 9 of one object, and memory nothing. */
function tiers(options: LendingStoreOptions = {}) {
  const l1 = createMemoryStore({ maxBytes: 1e6 })
  const l2 = createLendingStore({ segment: 30, ...options })
  for (let index = 0; index < 10; index++) l2.putSlice('a', 1, index, sliceOf(index, 100))
  return { l1, l2, store: createTieredStore({ l1, l2, l1MaxObjectBytes: OBJECT }) }
}

const bytes = (index: number) => bytesOf(sliceOf(index, 100))

t.test('an own slice has the same bytes and no loan; one that is not lent is itself', async (t) => {
  const { l2 } = tiers()
  const lent = (await l2.getSlice('a', 1, 3, { from: 10, to: 80 }))!
  const own = ownSlice(lent)
  t.equal(l2.lentBytes, 0)
  t.match(own, { length: 70, from: 10, loan: undefined })
  t.same(bytesOf(own), bytes(3)!.subarray(10, 80))
  t.equal(ownSlice(own), own)
  t.notOk('from' in ownSlice((await l2.getSlice('a', 1, 3))!))
})

t.test('a slice of an object that memory does not keep comes as it was lent', async (t) => {
  const { store, l1, l2 } = tiers()
  const slice = (await store.l2Slice('a', 1, 2, LARGE))!
  t.same(bytesOf(slice), bytes(2))
  t.equal(l2.lentBytes, 100)
  t.equal(l1.stats().entries, 0)
  slice.loan!.release(0)
  t.equal(l2.lentBytes, 70)
  slice.loan!.releaseAll()
  t.equal(l2.lentBytes, 0)
})

t.test('memory gets a copy, and so does who asked', async (t) => {
  for (const open of [false, true]) {
    const { store, l1, l2 } = tiers({ readsAhead: open })
    const read = open ? store.l2Sequence('a', 1, 9, OBJECT).get(2) : store.l2Slice('a', 1, 2, OBJECT)
    const slice = (await read)!
    t.equal(slice.loan, undefined)
    t.equal(l2.lentBytes, 0)
    t.same(bytesOf(slice), bytes(2))
    t.same(bytesOf(l1.getSlice('a', 1, 2)), bytes(2))
  }
})

t.test('who joins a read shares a copy with the one who began it', async (t) => {
  for (const forget of [
    () => {},
    (store: { dropGeneration(key: string, generation: number): void }) => store.dropGeneration('a', 1),
  ]) {
    const { store, l1, l2 } = tiers()
    const asked = [store.l2Slice('a', 1, 2, LARGE), store.l2Sequence('a', 1, 9, LARGE).get(2)]
    l2.putSlice('a', 1, 2, sliceOf(2, 100))
    forget(store)
    l2.putSlice('a', 1, 2, sliceOf(2, 100))
    const slices = await Promise.all(asked)
    for (const slice of slices) {
      t.equal(slice!.loan, undefined)
      t.same(bytesOf(slice), bytes(2))
    }
    t.equal(l2.reads.length, 1)
    t.equal(l2.lentBytes, 0)
    t.equal(l1.stats().entries, 0)
    ;(await store.l2Slice('a', 1, 2, LARGE))!.loan!.releaseAll()
    t.equal(l2.reads.length, 2, 'nobody joins a read that has ended')
  }
})

t.test('a part is read for one reader, of what memory does not keep', async (t) => {
  const { store, l1, l2 } = tiers()
  const part = { from: 20, to: 55 }
  const parts = await Promise.all([
    store.l2Slice('a', 1, 4, LARGE, part),
    store.l2Slice('a', 1, 4, LARGE, part),
    store.l2Sequence('a', 1, 9, LARGE).get(4, part),
  ])
  for (const slice of parts) {
    t.match(slice, { length: 35, from: 20 })
    t.same(bytesOf(slice), bytes(4)!.subarray(20, 55))
    slice!.loan!.releaseAll()
  }
  t.same(
    l2.reads,
    [4, 4, 4].map((index) => ({ index, part })),
  )
  t.equal(l1.stats().entries, 0)

  const whole = (await store.l2Slice('a', 1, 5, OBJECT, part))!
  t.equal(whole.length, 100)
  t.ok(l1.hasSlice('a', 1, 5), 'what memory keeps is read whole')
})

t.test('with a disk alone, a part is read of any object', async (t) => {
  const { l2 } = tiers()
  const store = createTieredStore({ l2, l1MaxObjectBytes: OBJECT })
  const slice = (await store.l2Slice('a', 1, 4, 1, { from: 1, to: 2 }))!
  t.equal(slice.length, 1)
})

t.test('a store that reads no parts is not asked for them, and its reads are shared', async (t) => {
  const { l1, l2 } = tiers()
  const store = createTieredStore({ l1, l2: { ...l2, readsParts: false }, l1MaxObjectBytes: OBJECT })
  const part = { from: 1, to: 2 }
  await Promise.all([store.l2Slice('a', 1, 4, LARGE, part), store.l2Sequence('a', 1, 9, LARGE).get(4, part)])
  t.same(l2.reads, [{ index: 4, part: undefined }])
})

t.test('a sequence reads ahead, and its end drops what was not used', async (t) => {
  const { store, l2 } = tiers({ readsAhead: true })
  const sequence = store.l2Sequence('a', 1, 9, LARGE)
  for (const index of [0, 1, 2]) {
    const slice = (await sequence.get(index))!
    t.same(bytesOf(slice), bytes(index))
    slice.loan!.releaseAll()
  }
  t.same(
    l2.reads.map(({ index }) => index),
    [0, 1, 2, 3, 4],
  )
  sequence.close()
  await new Promise((resolve) => setImmediate(resolve))
  t.equal(l2.lentBytes, 0)
})

t.test('what was read ahead of a drop does not come into memory after it', async (t) => {
  const { store, l1, l2 } = tiers({ readsAhead: true })
  const sequence = store.l2Sequence('a', 1, 9, OBJECT)
  for (const index of [0, 1]) await sequence.get(index)
  await new Promise((resolve) => setImmediate(resolve))
  t.equal(l2.lentBytes, 100, 'slice 2 was read ahead')
  await store.drop('a')
  const slice: Slice | undefined = await sequence.get(2)
  t.same(bytesOf(slice), bytes(2), 'a response that has begun may end with it')
  t.equal(l1.stats().entries, 0)
  slice?.loan?.releaseAll()
  sequence.close()
  t.equal(l2.lentBytes, 0)
})
