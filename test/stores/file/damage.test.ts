import { existsSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { HEADS } from '../../../lib/stores/entry-index.ts'
import { entryPath, objectOf } from '../../../lib/stores/file/paths.ts'
import { createFileStore } from '../../../lib/stores/file/store.ts'
import { bytesOf, headOf, scratchDirectory, sliceOf } from '../helpers.ts'

const heads = [headOf('a', 1)]
const slice = sliceOf(1, 200)

/** A store with one object on the disk, whose index is complete. */
async function storedObject(t: Test) {
  const dir = scratchDirectory(t)
  const store = await createFileStore({ dir, maxBytes: 1e6 })
  t.teardown(() => store.close())
  await store.recovered
  const save = async () => {
    store.putHeads('a', heads)
    store.putSlice('a', 1, 0, slice)
    await store.flush()
  }
  await save()
  const headsFile = join(dir, entryPath(objectOf('a'), HEADS, 0))
  const sliceFile = join(dir, entryPath(objectOf('a'), 1, 0))
  return { store, save, headsFile, sliceFile }
}

t.test('a flipped bit anywhere in a file makes a miss, and the file goes', async (t) => {
  const { store, save, headsFile, sliceFile } = await storedObject(t)
  let damaged = 0
  for (const [file, get] of [
    [headsFile, () => store.getHeads('a')],
    [sliceFile, () => store.getSlice('a', 1, 0)],
  ] as const) {
    const good = readFileSync(file)
    for (let at = 0; at < good.length; at += 3) {
      const bad = Buffer.from(good)
      bad[at] ^= 1 << (at & 7)
      writeFileSync(file, bad)
      if ((await get()) !== undefined) t.fail(`bit ${at & 7} of byte ${at} in ${file}`)
      await store.flush()
      if (existsSync(file)) t.fail('still there')
      t.equal(store.stats().corrupt, ++damaged)
      await save()
    }
  }
})

t.test('a file of any other length makes a miss', async (t) => {
  const { store, save, sliceFile } = await storedObject(t)
  const { length } = readFileSync(sliceFile)
  for (let size = 0; size < length; size += 7) {
    truncateSync(sliceFile, size)
    t.equal(await store.getSlice('a', 1, 0), undefined)
    await save()
  }
  t.same(bytesOf(await store.getSlice('a', 1, 0)), bytesOf(slice))
})

t.test('a file that another put in the place of one of ours makes a miss', async (t) => {
  const { store, headsFile, sliceFile } = await storedObject(t)
  writeFileSync(sliceFile, readFileSync(headsFile))
  t.equal(await store.getSlice('a', 1, 0), undefined)
})

t.test('a file that is gone makes a miss, and the index learns it', async (t) => {
  const { store, sliceFile } = await storedObject(t)
  truncateSync(sliceFile)
  await store.getSlice('a', 1, 0)
  t.notOk(store.hasSlice('a', 1, 0))
  t.equal(store.stats().entries, 1)
})
