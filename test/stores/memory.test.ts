import t from 'tap'
import { createMemoryStore } from '../../lib/stores/memory.ts'
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
  const slice = sliceOf(1, 10)
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
