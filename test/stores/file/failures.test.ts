import fs from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { createFileStore } from '../../../lib/stores/file/store.ts'
import { bytesOf, headOf, scratchDirectory, sliceOf } from '../helpers.ts'

async function openStore(t: Test, maxBytes = 1024 * 1024) {
  const dir = scratchDirectory(t)
  const store = await createFileStore({ dir, maxBytes })
  await store.recovered
  t.teardown(() => store.close())
  return { dir, store }
}

/** Lets one function of node:fs fail with a code, for the test. */
function failing(t: Test, name: 'open' | 'writev' | 'readv' | 'rename' | 'unlink', code: string) {
  const original = fs[name]
  let calls = 0
  Object.assign(fs, {
    [name]: (...args: unknown[]) => {
      calls++
      const done = args.at(-1) as (error: Error) => void
      setImmediate(done, Object.assign(new Error(code), { code }))
    },
  })
  const restore = () => void Object.assign(fs, { [name]: original })
  t.teardown(restore)
  return { calls: () => calls, restore }
}

t.test('a directory that cannot be used is one plain error', async (t) => {
  const dir = scratchDirectory(t)
  fs.writeFileSync(join(dir, 'file'), '')
  for (const [path, code] of [
    [join(dir, 'file'), 'EEXIST|ENOTDIR'],
    [join(dir, 'file', 'below'), 'ENOTDIR'],
    ['/proc/slicestream', 'ENOENT'],
  ]) {
    const error = await createFileStore({ dir: path, maxBytes: 1 }).catch((error) => error)
    t.match(error.code, new RegExp(code))
    t.equal(error.path, path)
    t.match(error.message, new RegExp(`^cannot use the cache directory ${path} \\((${code})\\): [^\\n]*$`))
  }
})

t.test('a directory that is removed while the store runs is made again', async (t) => {
  const { dir, store } = await openStore(t)
  store.putSlice('a', 1, 0, sliceOf(1, 5000))
  await store.flush()
  fs.rmSync(dir, { recursive: true })
  t.equal(await store.getSlice('a', 1, 0), undefined)
  t.ok(store.putSlice('b', 1, 0, sliceOf(2, 5000)))
  await store.flush()
  t.same(bytesOf(await store.getSlice('b', 1, 0)), bytesOf(sliceOf(2, 5000)))
  t.equal(store.stats().writeErrors + store.stats().readErrors, 0)
})

t.test('a directory that turns into a file costs copies, not errors', async (t) => {
  const { dir, store } = await openStore(t)
  store.putSlice('a', 1, 0, sliceOf(1, 5000))
  await store.flush()
  fs.rmSync(dir, { recursive: true })
  fs.writeFileSync(dir, '')
  t.equal(await store.getSlice('a', 1, 0), undefined)
  t.ok(store.putSlice('b', 1, 0, sliceOf(2, 5000)))
  await store.flush()
  t.equal(await store.getSlice('b', 1, 0), undefined)
  t.ok(store.stats().writeErrors > 0)
  t.equal(store.stats().pendingBytes, 0)
})

for (const code of ['ENOSPC', 'EIO', 'EROFS', 'EACCES', 'EMFILE']) {
  t.test(`${code} on writing loses the copy and leaves nothing behind`, async (t) => {
    const { dir, store } = await openStore(t)
    store.putHeads('a', [headOf('a', 1)])
    await store.flush()
    const { restore } = failing(t, 'writev', code)
    t.ok(store.putHeads('a', [headOf('a', 2)]))
    await store.flush()
    restore()
    t.equal(store.stats().writeErrors, 1)
    t.equal(store.stats().entries, 0)
    t.equal(await store.getHeads('a'), undefined, 'nor is the older list there again')
    t.same(fs.readdirSync(join(dir, 'tmp')), [])

    const restarted = await createFileStore({ dir, maxBytes: 1e6 })
    t.equal(await restarted.getHeads('a'), undefined, 'nor after a restart')
    await restarted.close()
  })

  t.test(`${code} on reading is a miss`, async (t) => {
    const { store } = await openStore(t)
    store.putSlice('a', 1, 0, sliceOf(1, 5000))
    await store.flush()
    const { restore } = failing(t, 'readv', code)
    t.equal(await store.getSlice('a', 1, 0), undefined)
    restore()
    t.equal(store.stats().readErrors, 1)
    t.ok(await store.getSlice('a', 1, 0), 'the file is whole and was kept')
  })
}

t.test('after several errors in a row nothing is tried for a while', async (t) => {
  const { store } = await openStore(t)
  const open = failing(t, 'open', 'EIO')
  for (let index = 0; index < 10; index++) {
    store.putSlice('a', 1, index, sliceOf(1, 1000))
    await store.flush()
  }
  t.equal(open.calls(), 5)
  t.equal(store.stats().refused, 5)

  open.restore()
  const now = Date.now()
  t.intercept(Date, 'now', { value: () => now + 60_000 })
  t.ok(store.putSlice('a', 1, 0, sliceOf(1, 1000)), 'then it is tried again')
  await store.flush()
  t.ok(await store.getSlice('a', 1, 0))
})
