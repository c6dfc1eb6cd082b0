import fs from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { createFileStore } from '../../../lib/stores/file/store.ts'
import { bytesOf, headOf, scratchDirectory, sliceOf } from '../helpers.ts'

const BLOCK = 4096

t.test('a full queue refuses, and what was accepted is still written', async (t) => {
  const dir = scratchDirectory(t)
  const store = await createFileStore({ dir, maxBytes: 1e8, queueBytes: 100_000 })
  const accepted = [0, 1, 2, 3].map((index) => store.putSlice('a', 1, index, sliceOf(index, 40_000)))
  t.same(accepted, [true, true, false, false])
  await store.flush()
  t.ok(await store.getSlice('a', 1, 1))
  t.notOk(store.hasSlice('a', 1, 2))
  t.equal(store.stats().refused, 2)
  await store.close()
})

t.test('the files never take more than the limit', async (t) => {
  const maxBytes = 40 * BLOCK
  const dir = scratchDirectory(t)
  const store = await createFileStore({ dir, maxBytes })
  for (let index = 0; index < 200; index++) {
    store.putSlice(`key ${index}`, 1, 0, sliceOf(index, 1000 + ((index * 997) % 9000)))
    if (index % 20 === 0) await store.flush()
    t.ok(store.stats().bytes <= maxBytes)
  }
  await store.flush()
  const onDisk = fs.readdirSync(dir, { recursive: true, withFileTypes: true }).filter((each) => each.isFile())
  t.equal(onDisk.length, store.stats().entries)
  const taken = onDisk.reduce(
    (sum, each) => sum + fs.statSync(join(each.parentPath, each.name)).blocks * 512,
    0,
  )
  t.ok(taken <= maxBytes, `${taken} bytes`)
  await store.close()
})

t.test('an entry that is replaced by a larger one does not fall victim to it', async (t) => {
  const store = await createFileStore({ dir: scratchDirectory(t), maxBytes: 3 * BLOCK })
  await store.recovered
  for (const index of [0, 1, 2]) store.putSlice('a', 1, index, sliceOf(index, 1000))
  await store.flush()
  store.putSlice('a', 1, 0, sliceOf(9, BLOCK + 1000))
  await store.flush()
  t.same(bytesOf(await store.getSlice('a', 1, 0)), bytesOf(sliceOf(9, BLOCK + 1000)))
  t.notOk(store.hasSlice('a', 1, 1))
  t.ok(store.hasSlice('a', 1, 2))
  await store.close()
})

t.test('the heads of an object in use outlive its slices', async (t) => {
  const store = await createFileStore({ dir: scratchDirectory(t), maxBytes: 4 * BLOCK })
  await store.recovered
  store.putHeads('a', [headOf('a', 1)])
  for (let index = 0; index < 20; index++) {
    store.putSlice('a', 1, index, sliceOf(index, 1000))
    await store.getSlice('a', 1, index)
  }
  t.ok(await store.getHeads('a'))
  await store.close()
})
