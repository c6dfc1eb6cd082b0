import fc from 'fast-check'
import t from 'tap'
import { createMemoryStore, type MemoryStore } from '../../lib/stores/memory.ts'
import { headOf, sliceOf } from './helpers.ts'

const MAX = 1_000_000

/** One request as a proxy makes it: what is missing of an object of so many slices is stored. True for a hit. */
function ask(store: MemoryStore, key: string, bytes: number, slices = 1): boolean {
  let isHit = true
  if (store.getHeads(key) === undefined) {
    isHit = false
    store.putHeads(key, [headOf(key, 1)])
  }
  for (let index = 0; index < slices; index++) {
    if (store.getSlice(key, 1, index) !== undefined) continue
    isHit = false
    store.putSlice(key, 1, index, sliceOf(index, bytes))
  }
  return isHit
}

const isThere = (store: MemoryStore, key: string) =>
  store.getHeads(key) !== undefined && store.hasSlice(key, 1, 0)

t.test('a second request right after a miss is a hit, also when memory is full of what is hot', async (t) => {
  const store = createMemoryStore({ maxBytes: MAX })
  for (let turn = 0; turn < 4; turn++) for (let key = 0; key < 300; key++) ask(store, `hot ${key}`, 1500)
  for (const bytes of [0, 1, 1000, 100_000, 500_000, 900_000, 10]) {
    t.notOk(ask(store, `new ${bytes}`, bytes))
    t.ok(ask(store, `new ${bytes}`, bytes), `${bytes} bytes`)
    t.ok(store.stats().bytes <= MAX)
  }
})

t.test('what is hot survives a scan of small objects, and a transfer of a large one', async (t) => {
  const store = createMemoryStore({ maxBytes: MAX })
  const hot = Array.from({ length: 100 }, (_, i) => `hot ${i}`)
  for (let turn = 0; turn < 2; turn++) for (const key of hot) ask(store, key, 3000)
  for (let key = 0; key < 3000; key++) ask(store, `once ${key}`, 3000)
  t.ok(
    hot.every((key) => isThere(store, key)),
    'after the scan',
  )
  for (let turn = 0; turn < 2; turn++) ask(store, 'large', 50_000, 100)
  t.ok(
    hot.every((key) => isThere(store, key)),
    'after the large object, asked for twice',
  )
})

t.test('heads that are asked for without slices stay longer than those', async (t) => {
  const store = createMemoryStore({ maxBytes: MAX })
  ask(store, 'a', 100_000)
  for (let key = 0; key < 3000; key++) {
    ask(store, `once ${key}`, 3000)
    store.getHeads('a') // as for a 304
  }
  t.ok(store.getHeads('a'))
  t.notOk(store.hasSlice('a', 1, 0))
})

t.test('heads go with the last slice if nobody asks for them', async (t) => {
  const store = createMemoryStore({ maxBytes: MAX })
  for (let key = 0; key < 3000; key++) ask(store, `once ${key}`, 3000)
  for (let key = 0; key < 3000; key++) {
    const name = `once ${key}`
    t.equal(store.getHeads(name) !== undefined, store.hasSlice(name, 1, 0), name)
  }
})

t.test('heads that are replaced stay as hot as they were', async (t) => {
  const store = createMemoryStore({ maxBytes: MAX })
  for (const key of ['a', 'b']) {
    store.putHeads(key, [headOf(key, 1)])
    for (let turn = 0; turn < 3; turn++) store.getHeads(key)
  }
  for (let key = 0; key < 1000; key++) {
    ask(store, `once ${key}`, 3000)
    if (key === 500) store.putHeads('a', [headOf('a', 2)]) // as after a 304
  }
  t.ok(store.getHeads('a'))
  t.ok(store.getHeads('b'))
})

t.test('while a large object comes in, its heads stay, though its slices leave one by one', async (t) => {
  const store = createMemoryStore({ maxBytes: MAX })
  for (let turn = 0; turn < 4; turn++) for (let key = 0; key < 200; key++) ask(store, `hot ${key}`, 3000)
  for (let key = 0; key < 100; key++) ask(store, `before ${key}`, 3000)
  store.putHeads('long', [headOf('long', 1)])
  for (let index = 0; index < 20; index++) {
    store.putSlice('long', 1, index, sliceOf(index, 10_000))
    if (index === 0) continue
    for (let key = 0; key < 30; key++) ask(store, `meanwhile ${index} ${key}`, 3000)
    t.notOk(store.hasSlice('long', 1, 0))
  }
  t.ok(store.getHeads('long'))
})

t.test('what is hot and was evicted is back for good at once', async (t) => {
  const store = createMemoryStore({ maxBytes: MAX })
  const scan = (name: string, count: number) => {
    for (let key = 0; key < count; key++) ask(store, `${name} ${key}`, 3000)
  }
  scan('a', 300)
  t.notOk(isThere(store, 'a 0'))
  t.notOk(ask(store, 'a 0', 3000))
  scan('b', 1000)
  t.ok(isThere(store, 'a 0'), 'asked for twice, though it was evicted in between')
})

t.test(
  'takes never more than it may, whatever comes; no slice lacks its heads; drops are complete',
  async (t) => {
    const operation = fc.record({
      key: fc.nat(60).map((n) => `key ${n}`),
      bytes: fc.constantFrom(0, 100, 3000, 20_000, 120_000),
      slices: fc.constantFrom(1, 1, 1, 3),
      kind: fc.constantFrom('ask', 'ask', 'ask', 'ask', 'ask', 'ask', 'heads', 'drop', 'dropGeneration'),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { minLength: 100, maxLength: 300 }), async (operations) => {
        const store = createMemoryStore({ maxBytes: MAX / 4 })
        for (const { key, bytes, slices, kind } of operations) {
          if (kind === 'ask') ask(store, key, bytes, slices)
          else if (kind === 'heads') store.putHeads(key, [headOf(key, 1)])
          else if (kind === 'drop') await store.drop(key)
          else store.dropGeneration(key, 1)
          t.ok(store.stats().bytes <= MAX / 4)
          if (kind === 'drop') t.notOk(store.getHeads(key) ?? store.getSlice(key, 1, 0))
        }
        for (let n = 0; n <= 60; n++) {
          const key = `key ${n}`
          if ([0, 1, 2].some((index) => store.hasSlice(key, 1, index))) t.ok(store.getHeads(key), key)
          await store.drop(key)
        }
        t.equal(store.stats().entries, 0)
        t.ok(store.stats().bytes <= MAX / 4 / 64, 'but for what is remembered of evicted ones')
        await store.clear()
        t.equal(store.stats().bytes, 0)
      }),
      { numRuns: 40 },
    )
  },
)
