import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import { createMemoryStore, type MemoryStore } from '../../lib/stores/memory.ts'
import { until } from '../helpers/until.ts'
import { bytesOf, headOf, sliceOf } from './helpers.ts'

t.test('without room it stores nothing', async (t) => {
  const store = createMemoryStore({ maxBytes: 0 })
  t.notOk(store.putSlice('a', 1, 0, sliceOf(1, 10)))
  t.notOk(store.putHeads('a', [headOf('a', 1)]))
  t.equal(store.getSlice('a', 1, 0), undefined)
  t.equal(store.stats().refused, 2)
})

t.test('answers without a promise', async (t) => {
  const store = createMemoryStore({ maxBytes: 1e6 })
  const slice = sliceOf(1, 10_000)
  store.putSlice('a', 1, 0, slice)
  t.equal(store.getSlice('a', 1, 0), slice)
})

t.test('a small view of a large buffer is copied, so that it does not keep the buffer alive', async (t) => {
  const store = createMemoryStore({ maxBytes: 1e6 })
  const large = Buffer.allocUnsafeSlow(65536).fill('x')
  const segments = [large.subarray(0, 1000), Buffer.from('small Buffers are views of a pool')]
  store.putSlice('a', 1, 0, { length: 1033, segments })
  const found = store.getSlice('a', 1, 0)!
  t.same(bytesOf(found), Buffer.concat(segments))
  for (const each of found.segments) t.equal(each.buffer.byteLength, each.length)
  t.ok(store.stats().bytes < 3000)
})

t.test('a refused put leaves nothing older in its place', async (t) => {
  const store = createMemoryStore({ maxBytes: 5000 })
  store.putHeads('a', [headOf('a', 1)])
  t.notOk(store.putHeads('a', [headOf('a', 2, { fields: ['X', 'x'.repeat(6000)] })]))
  t.equal(store.getHeads('a'), undefined)
})

t.test('an entry larger than the store evicts nothing', async (t) => {
  const store = createMemoryStore({ maxBytes: 50_000 })
  store.putSlice('a', 1, 0, sliceOf(1, 1000))
  t.notOk(store.putSlice('b', 1, 0, sliceOf(1, 60_000)))
  t.ok(store.hasSlice('a', 1, 0))
})

t.test(
  'a small slice is in memory of its own from the first time that it is asked for, and counts for that',
  async (t) => {
    const store = createMemoryStore({ maxBytes: 1e6 })
    const slice = sliceOf(1, 1000)
    store.putSlice('a', 1, 0, slice)
    const before = store.stats().bytes
    const found = store.getSlice('a', 1, 0)
    t.same(bytesOf(found!), bytesOf(slice))
    t.equal(store.getSlice('a', 1, 0), found)
    t.ok(store.stats().bytes > before)
    t.equal(store.stats().entries, 1)
    // Who had it keeps it.
    await store.drop('a')
    store.putSlice('b', 1, 0, sliceOf(2, 1000))
    t.same(bytesOf(found!), bytesOf(slice))
    t.equal(await store.clear(), 1)
    t.equal(store.stats().bytes, 0)
  },
)

t.test('small slices that are asked for never make the store larger than it may be', async (t) => {
  const store = createMemoryStore({ maxBytes: 100_000 })
  const most = Array.from({ length: 200 }, (_, i) => `${i}`)
  for (const key of most) store.putSlice(key, 1, 0, sliceOf(1, 100))
  const there = most.filter((key) => store.hasSlice(key, 1, 0))
  for (const key of there) {
    const found = store.getSlice(key, 1, 0)
    if (found !== undefined) t.same(bytesOf(found), bytesOf(sliceOf(1, 100)))
    t.ok(store.stats().bytes <= 100_000)
  }
  t.ok(store.stats().evictions > 200 - there.length)
})

t.test('memory of small slices is given back however they leave', async (t) => {
  const small = sliceOf(1, 4000)
  const put = (store: MemoryStore, many: number) => {
    for (let i = 0; i < many; i++) store.putSlice(`k${i}`, 1, 0, small)
  }
  const before = memory()
  const little = createMemoryStore({ maxBytes: 1e6 })
  put(little, 16_000)
  await until(() => memory() - before < 10e6)
  const large = createMemoryStore({ maxBytes: 1e8 })
  put(large, 16_000)
  t.ok(memory() - before > 50e6)
  await large.clear()
  await until(() => memory() - before < 10e6)
  t.equal(large.stats().entries, 0)
})

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** Of all Buffers that can be reached. */
function memory(): number {
  collect()
  return process.memoryUsage().arrayBuffers
}
