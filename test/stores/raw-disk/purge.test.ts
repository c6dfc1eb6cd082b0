import t from 'tap'
import { createBed, type Ending } from './helpers.ts'
import { HEADS } from './ledger.ts'

t.setTimeout(600_000)

const MIB = 1024 * 1024
const endings: Ending[] = ['close', 'close, then power failure', 'kill', 'crash']

for (const ending of endings) {
  t.test(`what was dropped stays dropped: ${ending}`, async (t) => {
    for (let seed = 1; seed <= 10; seed++) {
      const bed = await createBed({ totalSize: 4 * MIB, seed })
      for (const key of ['a', 'b']) {
        bed.putHeads(key, 100)
        for (let index = 0; index < 4; index++) bed.put(key, 1, index, 20_000)
      }
      await bed.flush()
      t.equal(await bed.drop('a'), 5)
      await bed.restart(ending, seed)
      for (let index = 0; index < 4; index++) t.notOk(await bed.get('a', 1, index))
      t.notOk(await bed.get('a', HEADS, 0))
      if (ending !== 'crash') t.ok(await bed.get('b', 1, 3))
      await bed.close()
    }
  })

  t.test(`clear is for all keys: ${ending}`, async (t) => {
    const bed = await createBed({ totalSize: 4 * MIB })
    for (const key of ['a', 'b', 'c']) {
      bed.putHeads(key, 100)
      bed.put(key, 1, 0, 5000)
    }
    await bed.flush()
    t.equal(await bed.clear(), 6)
    bed.put('d', 1, 0, 5000)
    await bed.flush()
    await bed.restart(ending, 1)
    t.equal(await bed.getAll(), ending === 'crash' ? Number(await bed.get('d', 1, 0)) : 1)
    await bed.close()
  })

  t.test(`heads that were removed stay removed: ${ending}`, async (t) => {
    const bed = await createBed({ totalSize: 4 * MIB })
    bed.putHeads('a', 100)
    bed.put('a', 1, 0, 5000)
    await bed.flush()
    bed.putHeads('a', -1)
    await bed.flush()
    await bed.restart(ending, 1)
    t.notOk(await bed.get('a', HEADS, 0))
    if (ending !== 'crash') t.ok(await bed.get('a', 1, 0), 'its slices are others')
    await bed.close()
  })

  t.test(`what is put after a drop stays: ${ending}`, async (t) => {
    for (let seed = 1; seed <= 10; seed++) {
      const bed = await createBed({ totalSize: 4 * MIB, seed })
      bed.put('a', 1, 0, 5000)
      await bed.flush()
      const dropped = bed.drop('a')
      bed.put('a', 1, 0, 6000)
      bed.putHeads('a', 10)
      await dropped
      await bed.flush()
      await bed.checkpoint()
      await bed.restart(ending, seed)
      t.ok(await bed.get('a', 1, 0))
      t.ok(await bed.get('a', HEADS, 0))
      await bed.close()
    }
  })
}

t.test('a drop is answered only when it is durable', async (t) => {
  const bed = await createBed({ totalSize: 4 * MIB })
  bed.put('a', 1, 0, 5000)
  await bed.flush()
  bed.device.fault = ({ kind }) => (kind === 'sync' ? 'hold' : undefined)
  let answered = false
  const dropped = bed.drop('a').then(() => {
    answered = true
  })
  for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate)
  t.notOk(answered)
  t.notOk(await bed.get('a', 1, 0), 'it is gone at once all the same')
  bed.device.fault = undefined
  bed.device.release()
  await dropped
  await bed.close()
})

t.test('many drops at once share syncs', async (t) => {
  const bed = await createBed({ totalSize: 8 * MIB })
  await bed.drop('first')
  const before = bed.device.counts.sync
  await Promise.all(Array.from({ length: 1000 }, (_, at) => bed.drop(`key ${at}`)))
  t.ok(bed.device.counts.sync - before < 100)
  await bed.close()
})

for (const when of ['waits to be written', 'is being written']) {
  t.test(`what ${when} is dropped, and does not come back`, async (t) => {
    for (const ending of endings) {
      const bed = await createBed({ totalSize: 4 * MIB })
      bed.device.fault = ({ kind, length }) => (kind === 'write' && length > 8192 ? 'hold' : undefined)
      if (when === 'waits to be written') {
        // Until these are written the next ones have to wait.
        for (let index = 0; index < 40; index++) bed.put('before', 1, index, 60_000)
      }
      bed.put('a', 1, 0, 50_000)
      for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate)
      t.equal(await bed.drop('a'), 1)
      bed.device.fault = undefined
      bed.device.release()
      await bed.flush()
      t.notOk(await bed.get('a', 1, 0))
      await bed.restart(ending, 1)
      t.notOk(await bed.get('a', 1, 0), ending)
      await bed.close()
    }
  })
}

for (const ending of ['close', 'kill'] as Ending[]) {
  t.test(`what is dropped while the index is read stays dropped: ${ending}`, async (t) => {
    const bed = await createBed({ totalSize: 4 * MIB })
    for (const key of ['a', 'b', 'c']) for (let index = 0; index < 4; index++) bed.put(key, 1, index, 20_000)
    bed.putHeads('c', 10)
    await bed.flush()
    await bed.restart(ending, 1, { wait: false })
    const dropped = bed.drop('a')
    bed.dropGeneration('b', 1)
    bed.putHeads('c', -1)
    t.notOk(await bed.get('a', 1, 0))
    await dropped
    await bed.store.recovered
    for (const key of ['a', 'b'])
      for (let index = 0; index < 4; index++) t.notOk(await bed.get(key, 1, index))
    t.notOk(await bed.get('c', HEADS, 0))
    t.ok(await bed.get('c', 1, 0))
    await bed.flush()
    await bed.restart('kill', 2)
    t.notOk(await bed.get('a', 1, 0))
    t.notOk(await bed.get('c', HEADS, 0))
    t.ok(await bed.get('c', 1, 0))
    await bed.close()
  })

  t.test(`everything is cleared while the index is read: ${ending}`, async (t) => {
    const bed = await createBed({ totalSize: 4 * MIB })
    for (const key of ['a', 'b', 'c']) bed.put(key, 1, 0, 20_000)
    await bed.flush()
    await bed.restart(ending, 1, { wait: false })
    await bed.clear()
    await bed.store.recovered
    t.equal(await bed.getAll(), 0)
    await bed.restart('kill', 2)
    t.equal(await bed.getAll(), 0)
    await bed.close()
  })
}

t.test('the log of drops turns over, and forgets none that matters', async (t) => {
  const bed = await createBed({ totalSize: 8 * MIB })
  const DROPS = 50_000
  for (let from = 0; from < DROPS; from += 500) {
    const mine = `kept ${from % 20}`
    bed.put(mine, 1, 0, 2000)
    bed.put(`gone ${from}`, 1, 0, 2000)
    await bed.flush()
    const drops = Array.from({ length: 499 }, (_, at) => bed.drop(`nothing ${from + at}`))
    await Promise.all([...drops, bed.drop(`gone ${from}`)])
    if (from % 5000 === 0) {
      await bed.restart(from % 10_000 === 0 ? 'kill' : 'crash', from)
      await bed.getAll()
    }
    bed.check()
  }
  await bed.restart('kill', 1)
  await bed.getAll()
  t.notOk(await bed.get('gone 500', 1, 0))
  const { purgeRecords, checkpoints } = bed.store.figures()
  t.comment({ purgeRecords, checkpoints })
  await bed.close()
})
