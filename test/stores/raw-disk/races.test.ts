import { setTimeout as after } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import { geometryOf } from '../../../lib/stores/raw-disk/geometry.ts'
import { createOutgoingQueue, type Outgoing } from '../../../lib/stores/raw-disk/outgoing.ts'
import type { RawDiskStore } from '../../../lib/stores/raw-disk/store.ts'
import type { Slice } from '../../../lib/stores/store.ts'
import { createFakeDevice, type FakeDevice, type Operation } from './fake-device.ts'
import { createBed, openStore } from './helpers.ts'

const MIB = 1024 * 1024

/** Things that happen at the same time, each of which once went wrong. */

function small(totalSize: number) {
  const geometry = geometryOf({ totalSize, blockSize: 4096, sliceSize: 65536 })
  const open = async (device: FakeDevice): Promise<RawDiskStore> => {
    const store = await openStore(device, geometry)
    await store.recovered
    return store
  }
  const isData = ({ position }: Operation) => position >= geometry.dataOffset
  return { geometry, open, isData, device: createFakeDevice({ size: totalSize }) }
}

function filled(length: number): Slice {
  return { length, segments: [Buffer.alloc(length, length % 251)] }
}

async function has(store: RawDiskStore, key: string): Promise<boolean> {
  const slice = await store.getSlice(key, 1, 0)
  slice?.loan?.releaseAll()
  return slice !== undefined
}

// Reclaim went on with ids of the index that `clear` had replaced, and its TypeError ended the process.
t.test('everything is purged while reclaim carries entries over', async (t) => {
  const bed = await createBed({ totalSize: 16 * MIB })
  let held = 0
  let mine = false
  bed.device.fault = ({ kind }) => {
    if (mine || kind !== 'read') return undefined
    held++
    return 'hold'
  }
  for (let object = 0; object < 2000 && held === 0; object++) {
    bed.put(`object ${object}`, 1, 0, 30_000)
    if (object % 8 !== 7) continue
    await bed.store.flush()
    if (held > 0) break
    mine = true
    for (let hit = object - 7; hit <= object; hit++) await bed.get(`object ${hit}`, 1, 0)
    mine = false
  }
  t.ok(held > 0, 'reclaim reads what it carries')
  mine = true
  const cleared = bed.clear()
  bed.device.release()
  t.ok((await cleared)! > 100)
  await bed.store.reclaimed()
  t.same(bed.store.selfTest(), [])
  bed.put('later', 1, 0, 1000)
  await bed.flush()
  t.ok(await bed.get('later', 1, 0))
  await bed.close()
})

// A full purge log asked for a checkpoint while half of the index was read: it had what was purged a moment before, and
// the record of that purge counted no more.
t.test('the purge log fills while the index is read', async (t) => {
  const { geometry, open, isData, device } = small(16 * MIB)
  const first = await open(device)
  first.putSlice('victim', 1, 0, filled(5))
  for (let object = 0; object < 300; object++) {
    first.putSlice(`object ${object}`, 1, 0, filled(30_000))
    await first.flush()
  }
  const recordsOfHalf = geometry.purgeLog[0].bytes / 32
  for (let purge = 0; purge < recordsOfHalf - 130; purge++) await first.drop(`nothing ${purge}`)
  t.equal(first.figures().checkpoints, 0)

  const killed = device.kill(1)
  const isTail = (operation: Operation) =>
    operation.kind === 'read' && isData(operation) && operation.length > 4096
  const second = await openStore(killed, geometry, {}, (operation) =>
    isTail(operation) ? 'hold' : undefined,
  )
  await after(50)
  await second.drop('victim')
  killed.release() // the first regions, and with them the victim
  await after(50)
  // The kill below leaves them unanswered.
  void Promise.allSettled(Array.from({ length: 140 }, (_, purge) => second.drop(`more ${purge}`)))
  await after(200)
  t.ok(second.figures().recovering)
  t.equal(second.figures().checkpoints, 0)

  const third = await open(killed.kill(2))
  t.notOk(await has(third, 'victim'), 'stays purged')
  t.ok(third.figures().entries > 100, 'the others are there')
  await third.close()
})

// The record was tried again only when more failures had taken the store offline and it had come back.
t.test('one error in the purge log does not bring back what was purged', async (t) => {
  const { open, device } = small(8 * MIB)
  const store = await open(device)
  store.putSlice('victim', 1, 0, filled(5))
  await store.flush()
  let failed = false
  device.fault = ({ kind }) => {
    if (failed || kind !== 'write') return undefined
    failed = true
    return 'EIO'
  }
  await t.rejects(store.drop('victim'), { message: /is tried again/ })
  await store.drop('another')
  await store.flush()
  const next = await open(device.kill(1))
  t.notOk(await has(next, 'victim'))
  await next.close()
})

// The snapshot was taken before the write had ended, and recovery asked the regions only for what was put after it.
t.test('what is being written as a checkpoint begins survives a kill', async (t) => {
  const { open, isData, device } = small(8 * MIB)
  const store = await open(device)
  device.fault = (operation) => (operation.kind === 'write' && isData(operation) ? 'hold' : undefined)
  store.putSlice('written', 1, 0, filled(5))
  const checkpoint = store.checkpoint()
  await after(50)
  device.fault = undefined
  device.release()
  t.ok(await checkpoint)
  await store.flush()
  const next = await open(device.kill(1))
  t.ok(await has(next, 'written'))
  await next.close()
})

// The next life went on in the region, whose header was not there, or behind the hole, where a walk through it ended.
for (const isFirst of [true, false]) {
  const which = isFirst ? 'the first write into a region' : 'a later write'
  t.test(`${which} fails at the end of a life and hides nothing of the next one`, async (t) => {
    const { open, isData, device } = small(8 * MIB)
    const store = await open(device)
    if (!isFirst) store.putSlice('before', 1, 0, filled(5))
    await store.flush()
    device.fault = (operation) => (operation.kind === 'write' && isData(operation) ? 'EIO' : undefined)
    store.putSlice('lost', 1, 0, filled(20_000))
    await store.flush()
    device.fault = undefined
    await store.close()

    const second = device.kill(1)
    const resumed = await open(second)
    for (let object = 0; object < 5; object++) resumed.putSlice(`object ${object}`, 1, 0, filled(3000))
    await resumed.flush()
    const third = await open(second.kill(2))
    for (let object = 0; object < 5; object++) t.ok(await has(third, `object ${object}`))
    if (!isFirst) t.ok(await has(third, 'before'))
    await third.close()
  })
}

// A thousand entries of a megabyte that had long been written were kept alive by the array that they had waited in.
t.test('the queue of writes lets go of what was taken', (t) => {
  const queue = createOutgoingQueue()
  const taken: WeakRef<Outgoing>[] = []
  for (let entry = 0; entry < 100; entry++) {
    queue.put({ stored: entry } as Outgoing)
    queue.put({ stored: entry } as Outgoing)
    taken.push(new WeakRef(queue.shift()))
  }
  setTimeout(() => {
    setFlagsFromString('--expose-gc')
    runInNewContext('gc')()
    t.ok(taken.every((entry) => entry.deref() === undefined))
    t.equal(queue.takeAll().length, 100)
    t.equal(queue.peek(), undefined)
    t.end()
  }, 10)
})
