import t from 'tap'
import { geometryOf } from '../../../lib/stores/raw-disk/geometry.ts'
import type { RawDiskStore } from '../../../lib/stores/raw-disk/store.ts'
import { never, visited } from '../contract-each-heads.ts'
import { headOf } from '../helpers.ts'
import { contentOf } from './content.ts'
import { createFakeDevice } from './fake-device.ts'
import { openStore, within } from './helpers.ts'

const MIB = 1024 * 1024
const totalSize = 16 * MIB
const geometry = geometryOf({ totalSize, blockSize: 4096, sliceSize: 65536 })

/** A list of heads of about so many bytes. */
function listOf(key: string, length: number, seed = 1) {
  return [headOf(key, seed, { fields: ['X', contentOf(seed, length / 2).toString('hex')] })]
}

/** A store whose device has heads of so many keys, `key 0` first. */
async function filled(count: number, length = 100) {
  const device = createFakeDevice({ size: totalSize })
  const store = await openStore(device, geometry)
  await store.recovered
  for (let i = 0; i < count; i++) store.putHeads(`key ${i}`, listOf(`key ${i}`, length))
  await store.flush()
  return { device, store }
}

async function keysOf(store: RawDiskStore): Promise<string[]> {
  return [...(await visited(store)).keys()].sort()
}

/** Where the entry of `key 0` begins: at the second block of the first region, behind that one's header. */
const FIRST_ENTRY = geometry.dataOffset + 4096

t.test('a damaged list is skipped, counted and forgotten', async (t) => {
  const { device, store } = await filled(3)
  device.flip(FIRST_ENTRY + 200, 3)
  t.ok(await store.eachHeads((key) => t.not(key, 'key 0'), never))
  t.equal(store.stats().corrupt, 1)
  t.same(await keysOf(store), ['key 1', 'key 2'])
  t.equal(store.stats().corrupt, 1)
  t.same(store.selfTest(), [])
  await store.close()
})

t.test('an entry in the place of another is none', async (t) => {
  const { device, store } = await filled(3)
  const [first, second] = [0, 1].map((at) => FIRST_ENTRY / 4096 + at)
  device.overwrite(first, device.image(), second)
  t.same(await keysOf(store), ['key 1', 'key 2'])
  t.equal(store.stats().corrupt, 1)
  await store.close()
})

t.test('a list that cannot be read makes the walk incomplete, and is there the next time', async (t) => {
  const { device, store } = await filled(3)
  device.fault = ({ kind, position }) => (kind === 'read' && position === FIRST_ENTRY ? 'EIO' : undefined)
  const seen: string[] = []
  t.notOk(await store.eachHeads((key) => void seen.push(key), never))
  t.same(seen.sort(), ['key 1', 'key 2'])
  t.equal(store.stats().readErrors, 1)
  device.fault = undefined
  t.same(await keysOf(store), ['key 0', 'key 1', 'key 2'])
  await store.close()
})

t.test('a device that is given up ends the walk, and so does the end of the store', async (t) => {
  const { device, store } = await filled(50)
  device.fault = ({ kind }) => (kind === 'read' ? 'EIO' : undefined)
  t.notOk(await store.eachHeads(() => t.fail('nothing can be read'), never))
  t.ok(store.figures().offline)
  t.equal(store.stats().readErrors, 6, 'it is left alone then')

  const { device: another, store: other } = await filled(50)
  let closed: Promise<void> | undefined
  let visits = 0
  t.notOk(
    await other.eachHeads(() => {
      visits++
      closed ??= other.close()
    }, never),
  )
  await closed
  t.ok(visits < 50)
  t.same(another.violations, [], 'the device is not used any more')
})

t.test('while the index is read it waits, until it is there or the signal says no', async (t) => {
  const { device, store } = await filled(3)
  await store.close()
  const next = device.kill(1)
  const isIndex = (position: number) => position >= geometry.snapshots[0].offset
  const reopened = await openStore(next, geometry, {}, ({ kind, position }) =>
    kind === 'read' && isIndex(position) ? 'hold' : undefined,
  )
  const abort = new AbortController()
  const aborted = reopened.eachHeads(() => t.fail('a visit'), abort.signal)
  const walk = keysOf(reopened)
  abort.abort()
  t.notOk(await aborted)
  next.fault = undefined
  next.release()
  t.same(await walk, ['key 0', 'key 1', 'key 2'])
  await reopened.close()
})

t.test('a list that is written anew while it is read is visited as it is then', async (t) => {
  const { device, store } = await filled(1)
  device.fault = ({ kind }) => (kind === 'read' ? 'hold' : undefined)
  const seen = new Set<number>()
  const walk = store.eachHeads((_, heads) => void seen.add(heads[0].generation), never)
  while (device.pending() === 0) await new Promise(setImmediate)
  store.putHeads('key 0', listOf('key 0', 100, 2))
  device.fault = undefined
  device.release()
  await walk
  t.same([...seen], [2])
  await store.close()
})

t.test('a list that is dropped while it is read is not visited', async (t) => {
  const { device, store } = await filled(1)
  device.fault = ({ kind }) => (kind === 'read' ? 'hold' : undefined)
  const walk = store.eachHeads(() => t.fail('a visit'), never)
  while (device.pending() === 0) await new Promise(setImmediate)
  device.fault = undefined
  void store.drop('key 0')
  device.release()
  t.ok(await walk)
  await store.close()
})

t.test('one that was visited before and is written anew does not come back as it was', async (t) => {
  const { store } = await filled(40)
  const seen = new Map<string, number>()
  let visits = 0
  await store.eachHeads(async (key, heads) => {
    seen.set(key, heads[0].generation)
    if (++visits !== 20) return
    // Removed first, the others get their places in the index, which the walk has passed.
    for (let i = 0; i < 15; i++) await store.drop(`key ${i}`)
    for (let i = 25; i < 40; i++) store.putHeads(`key ${i}`, listOf(`key ${i}`, 100, 2))
    await store.flush()
  }, never)
  for (let i = 25; i < 40; i++) t.equal(seen.get(`key ${i}`), 2, `key ${i}`)
  await store.close()
})

t.test('everything is purged while it walks', async (t) => {
  const { store } = await filled(30)
  const seen: string[] = []
  await store.eachHeads(async (key) => {
    seen.push(key)
    if (seen.length !== 5) return
    void store.clear()
    store.putHeads('new', listOf('new', 100))
    await store.flush()
  }, never)
  t.same(
    seen.slice(5).filter((key) => key !== 'new'),
    [],
  )
  await store.close()
})

t.test('what has expired is not visited', async (t) => {
  const { store } = await filled(2)
  const gone = { etag: null, lastModified: null, freshUntil: Date.now() - 3 * 24 * 3600 * 1000 }
  store.putHeads('expired', [headOf('expired', 1, gone)])
  await store.flush()
  t.same(await keysOf(store), ['key 0', 'key 1'])
  t.equal(store.figures().expiredEntries, 1)
  await store.close()
})

t.test('its reads give back all memory, and let go of all regions', async (t) => {
  const { store } = await filled(40, 100_000)
  const bytes = 40 * 100_000
  // More than three times the memory that reads have.
  for (let read = 0; read < 3 * 20 * MIB; read += bytes) {
    t.equal((await within(visited(store), 'a walk')).size, 40)
  }
  await within(store.close(), 'close')
})

for (const use of ['walked over', 'asked for'] as const) {
  t.test(`reclaim gives up what was only walked over: ${use}`, async (t) => {
    const { store } = await filled(100, 20_000)
    if (use === 'walked over') await visited(store)
    else for (let i = 0; i < 100; i++) await store.getHeads(`key ${i}`)
    for (let i = 0; store.figures().evictedEntries + store.figures().carriedEntries < 50; i++) {
      store.putHeads(`more ${i}`, listOf(`more ${i}`, 20_000))
      await store.flush()
      await store.reclaimed()
    }
    t.equal(store.figures().carriedEntries > 0, use === 'asked for')
    await store.close()
  })
}
