import t, { type Test } from 'tap'
import { geometryOf } from '../../../lib/stores/raw-disk/geometry.ts'
import type { RawDiskStore } from '../../../lib/stores/raw-disk/store.ts'
import { contentOf, noiseSlice, sliced, taken } from './content.ts'
import { createFakeDevice } from './fake-device.ts'
import { openStore, type StoreChoices } from './helpers.ts'

const MIB = 1024 * 1024
const SLICE = 256 * 1024

async function storeWith(t: Test, choices: StoreChoices): Promise<RawDiskStore> {
  const geometry = geometryOf({ totalSize: 32 * MIB, blockSize: 4096, sliceSize: SLICE })
  const store = await openStore(createFakeDevice({ size: 32 * MIB }), geometry, choices)
  await store.recovered
  t.teardown(() => store.close())
  return store
}

/** Text of which zstd makes little. */
function text(seed: number, length: number): Buffer {
  return Buffer.from(`line ${seed} of some text, again and again\n`.repeat(Math.ceil(length / 20))).subarray(
    0,
    length,
  )
}

t.test('zero copy: what was read is what is given; off: it is copied', async (t) => {
  for (const zeroCopy of [true, false]) {
    const store = await storeWith(t, { zeroCopy })
    store.putSlice('a', 1, 0, noiseSlice(1, SLICE))
    await store.flush()
    const slice = (await store.getSlice('a', 1, 0))!
    t.equal(slice.loan !== undefined, zeroCopy)
    t.equal(store.figures().zeroCopyBytes, zeroCopy ? SLICE : 0)
    t.equal(store.figures().copiedBytes, zeroCopy ? 0 : SLICE)
    t.equal(store.figures().lentBytes >= SLICE, zeroCopy)
    t.ok(taken(slice)!.equals(contentOf(1, SLICE)))
    t.equal(store.figures().lentBytes, 0)
  }
})

t.test('memory that is lent is given back segment by segment, each once', async (t) => {
  const store = await storeWith(t, {})
  store.putSlice('a', 1, 0, noiseSlice(1, SLICE))
  await store.flush()
  const slice = (await store.getSlice('a', 1, 0))!
  const lent = [store.figures().lentBytes]
  for (const at of slice.segments.keys()) {
    slice.loan!.release(at)
    slice.loan!.release(at)
    lent.push(store.figures().lentBytes)
  }
  for (let at = 1; at < lent.length; at++) t.ok(lent[at] < lent[at - 1], `${lent}`)
  t.equal(lent.at(-1), 0)
  slice.loan!.releaseAll()
})

t.test('clients that keep what was lent make nobody wait', async (t) => {
  const store = await storeWith(t, { readBytes: 2 * MIB })
  for (let index = 0; index < 40; index++) {
    t.ok(store.putSlice('a', 1, index, noiseSlice(index, SLICE)))
    if (index % 10 === 0) await store.flush()
  }
  await store.flush()
  const kept = await Promise.all(Array.from({ length: 40 }, (_, index) => store.getSlice('a', 1, index)))
  for (const [index, slice] of kept.entries()) t.ok(taken(slice)!.equals(contentOf(index, SLICE)))
  t.ok(store.figures().copiedBytes > 0)
  t.equal(store.figures().lentBytes, 0)
})

t.test('a part of a slice costs a read of that part', async (t) => {
  const store = await storeWith(t, {})
  store.putSlice('a', 1, 0, noiseSlice(1, SLICE))
  await store.flush()
  for (const [from, to] of [
    [0, 1],
    [65_535, 65_537],
    [SLICE - 10, SLICE],
    [SLICE - 10, SLICE + 10],
    [100_000, 130_000],
  ]) {
    const before = store.figures()
    const slice = (await store.getSlice('a', 1, 0, { from, to }))!
    const start = slice.from ?? 0
    t.ok(start <= from && start + slice.length >= Math.min(to, SLICE))
    t.ok(taken(slice)!.equals(contentOf(1, SLICE).subarray(start, start + slice.length)), `${from} to ${to}`)
    t.equal(store.figures().partReads, before.partReads + 1)
    t.ok(store.figures().deviceBytesRead - before.deviceBytesRead <= 3 * 65_536)
  }
})

t.test('prefetch: slices are read before they are asked for; off: they are not', async (t) => {
  for (const prefetch of [true, false]) {
    const store = await storeWith(t, { prefetch })
    for (let index = 0; index < 10; index++) store.putSlice('a', 1, index, noiseSlice(index, SLICE))
    await store.flush()
    const sequence = store.openSequence?.('a', 1, 9)
    t.equal(sequence !== undefined || !prefetch, true)
    const get = (index: number) => (sequence ? sequence.get(index) : store.getSlice('a', 1, index))
    for (let index = 0; index < 8; index++) {
      t.ok(taken(await get(index))!.equals(contentOf(index, SLICE)))
      for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate)
    }
    sequence?.close()
    for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate)
    const { prefetchedSlices, prefetchUsed, prefetchWasted, lentBytes } = store.figures()
    if (prefetch) {
      t.ok(prefetchUsed >= 4)
      t.ok(prefetchWasted >= 1, 'the last ones')
      t.equal(prefetchedSlices, prefetchUsed + prefetchWasted)
    } else t.equal(prefetchedSlices, 0)
    t.equal(lentBytes, 0)
  }
})

t.test('compression: text takes less room and comes back; off: it does not', async (t) => {
  for (const compression of [true, false]) {
    const store = await storeWith(t, { compression })
    const plain = text(1, SLICE)
    store.putSlice('a', 1, 0, sliced(plain), { contentType: 'text/plain' })
    store.putSlice('b', 1, 0, noiseSlice(1, SLICE), { contentType: 'text/plain' })
    store.putSlice('c', 1, 0, sliced(plain), { contentType: 'image/png' })
    await store.flush()
    const { compressedSlices, compressionBytesIn, compressionBytesOut, incompressibleSlices, liveBlocks } =
      store.figures()
    if (compression) {
      t.equal(compressedSlices, 1)
      t.ok(compressionBytesIn >= SLICE)
      t.ok(compressionBytesOut < SLICE / 10)
      t.equal(incompressibleSlices, 1)
    } else t.equal(compressedSlices + compressionBytesIn + compressionBytesOut + incompressibleSlices, 0)
    const whole = Math.ceil(SLICE / 4096) + 1
    t.ok(liveBlocks <= (compression ? 2 * whole + 10 : 3 * whole))
    t.equal(liveBlocks > 2 * whole + 10, !compression)
    t.ok(taken(await store.getSlice('a', 1, 0))!.equals(plain))
    t.ok(taken(await store.getSlice('b', 1, 0))!.equals(contentOf(1, SLICE)))
    const part = (await store.getSlice('a', 1, 0, { from: 1000, to: 2000 }))!
    const from = part.from ?? 0
    t.ok(from <= 1000 && from + part.length >= 2000)
    t.ok(taken(part)!.equals(plain.subarray(from, from + part.length)))
  }
})

t.test('second-hit admission: only the second put of a name is written', async (t) => {
  for (const secondHitAdmission of [true, false]) {
    const store = await storeWith(t, { secondHitAdmission })
    const first = store.putSlice('a', 1, 0, noiseSlice(1, 5000))
    await store.flush()
    t.equal(first, !secondHitAdmission)
    t.equal((await store.getSlice('a', 1, 0)) === undefined, secondHitAdmission)
    t.equal(store.figures().admissionRefused, secondHitAdmission ? 1 : 0)
    t.ok(store.putSlice('a', 1, 0, noiseSlice(1, 5000)))
    await store.flush()
    t.ok(taken(await store.getSlice('a', 1, 0))!.equals(contentOf(1, 5000)))
  }
})

t.test('the figures tell whether O_DIRECT is in use', async (t) => {
  for (const direct of [true, false]) {
    const geometry = geometryOf({ totalSize: 8 * MIB, blockSize: 4096, sliceSize: 65_536 })
    const store = await openStore({ ...createFakeDevice({ size: 8 * MIB }), direct }, geometry)
    t.equal(store.figures().direct, direct)
    await store.close()
  }
})

t.test('the figures agree with what was done', async (t) => {
  const store = await storeWith(t, {})
  for (let index = 0; index < 10; index++) store.putSlice('a', 1, index, noiseSlice(index, 5000))
  await store.flush()
  for (let index = 0; index < 12; index++) taken(await store.getSlice('a', 1, index))
  await store.drop('a')
  const {
    stores,
    lookups,
    hits,
    removes,
    deviceBytesRead,
    deviceBytesWritten,
    purgeRecords,
    entries,
    paddingBytes,
  } = store.figures()
  t.match(
    { stores, lookups, hits, removes, entries },
    { stores: 10, lookups: 12, hits: 10, removes: 10, entries: 0 },
  )
  t.ok(deviceBytesRead >= 10 * 8192 && deviceBytesWritten >= 10 * 8192)
  t.ok(purgeRecords >= 1)
  t.equal(paddingBytes >= 0, true)
  const stats = store.stats()
  t.match(
    { ...stats },
    { stores: 10, lookups: 12, hits: 10, removes: 10, entries: 0, bytes: 0, pendingBytes: 0 },
  )
})

t.test('what is lent stays as it is until it is given back, whatever happens meanwhile', async (t) => {
  const store = await storeWith(t, { readBytes: 2 * MIB })
  for (let index = 0; index < 6; index++) store.putSlice('a', 1, index, noiseSlice(index, SLICE))
  await store.flush()
  const kept = await Promise.all([0, 1, 2, 3].map((index) => store.getSlice('a', 1, index)))
  t.ok(kept.every((slice) => slice?.loan !== undefined))
  for (let round = 0; round < 200; round++) {
    store.putSlice('b', 1, round, noiseSlice(round, SLICE))
    if (round % 10 === 0) await store.flush()
    taken(await store.getSlice('a', 1, 4 + (round % 2)))
    if (round === 50) await store.drop('a')
  }
  await store.reclaimed()
  t.ok(store.figures().reclaimRuns > 2, 'the regions that they were read from are overwritten')
  for (const [index, slice] of kept.entries()) t.ok(taken(slice)!.equals(contentOf(index, SLICE)))
  t.equal(store.figures().lentBytes, 0)
})

t.test('the longest key and the largest slice have room together', async (t) => {
  const store = await storeWith(t, {})
  for (const [length, fits] of [
    [16 * 1024, true],
    [16 * 1024 + 1, false],
  ] as const) {
    const key = 'k'.repeat(length)
    t.equal(store.putSlice(key, 1, 0, noiseSlice(1, SLICE)), fits)
    await store.flush()
    t.equal(taken(await store.getSlice(key, 1, 0))?.equals(contentOf(1, SLICE)), fits ? true : undefined)
  }
})
