import t, { type Test } from 'tap'
import { taken } from './content.ts'
import type { Fault, Operation } from './fake-device.ts'
import { type Bed, createBed, within } from './helpers.ts'
import { HEADS } from './ledger.ts'

const MIB = 1024 * 1024

/** A store with 20 slices and heads on its device. */
async function filled(t: Test, retryMs = 60_000): Promise<Bed> {
  const bed = await createBed({ totalSize: 8 * MIB, store: { retryMs } })
  bed.putHeads('a', 100)
  for (let index = 0; index < 20; index++) t.ok(bed.put('a', 1, index, 30_000))
  await bed.flush()
  return bed
}

const failing = (kind: Operation['kind'], fault: Fault) => (operation: Operation) =>
  operation.kind === kind ? fault : undefined

/** Waits, with a limit far over what it takes. */
async function until(condition: () => boolean, what: string): Promise<void> {
  for (let turn = 0; turn < 2000; turn++) {
    if (condition()) return
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  throw new Error(`never: ${what}`)
}

for (const fault of ['EIO', 'SHORT'] as Fault[]) {
  t.test(`${fault} on reading is a miss, counted, and no more than that`, async (t) => {
    const bed = await filled(t)
    bed.device.fault = failing('read', fault)
    t.equal(await bed.store.getSlice('a', 1, 0), undefined)
    t.equal(await bed.store.getHeads('a'), undefined)
    t.equal(bed.store.figures().readErrors, 2)
    t.equal(bed.store.stats().readErrors, 2)
    t.equal(bed.store.stats().corrupt, 0)
    bed.device.fault = undefined
    t.ok(await bed.get('a', 1, 0), 'the entry is whole and was kept')
    t.ok(await bed.get('a', HEADS, 0))
    t.equal(bed.store.figures().lentBytes, 0, 'the memory is given back')
    await bed.close()
  })
}

for (const fault of ['EIO', 'ENOSPC'] as Fault[]) {
  t.test(`${fault} on writing loses the copy, and nothing half written is found`, async (t) => {
    const bed = await filled(t)
    bed.device.fault = failing('write', fault)
    t.ok(bed.put('a', 1, 0, 20_000))
    t.ok(bed.put('b', 1, 0, 20_000))
    t.ok(bed.putHeads('a', 50))
    await bed.flush()
    t.ok(bed.store.figures().writeErrors > 0)
    t.equal(bed.store.stats().pendingBytes, 0)
    t.notOk(await bed.get('b', 1, 0))
    t.notOk(await bed.get('a', 1, 0), 'nor is the former one there again')
    t.notOk(await bed.get('a', HEADS, 0))
    bed.device.fault = undefined
    t.ok(await bed.get('a', 1, 1))
    t.ok(bed.put('c', 1, 0, 20_000))
    await bed.flush()
    t.ok(await bed.get('c', 1, 0), 'the next is written elsewhere')
    bed.check()
    for (const ending of ['kill', 'close'] as const) {
      await bed.restart(ending, 1)
      t.notOk(await bed.get('b', 1, 0))
      t.ok(await bed.get('c', 1, 0))
      t.ok(await bed.get('a', 1, 1))
    }
    await bed.close()
  })
}

for (const kind of ['read', 'write'] as const) {
  t.test(
    `more than five errors in a row on ${kind} take it offline, until the device works again`,
    async (t) => {
      const bed = await filled(t, 30)
      bed.device.fault = failing(kind, 'EIO')
      for (let attempt = 0; attempt < 5; attempt++) {
        if (kind === 'read') await bed.store.getSlice('a', 1, attempt)
        else {
          bed.put('b', 1, attempt, 30_000)
          await bed.flush()
        }
        if (kind === 'read') t.equal(bed.store.figures().offline, false, `${attempt + 1} are borne`)
      }
      for (let more = 0; more < 3 && !bed.store.figures().offline; more++) {
        if (kind === 'read') await bed.store.getSlice('a', 1, 6)
        else bed.put('b', 1, 7, 30_000)
        await bed.flush()
      }
      t.equal(bed.store.figures().offline, true)

      const before = { ...bed.device.counts }
      const probes = () => bed.device.counts.read + bed.device.counts.write
      t.equal(await bed.store.getSlice('a', 1, 8), undefined)
      t.equal(await bed.store.getHeads('a'), undefined)
      t.equal(bed.store.putSlice('c', 1, 0, { length: 1, segments: [Buffer.from('x')] }), false)
      t.ok(probes() - before.read - before.write <= 2, 'nothing but a probe touches the device')
      t.ok(bed.store.stats().refused > 0)
      bed.check()

      await new Promise((resolve) => setTimeout(resolve, 100))
      t.equal(bed.store.figures().offline, true, 'as long as it fails')
      bed.device.fault = undefined
      await until(() => !bed.store.figures().offline, 'online again')
      t.ok(await bed.get('a', 1, 8))
      t.ok(bed.put('c', 1, 0, 20_000))
      await bed.flush()
      t.ok(await bed.get('c', 1, 0))
      await bed.restart('kill', 1)
      t.ok(await bed.get('a', 1, 8))
      t.ok(await bed.get('c', 1, 0))
      await bed.close()
    },
  )
}

t.test('errors that are not in a row are borne', async (t) => {
  const bed = await filled(t)
  bed.device.fault = ({ kind, nth }) => (kind === 'read' && nth % 2 === 0 ? 'EIO' : undefined)
  for (let round = 0; round < 40; round++) taken(await bed.store.getSlice('a', 1, round % 20))
  t.equal(bed.store.figures().offline, false)
  t.equal(bed.store.figures().readErrors, 20)
  await bed.close()
})

t.test('what was dropped while the device failed is not found when it works again', async (t) => {
  const bed = await filled(t, 20)
  bed.device.fault = ({ kind }) => (kind === 'read' ? undefined : 'EIO')
  await t.rejects(within(bed.store.drop('a'), 'drop'), { message: /is tried again/ })
  t.equal(await bed.store.eachHeads(() => {}, new AbortController().signal), false, 'no sweep has seen all')
  t.equal(await bed.store.getSlice('a', 1, 0), undefined)
  for (let round = 0; round < 8; round++) {
    bed.store.putSlice('b', 1, round, { length: 1, segments: [Buffer.from('x')] })
    await bed.store.flush()
  }
  bed.device.fault = undefined
  await until(() => !bed.store.figures().offline, 'online again')
  await bed.store.flush()
  t.equal(await bed.store.getSlice('a', 1, 0), undefined)
  await bed.restart('kill', 1)
  t.equal(await bed.store.getSlice('a', 1, 0), undefined, 'nor after a restart')
  await bed.close()
})

t.test('a read that hangs delays nobody else', async (t) => {
  const bed = await filled(t)
  let held = 0
  bed.device.fault = ({ kind }) => (kind === 'read' && ++held <= 3 ? 'hold' : undefined)
  const hanging = [0, 1, 2].map((index) => bed.get('a', 1, index))
  for (let index = 3; index < 20; index++) t.ok(await within(bed.get('a', 1, index), 'get'))
  t.ok(bed.put('b', 1, 0, 30_000))
  await within(bed.flush(), 'flush')
  t.ok(await within(bed.get('b', 1, 0), 'get'))
  t.equal(await within(bed.drop('b'), 'drop'), 1)
  bed.device.release()
  t.same(await Promise.all(hanging), [true, true, true])
  await bed.close()
})

t.test('a region that is read is not overwritten meanwhile', async (t) => {
  const bed = await filled(t)
  let held = 0
  bed.device.fault = ({ kind }) => (kind === 'read' && ++held === 1 ? 'hold' : undefined)
  const hanging = bed.store.getSlice('a', 1, 0)
  for (let index = 0; index < 600; index++) {
    bed.put('b', 1, index, 60_000)
    if (index % 10 === 0) for (let turn = 0; turn < 40; turn++) await new Promise(setImmediate)
  }
  bed.device.release()
  const slice = await hanging
  slice?.loan?.releaseAll()
  bed.device.fault = undefined
  await bed.flush()
  await bed.getAll()
  t.equal(bed.store.stats().corrupt, 0, 'no read met bytes of another entry')
  await bed.close()
})

t.test('close waits for what is under way, and nothing is used after it', async (t) => {
  const bed = await filled(t)
  bed.device.fault = ({ kind, nth }) => (kind === 'read' && nth % 2 === 0 ? 'hold' : undefined)
  const reads = [0, 1, 2, 3].map((index) => bed.store.getSlice('a', 1, index))
  for (let index = 0; index < 10; index++) bed.put('c', 1, index, 50_000)
  const closed = bed.store.close()
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate)
  bed.device.fault = undefined
  bed.device.release()
  for (const slice of await within(Promise.all(reads), 'reads')) slice?.loan?.releaseAll()
  await within(closed, 'close')
  t.same(bed.device.violations, [])
  t.equal(await bed.store.getSlice('a', 1, 0), undefined)
  t.equal(bed.store.putSlice('a', 1, 0, { length: 1, segments: [Buffer.from('x')] }), false)
  t.same(bed.device.violations, [])
})

t.test('close waits for nobody who keeps what was lent', async (t) => {
  const bed = await filled(t)
  const kept = await Promise.all([0, 1, 2].map((index) => bed.store.getSlice('a', 1, index)))
  await within(bed.close(), 'close')
  for (const slice of kept) t.equal(taken(slice)?.length, 30_000)
})

t.test('a store that is killed while it has no room goes on', async (t) => {
  for (let seed = 1; seed <= 10; seed++) {
    const bed = await createBed({ totalSize: 4 * MIB, seed })
    for (let index = 0; index < 300; index++) {
      bed.put('burst', 1, index, 30_000)
      if (index % 20 === seed) await new Promise(setImmediate)
    }
    await bed.restart(seed % 2 === 0 ? 'kill' : 'crash', seed)
    await bed.getAll()
    t.ok(bed.put('a', 1, 0, 30_000))
    await within(bed.flush(), 'flush')
    t.ok(await bed.get('a', 1, 0))
    bed.check()
    await bed.close()
  }
})

for (const kind of ['read', 'write', 'sync'] as const) {
  t.test(`close ends when every ${kind} fails, and the next life finds what it can`, async (t) => {
    const bed = await filled(t)
    bed.put('b', 1, 0, 30_000)
    bed.device.fault = failing(kind, 'EIO')
    await within(bed.store.close(), 'close')
    t.same(bed.device.violations, [])
    await bed.restart('kill', 1)
    t.ok(await bed.get('a', 1, 5))
    await bed.getAll()
    await bed.close()
  })

  t.test(`recovery ends when ${kind} fails now and then, and finds nothing wrong`, async (t) => {
    for (let every = 1; every < 8; every++) {
      const bed = await filled(t, 10)
      for (let index = 0; index < 5; index++) bed.put('gone', 1, index, 30_000)
      await bed.flush()
      await bed.drop('gone')
      let count = 0
      const fault = (operation: Operation) =>
        operation.kind === kind && ++count % every === 0 ? 'EIO' : undefined
      // A device that cannot be marked as in use is refused: only reads fail from the beginning.
      await bed.restart('crash', every, { wait: false, fault: kind === 'read' ? fault : undefined })
      bed.device.fault = fault
      await within(bed.store.recovered, 'recovery')
      bed.device.fault = undefined
      await bed.getAll()
      bed.check()
      await bed.restart('kill', every)
      await bed.getAll()
      await bed.close()
    }
  })
}
