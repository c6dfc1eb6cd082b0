import { rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { entryPath, objectOf } from '../../../lib/stores/file/paths.ts'
import { createFileStore } from '../../../lib/stores/file/store.ts'
import { POISON } from '../../../lib/stores/slabs.ts'
import { MAX_SEGMENT } from '../../../lib/stores/store.ts'
import { bytesOf, scratchDirectory, sliceOf } from '../helpers.ts'

const SLICE = 3 * MAX_SEGMENT
const LAST = 5000

/** Slices 0 to 3 of one object, on the disk, and room to lend two of them. */
async function lending(t: Test) {
  const dir = scratchDirectory(t)
  const store = await createFileStore({ dir, maxBytes: 1e8, readBytes: 2 * SLICE, poison: true })
  for (let index = 0; index < 3; index++) store.putSlice('a', 1, index, sliceOf(index, SLICE))
  store.putSlice('a', 1, 3, sliceOf(3, LAST))
  await store.recovered
  await store.flush()
  t.teardown(() => store.close())
  const get = async (index: number) => (await store.getSlice('a', 1, index))!
  return { dir, store, get }
}

const bytes = (index: number) => bytesOf(sliceOf(index, index === 3 ? LAST : SLICE))

t.test('a slice is read into memory that is lent, segment by segment', async (t) => {
  const { get } = await lending(t)
  const slice = await get(0)
  t.same(bytesOf(slice), bytes(0))
  t.same(
    slice.segments.map(({ length }) => length),
    [MAX_SEGMENT, MAX_SEGMENT, MAX_SEGMENT],
  )
  slice.loan!.release(1)
  t.same(slice.segments[1], Buffer.alloc(MAX_SEGMENT, POISON), 'that one is nobody’s any more')
  t.same(slice.segments[2], bytes(0)!.subarray(2 * MAX_SEGMENT), 'the others are')
  slice.loan!.releaseAll()
  const short = await get(3)
  t.ok(short.loan)
  t.same(bytesOf(short), bytes(3))
  short.loan!.releaseAll()
})

t.test('when that memory is out, a slice has memory of its own, and nobody waits', async (t) => {
  const { get } = await lending(t)
  const [first, second, third] = [await get(0), await get(1), await get(2)]
  t.ok(first.loan && second.loan)
  t.notOk(third.loan)
  t.same([first, second, third].map(bytesOf), [0, 1, 2].map(bytes))
  first.loan!.releaseAll()
  t.ok((await get(2)).loan)
})

t.test('what is not told to anybody is not lent either', async (t) => {
  const { dir, store, get } = await lending(t)
  const reading = [0, 1].map(get)
  store.dropGeneration('a', 1)
  t.same(await Promise.all(reading), [undefined, undefined], 'dropped while it was read')

  for (let index = 0; index < 3; index++) store.putSlice('a', 2, index, sliceOf(index, SLICE))
  await store.flush()
  const file = (index: number) => join(dir, entryPath(objectOf('a'), 2, index))
  truncateSync(file(0), SLICE)
  writeFileSync(file(1), Buffer.alloc(statSync(file(1)).size))
  rmSync(file(2))
  for (const index of [0, 1, 2]) t.equal(await store.getSlice('a', 2, index), undefined)
  t.equal(store.stats().corrupt, 2)

  for (let index = 0; index < 2; index++) store.putSlice('a', 3, index, sliceOf(index, SLICE))
  await store.flush()
  for (const index of [0, 1]) t.ok((await store.getSlice('a', 3, index))!.loan, 'all of it is there again')
})
