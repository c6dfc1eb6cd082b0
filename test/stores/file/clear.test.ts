import fs from 'node:fs'
import t from 'tap'
import { createFileStore } from '../../../lib/stores/file/store.ts'
import { bytesOf, scratchDirectory, sliceOf } from '../helpers.ts'

const COUNT = 1000

t.test(
  'clearing finds nothing any more at once, removes the files behind it, and leaves what is put meanwhile',
  async (t) => {
    const dir = scratchDirectory(t)
    const store = await createFileStore({ dir, maxBytes: 1e9, queueBytes: 1e8 })
    await store.recovered
    for (let i = 0; i < COUNT; i++) store.putSlice(`key ${i}`, 1, 0, sliceOf(i, 100))
    await store.flush()
    for (let i = COUNT; i < COUNT + 20; i++) store.putSlice(`key ${i}`, 1, 0, sliceOf(i, 100)) // still queued
    const cleared = store.clear()
    for (const i of [0, COUNT - 1, COUNT, COUNT + 19])
      t.equal(await store.getSlice(`key ${i}`, 1, 0), undefined)
    t.equal(store.stats().entries, 0)
    // A sweep that came now must not say that nothing is left: the files would be found by the next start.
    t.equal(await store.eachHeads(() => {}, new AbortController().signal), false)
    // Names of before: their old files are not removed yet, and the new ones must stay.
    const again = [0, 400, COUNT - 1, COUNT + 5]
    for (const i of again) store.putSlice(`key ${i}`, 1, 0, sliceOf(i + 7, 100))
    t.equal(await cleared, COUNT + 20)
    await store.flush()
    for (const i of again)
      t.same(bytesOf(await store.getSlice(`key ${i}`, 1, 0)), bytesOf(sliceOf(i + 7, 100)))
    const files = fs
      .readdirSync(dir, { recursive: true, withFileTypes: true })
      .filter((each) => each.isFile())
    t.equal(files.length, again.length)
    await store.close()

    const later = await createFileStore({ dir, maxBytes: 1e9 })
    await later.recovered
    t.equal(later.stats().entries, again.length)
    await later.close()
  },
)

t.test(
  'a file that cannot be removed is told, tried again, and no walk says that all was seen meanwhile',
  async (t) => {
    const dir = scratchDirectory(t)
    const store = await createFileStore({ dir, maxBytes: 1e9 })
    await store.recovered
    store.putSlice('a', 1, 0, sliceOf(1, 100))
    await store.flush()
    const { unlink } = fs
    t.teardown(() => void (fs.unlink = unlink))
    const broken = (_path: fs.PathLike, done: (error: Error) => void) => {
      process.nextTick(done, Object.assign(new Error('EIO'), { code: 'EIO' }))
    }
    fs.unlink = broken as typeof fs.unlink
    const walk = () => store.eachHeads(() => {}, new AbortController().signal)
    await t.rejects(store.drop('a'), { message: /could not be removed/ })
    t.equal(await store.getSlice('a', 1, 0), undefined)
    t.equal(await walk(), false)
    fs.unlink = unlink
    t.equal(await walk(), true)
    await store.close()
    const later = await createFileStore({ dir, maxBytes: 1e9 })
    await later.recovered
    t.equal(later.stats().entries, 0)
    await later.close()
  },
)
