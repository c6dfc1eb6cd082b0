import fs from 'node:fs'
import t from 'tap'
import { spaceLimit } from '../../../lib/stores/file/space.ts'
import { createFileStore } from '../../../lib/stores/file/store.ts'
import { scratchDirectory, sliceOf } from '../helpers.ts'

const MiB = 1024 * 1024

t.test('the limit is the configured one while the disk has room', async (t) => {
  t.equal(spaceLimit(100 * MiB, 0, { available: 500 * MiB, total: 1000 * MiB }), 100 * MiB)
})

t.test('a part of the disk stays free for others', async (t) => {
  t.equal(spaceLimit(1e12, 10 * MiB, { available: 100 * MiB, total: 1000 * MiB }), 46 * MiB)
  t.equal(spaceLimit(1e12, 10 * MiB, { available: 300 * MiB, total: 20_000 * MiB }), 110 * MiB)
})

t.test('when others fill the disk, the store gives way', async (t) => {
  t.equal(spaceLimit(1e12, 50 * MiB, { available: 30 * MiB, total: 1000 * MiB }), 16 * MiB)
  t.equal(spaceLimit(1e12, 20 * MiB, { available: 0, total: 1000 * MiB }), 0)
})

t.test('a store on a disk that becomes full evicts, refuses, and recovers', async (t) => {
  const store = await createFileStore({ dir: scratchDirectory(t), maxBytes: 1e9 })
  t.teardown(() => store.close())
  await store.recovered
  for (let index = 0; index < 10; index++) store.putSlice('a', 1, index, sliceOf(1, 4096 * 24))
  await store.flush()
  t.equal(store.stats().entries, 10)

  let available = 0
  let now = Date.now()
  const answer = () => ({ bavail: available / 4096, blocks: MiB, bsize: 4096 })
  t.intercept(Date, 'now', { value: () => now })
  t.intercept(fs, 'statfs', {
    value: (_: string, done: (error: null, answer: object) => void) => setImmediate(done, null, answer()),
  })
  const later = async () => {
    now += 60_000
    store.putSlice('a', 1, 99, sliceOf(1, 100))
    await store.flush()
    await new Promise(setImmediate)
    await store.flush()
  }

  available = 64 * MiB - 500_000
  await later()
  t.equal(store.stats().evictions, 5)
  available = 0
  await later()
  t.equal(store.stats().entries, 0)
  t.notOk(store.putSlice('a', 1, 0, sliceOf(1, 100)))
  available = 4000 * MiB
  await later()
  t.ok(store.putSlice('a', 1, 0, sliceOf(1, 100)))
})
