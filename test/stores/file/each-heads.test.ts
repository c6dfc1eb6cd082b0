import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { HEADS } from '../../../lib/stores/entry-index.ts'
import { entryPath, objectOf } from '../../../lib/stores/file/paths.ts'
import { createFileStore } from '../../../lib/stores/file/store.ts'
import { never, visited } from '../contract-each-heads.ts'
import { headOf, scratchDirectory, sliceOf } from '../helpers.ts'

const keys = ['a', 'b', 'c', 'd']

/** A store with heads of all keys on the disk. */
async function stored(t: Test, maxBytes = 1e6) {
  const dir = scratchDirectory(t)
  const open = () => createFileStore({ dir, maxBytes })
  const store = await open()
  t.teardown(() => store.close())
  await store.recovered
  for (const key of keys) store.putHeads(key, [headOf(key, 1)])
  await store.flush()
  return { dir, open, store, fileOf: (key: string) => join(dir, entryPath(objectOf(key), HEADS, 0)) }
}

t.test('a walk leaves the order of use as it was', async (t) => {
  const { store } = await stored(t, keys.length * 4096)
  await store.getHeads('a')
  await visited(store)
  store.putHeads('e', [headOf('e', 1)])
  t.ok(await store.getHeads('a'))
  t.equal(await store.getHeads('b'), undefined, 'the one used longest ago went')
})

t.test('a damaged list, or one of another key, is skipped, counted and removed', async (t) => {
  const { store, fileOf } = await stored(t)
  const bytes = readFileSync(fileOf('a'))
  bytes[bytes.length - 3] ^= 4
  writeFileSync(fileOf('a'), bytes)
  copyFileSync(fileOf('c'), fileOf('b'))
  t.same([...(await visited(store)).keys()].sort(), ['c', 'd'])
  t.equal(store.stats().corrupt, 2)
  t.equal(store.stats().entries, 2)
  await store.flush()
  t.notOk(existsSync(fileOf('a')) || existsSync(fileOf('b')))
})

t.test('every length of file that is no entry is skipped', async (t) => {
  const { store, fileOf } = await stored(t)
  const whole = readFileSync(fileOf('a'))
  for (const length of [0, 1, 23, 39, 40, 41, whole.length - 1]) {
    writeFileSync(fileOf('a'), whole.subarray(0, length))
    t.same([...(await visited(store)).keys()].sort(), ['b', 'c', 'd'], `${length} bytes`)
    store.putHeads('a', [headOf('a', 1)])
    await store.flush()
  }
})

t.test(
  'a list whose file is gone is skipped, and one that cannot be read makes the walk incomplete',
  async (t) => {
    const { store, fileOf } = await stored(t)
    rmSync(fileOf('a'))
    t.ok(await store.eachHeads((key) => t.not(key, 'a'), never), 'it will not be found later either')
    rmSync(fileOf('b'))
    mkdirSync(fileOf('b'))
    const seen: string[] = []
    t.notOk(await store.eachHeads((key) => void seen.push(key), never))
    t.same(seen.sort(), ['c', 'd'])
    t.equal(store.stats().readErrors, 1)
  },
)

t.test('a walk that begins while the index is built visits what an earlier life left', async (t) => {
  const { open, store } = await stored(t)
  store.putSlice('slices only', 1, 0, sliceOf(1, 100))
  await store.close()
  const next = await open()
  t.teardown(() => next.close())
  next.putHeads('new', [headOf('new', 1)])
  void next.drop('c')
  t.same([...(await visited(next)).keys()].sort(), ['a', 'b', 'd', 'new'])
})

t.test('an abort ends the wait for the index', async (t) => {
  const { open, store } = await stored(t)
  await store.close()
  const next = await open()
  t.teardown(() => next.close())
  const abort = new AbortController()
  const walk = next.eachHeads(() => t.fail('a visit'), abort.signal)
  abort.abort()
  let recovered = false
  void next.recovered.then(() => (recovered = true))
  t.notOk(await walk)
  t.notOk(recovered)
})

t.test('a list that is written anew while it is read is visited as it is then', async (t) => {
  const { store } = await stored(t)
  const seen = new Map<string, number>()
  const walk = store.eachHeads((key, heads) => void seen.set(key, heads[0].generation), never)
  // The first read is under way.
  for (const key of keys) store.putHeads(key, [headOf(key, 2)])
  t.ok(await walk)
  t.same([...seen.values()], [2, 2, 2, 2])
})
