import t, { type Test } from 'tap'
import { geometryOf } from '../../../lib/stores/raw-disk/geometry.ts'
import { contentOf, noiseSlice, taken } from './content.ts'
import { createFakeDevice, type Operation } from './fake-device.ts'
import { openStore } from './helpers.ts'

const MIB = 1024 * 1024
const totalSize = 64 * MIB
const geometry = geometryOf({ totalSize, blockSize: 4096, sliceSize: MIB })

/** A store, and the writes into its regions. */
async function bench(t: Test, queueBytes = 32 * MIB) {
  const device = createFakeDevice({ size: totalSize })
  const store = await openStore(device, geometry, { queueBytes, readBytes: 16 * MIB })
  await store.recovered
  t.teardown(async () => {
    device.fault = undefined
    device.release()
    await store.close()
  })
  const writes: Operation[] = []
  let holding = false
  device.fault = (operation) => {
    if (operation.kind !== 'write' || operation.position < geometry.dataOffset) return undefined
    writes.push(operation)
    return holding ? 'hold' : undefined
  }
  return {
    device,
    store,
    writes,
    hold() {
      holding = true
    },
    release() {
      holding = false
      device.release()
    },
  }
}

t.test('what is put while others are written is written together, in MiBs', async (t) => {
  const { store, writes } = await bench(t)
  for (let index = 0; index < 1000; index++) t.ok(store.putSlice('a', 1, index, noiseSlice(index, 5000)))
  await store.flush()
  // 8 MB: two small ones to begin with, then batches of 2 MiB and the footers of regions.
  t.ok(writes.length < 16, `${writes.length} writes`)
  t.ok(writes.filter(({ length }) => length > MIB).length >= 3)
  t.ok(writes.every(({ length, position }) => length % 4096 === 0 && position % 4096 === 0))
})

t.test('an entry is in the index when it is written, and found before', async (t) => {
  const { store, hold, release } = await bench(t)
  hold()
  t.ok(store.putSlice('a', 1, 0, noiseSlice(1, 50_000)))
  for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate)
  t.equal(store.figures().entries, 0)
  t.ok(store.hasSlice('a', 1, 0))
  t.ok(taken(await store.getSlice('a', 1, 0))!.equals(contentOf(1, 50_000)))
  release()
  await store.flush()
  t.equal(store.figures().entries, 1)
  t.ok(taken(await store.getSlice('a', 1, 0))!.equals(contentOf(1, 50_000)))
})

t.test('the queue is bounded in bytes: what has no room is refused and counted', async (t) => {
  const queueBytes = 2 * MIB
  const { store, hold, release } = await bench(t, queueBytes)
  hold()
  let accepted = 0
  for (let index = 0; index < 100; index++) {
    if (store.putSlice('a', 1, index, noiseSlice(index, 100_000))) accepted++
    t.ok(store.stats().pendingBytes <= queueBytes)
  }
  t.equal(accepted, Math.floor(queueBytes / 100_001))
  t.equal(store.stats().refused, 100 - accepted)
  release()
  await store.flush()
  t.equal(store.figures().entries, accepted)
  t.ok(store.putSlice('a', 1, 100, noiseSlice(1, 100_000)), 'there is room again')
})

t.test('a small range is checked by itself: damage elsewhere in the slice is not its concern', async (t) => {
  const { device, store, writes } = await bench(t)
  store.putSlice('a', 1, 0, noiseSlice(1, MIB))
  await store.flush()
  const [{ position }] = writes
  device.flip(position + 4096 + 700_000, 3)
  const part = (await store.getSlice('a', 1, 0, { from: 200_000, to: 200_100 }))!
  const from = part.from ?? 0
  t.ok(taken(part)!.equals(contentOf(1, MIB).subarray(from, from + part.length)))
  t.equal(store.figures().corrupt, 0)
  t.equal(
    await store.getSlice('a', 1, 0, { from: 699_000, to: 701_000 }),
    undefined,
    'the damaged piece is noticed',
  )
  t.equal(store.figures().corrupt, 1)
})

t.test('a device that failed is tried again every minute', async (t) => {
  const { device, store } = await bench(t)
  const delays: (number | undefined)[] = []
  const { setTimeout: real } = globalThis
  t.intercept(globalThis, 'setTimeout', {
    value: Object.assign((...call: Parameters<typeof real>) => {
      delays.push(call[1])
      return real(...call)
    }, real),
  })
  device.fault = ({ kind }) => (kind === 'write' ? 'EIO' : undefined)
  for (let index = 0; index < 6; index++) {
    store.putSlice('a', 1, index, noiseSlice(index, 5000))
    await store.flush()
  }
  t.ok(store.figures().offline)
  t.ok(delays.includes(60_000))
})
