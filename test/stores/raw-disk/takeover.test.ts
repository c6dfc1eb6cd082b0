import t, { type Test } from 'tap'
import { geometryOf } from '../../../lib/stores/raw-disk/geometry.ts'
import type { RawDiskStore } from '../../../lib/stores/raw-disk/store.ts'
import { openOrWait } from '../../../lib/stores/raw-disk/takeover.ts'
import { until } from '../../helpers/until.ts'
import { never, visited } from '../contract-each-heads.ts'
import { headOf, sliceOf } from '../helpers.ts'
import { taken } from './content.ts'
import { createFakeDevice, type FakeDevice } from './fake-device.ts'
import { openStore, type StoreChoices } from './helpers.ts'
import { ear } from './opening.ts'

const MIB = 1024 * 1024
const geometry = geometryOf({ totalSize: 16 * MIB, blockSize: 4096, sliceSize: 65536 })
const bytes = Buffer.concat(sliceOf(1, 5000).segments)

const failure = (code: string) => Object.assign(new Error(`${code}: the test says so`), { code })

/** A device whose owner has stored heads and slices of `a` to `e`, and a store that waits for it. */
async function waiting(t: Test, choices: StoreChoices = {}) {
  const device = createFakeDevice({ size: 16 * MIB })
  const owner = await openStore(device, geometry)
  await owner.recovered
  for (const key of ['a', 'b', 'c', 'd', 'e']) {
    owner.putHeads(key, [headOf(key, 1), headOf(key, 2)])
    for (const generation of [1, 2]) owner.putSlice(key, generation, 0, sliceOf(1, 5000))
  }
  await owner.flush()
  const log = ear()
  const life = {
    owner,
    log,
    /** What opening rejects with; undefined: it works. */
    refusal: failure('EBUSY') as Error | undefined,
    attempts: 0,
    /** Opening takes until what the owner left is in the index. */
    opensRecovered: false,
    opened: undefined as RawDiskStore | undefined,
    device: undefined as FakeDevice | undefined,
    store: undefined as unknown as RawDiskStore,
    /** The owner ends, and the waiting store gets the device. */
    async takeOver() {
      await owner.close()
      life.refusal = undefined
      await until(() => !life.store.figures().recovering)
    },
  }
  life.store = await openOrWait({
    path: 'fake',
    blockSize: 4096,
    retryMs: 1,
    failedRetryMs: 1,
    log: log.log,
    async open() {
      life.attempts++
      if (life.refusal !== undefined) throw life.refusal
      life.device = device.kill(1)
      life.opened = await openStore(life.device, geometry, choices)
      if (life.opensRecovered) await life.opened.recovered
      return life.opened
    },
  })
  t.teardown(async () => {
    await life.store.close()
    await owner.close()
    const wrong = [...(life.opened?.selfTest() ?? []), ...(life.device?.violations ?? [])]
    if (wrong.length > 0) throw new Error(wrong.join('; '))
  })
  return life
}

async function has(store: RawDiskStore, key: string, generation: number): Promise<boolean> {
  const found = taken(await store.getSlice(key, generation, 0))
  return found?.equals(bytes) ?? false
}

t.test('without an owner the store is that of the device', async (t) => {
  const device = createFakeDevice({ size: 16 * MIB })
  const opened = await openStore(device, geometry)
  const { log, told } = ear()
  t.equal(await openOrWait({ path: 'fake', blockSize: 4096, open: async () => opened, log }), opened)
  t.same(told, [])
  await opened.close()
})

t.test('what is wrong otherwise refuses the start', async (t) => {
  for (const code of ['FOREIGN', 'ENOLCK', 'EACCES', 'RANGE']) {
    const open = () => Promise.reject(failure(code))
    await t.rejects(openOrWait({ path: 'fake', blockSize: 4096, open }), { code })
  }
})

t.test('while it waits it finds nothing and takes nothing, and says so', async (t) => {
  const { store, log } = await waiting(t)
  t.equal(await store.getHeads('a'), undefined)
  t.equal(await store.getSlice('a', 1, 0), undefined)
  t.notOk(store.hasSlice('a', 1, 0))
  t.notOk(store.putSlice('a', 1, 0, sliceOf(1, 100)))
  t.notOk(store.putHeads('a', [headOf('a', 3)]))
  t.notOk(await store.checkpoint())
  t.same(store.selfTest(), [])
  await store.flush()
  await store.reclaimed()
  t.match(store.stats(), { entries: 0, lookups: 2, hits: 0, refused: 2, readErrors: 0, writeErrors: 0 })
  t.match(store.figures(), {
    waiting: true,
    recovering: true,
    offline: false,
    blockSize: 4096,
    totalBlocks: 0,
  })
  t.equal(store.map(10).regions, 0)
  t.same(log.told, ['another process has the raw disk: nothing is found there or stored until it lets go'])
})

t.test('when the owner lets go it serves what that one had stored, and takes more', async (t) => {
  const life = await waiting(t)
  const { store } = life
  const sequence = store.openSequence!('b', 1, 0)
  t.equal(await sequence.get(0), undefined)
  await until(() => life.attempts > 3)
  await life.takeOver()
  t.same(await store.getHeads('a'), [headOf('a', 1), headOf('a', 2)])
  t.ok(await has(store, 'a', 1))
  t.ok(taken(await sequence.get(0))?.equals(bytes), 'also for what had begun before')
  sequence.close()
  t.ok(store.putSlice('f', 1, 0, sliceOf(1, 5000)))
  t.ok(await has(store, 'f', 1))
  t.match(store.figures(), { waiting: false, recovering: false, offline: false, totalBlocks: Number })
  t.ok(store.figures().totalBlocks > 0)
  t.ok(store.map(10).regions > 0)
  t.equal(life.log.told.at(-1), 'the raw disk was taken over')
  const { lookups, maxBytes } = life.opened!.stats()
  t.match(store.stats(), { lookups: lookups + 1, maxBytes }, 'what was counted before is not lost')
})

for (const compression of [false, true]) {
  t.test(`sequences work with and without reading ahead: ${compression}`, async (t) => {
    const life = await waiting(t, { prefetch: compression })
    await life.takeOver()
    const sequence = life.store.openSequence!('a', 1, 0)
    t.ok(taken(await sequence.get(0))?.equals(bytes))
    sequence.close()
  })
}

for (const opensRecovered of [false, true]) {
  t.test(
    `what is purged while it waits is not found in what the owner had stored: ${opensRecovered ? 'recovered' : 'recovering'}`,
    async (t) => {
      const life = await waiting(t)
      life.opensRecovered = opensRecovered
      const { store } = life
      let isDropped = false
      const dropped = store.drop('a').then((removed) => {
        isDropped = true
        return removed
      })
      store.dropGeneration('b', 1)
      t.ok(store.putHeads('c', []))
      t.notOk(store.putHeads('d', [headOf('d', 3)]), 'refused: but what it replaces is old')
      t.ok(await life.owner.getHeads('a'))
      t.notOk(isDropped, 'it is not yet true')
      await life.owner.close()
      life.refusal = undefined
      // From the first moment on at which anything is found.
      let found: unknown
      do {
        await new Promise(setImmediate)
        found ??= await store.getHeads('a')
      } while (store.figures().recovering)
      t.equal(found, undefined)
      await store.recovered
      await dropped
      for (const key of ['a', 'c', 'd']) t.equal(await store.getHeads(key), undefined, key)
      t.notOk(await has(store, 'a', 1))
      t.notOk(await has(store, 'b', 1))
      t.ok(await has(store, 'b', 2))
      t.ok(await has(store, 'c', 1))
      t.same([...(await visited(store)).keys()].sort(), ['b', 'e'])

      // As durable as any: a kill at this moment changes nothing.
      await store.flush()
      const again = await openStore(life.device!.kill(2), geometry)
      await again.recovered
      for (const key of ['a', 'c', 'd']) t.equal(await again.getHeads(key), undefined, key)
      t.notOk(await has(again, 'a', 1))
      t.ok(await again.getHeads('e'))
      await again.close()
    },
  )
}

t.test('everything is purged while it waits', async (t) => {
  const life = await waiting(t)
  const cleared = life.store.clear()
  await life.takeOver()
  await cleared
  t.equal(life.store.stats().entries, 0)
  t.same([...(await visited(life.store)).keys()], [])
  t.ok(life.store.putHeads('a', [headOf('a', 1)]))
})

t.test('a walk over all heads waits, too', async (t) => {
  const life = await waiting(t)
  const abort = new AbortController()
  const aborted = life.store.eachHeads(() => t.fail('a visit'), abort.signal)
  abort.abort()
  t.notOk(await aborted)
  const walk = visited(life.store)
  await life.takeOver()
  t.equal((await walk).size, 5)
})

t.test('closed while it waits, it waits no longer, and nobody waits for it', async (t) => {
  const life = await waiting(t)
  const promises = [life.store.drop('a'), life.store.clear()]
  const walk = life.store.eachHeads(() => t.fail('a visit'), never)
  await life.store.close()
  t.same(await Promise.all(promises), [0, 0])
  t.notOk(await walk)
  await life.store.recovered
  const { attempts } = life
  life.refusal = undefined
  await new Promise((resolve) => setTimeout(resolve, 20))
  t.equal(life.attempts, attempts)
  await life.store.close()
})

t.test('closed while it takes over, it lets go of the device, and keeps what it promised', async (t) => {
  const life = await waiting(t)
  const dropped = life.store.drop('a')
  await life.owner.close()
  life.refusal = undefined
  await until(() => life.device !== undefined)
  await life.store.close()
  t.ok((await dropped) >= 0)
  t.notOk(life.opened!.putSlice('f', 1, 0, sliceOf(1, 100)), 'it is closed')
  const again = await openStore(life.device!.kill(2), geometry)
  await again.recovered
  t.equal(await again.getHeads('a'), undefined)
  t.ok(await again.getHeads('b'))
  await again.close()
})

t.test('a device that is free and cannot be used is offline, and tried again', async (t) => {
  const life = await waiting(t)
  await life.owner.close()
  life.refusal = failure('FOREIGN')
  await until(() => life.store.figures().offline)
  t.notOk(life.store.figures().waiting)
  const { attempts } = life
  await until(() => life.attempts > attempts + 3)
  t.equal(life.log.told.filter((each) => each.includes('cannot be used')).length, 1, 'said once')
  life.refusal = undefined
  await until(() => !life.store.figures().recovering)
  t.ok(await life.store.getHeads('a'))
  t.notOk(life.store.figures().offline)
})
