import fc from 'fast-check'
import t, { type Test } from 'tap'
import { createFileStore } from '../../lib/stores/file/store.ts'
import { createMemoryStore } from '../../lib/stores/memory.ts'
import { geometryOf } from '../../lib/stores/raw-disk/geometry.ts'
import type { SliceStore } from '../../lib/stores/store.ts'
import { createTieredStore } from '../../lib/stores/tiered.ts'
import { bytesOf, headOf, scratchDirectory, sliceOf } from './helpers.ts'
import { taken } from './raw-disk/content.ts'
import { createFakeDevice } from './raw-disk/fake-device.ts'
import { openStore } from './raw-disk/helpers.ts'

const operation = fc.record({
  kind: fc.constantFrom(
    'putSlice',
    'putSlice',
    'putHeads',
    'getSlice',
    'drop',
    'dropGeneration',
    'flush',
    'restart',
  ),
  key: fc.constantFrom('a', 'b'),
  generation: fc.constantFrom(1, 2),
  index: fc.nat(2),
  seed: fc.nat(255),
})

/** Any sequence of calls finds what a plain Map finds: no entry gets lost (there is room), none comes back. */
async function agreesWithMap(open: () => Promise<SliceStore>, restarts: boolean): Promise<void> {
  await fc.assert(
    fc.asyncProperty(fc.array(operation, { maxLength: 30 }), async (operations) => {
      let store = await open()
      await store.clear()
      const model = new Map<string, number>()
      const forget = (prefix: string) => {
        for (const name of model.keys()) if (name.startsWith(prefix)) model.delete(name)
      }
      for (const { kind, key, generation, index, seed } of operations) {
        if (kind === 'putSlice') {
          store.putSlice(key, generation, index, sliceOf(seed, seed * 10))
          model.set(`${key} ${generation} ${index}`, seed)
        } else if (kind === 'putHeads') {
          store.putHeads(key, seed < 50 ? [] : [headOf(key, seed)])
          model.delete(`${key} heads`)
          if (seed >= 50) model.set(`${key} heads`, seed)
        } else if (kind === 'drop') {
          void store.drop(key)
          forget(`${key} `)
        } else if (kind === 'dropGeneration') {
          store.dropGeneration(key, generation)
          forget(`${key} ${generation} `)
        } else if (kind === 'flush') await store.flush()
        else if (kind === 'restart' && restarts) {
          await store.close()
          store = await open()
        } else await expect(store, model, key, generation, index)
      }
      for (const key of ['a', 'b']) {
        t.equal((await store.getHeads(key))?.[0].generation, model.get(`${key} heads`))
        for (const generation of [1, 2]) {
          for (const index of [0, 1, 2]) await expect(store, model, key, generation, index)
        }
      }
      await store.close()
    }),
    { numRuns: 60 },
  )
}

async function expect(
  store: SliceStore,
  model: Map<string, number>,
  key: string,
  generation: number,
  index: number,
): Promise<void> {
  const seed = model.get(`${key} ${generation} ${index}`)
  const found = taken(await store.getSlice(key, generation, index))
  t.equal(
    found?.toString('hex'),
    seed === undefined ? undefined : bytesOf(sliceOf(seed, seed * 10))!.toString('hex'),
  )
}

const maxBytes = 1e7
const file = (t: Test) => {
  const dir = scratchDirectory(t)
  return () => createFileStore({ dir, maxBytes, readBytes: maxBytes, poison: true })
}

/** The same device, closed and opened again. */
const rawDisk = () => {
  const geometry = geometryOf({ totalSize: 16 * 1024 * 1024, blockSize: 4096, sliceSize: 65_536 })
  let device = createFakeDevice({ size: geometry.totalSize })
  return async () => {
    device = device.kill(1)
    const store = await openStore(device, geometry, { prefetch: true, compression: true })
    await store.recovered
    return store
  }
}

t.test('memory', async () => agreesWithMap(async () => createMemoryStore({ maxBytes }), false))
t.test('file', async (t) => agreesWithMap(file(t), true))
t.test('raw disk', async () => agreesWithMap(rawDisk(), true))
t.test('tiered over a raw disk, with a memory that is too small', async () => {
  const l2 = rawDisk()
  await agreesWithMap(async () => {
    const l1 = createMemoryStore({ maxBytes: 5000 })
    return createTieredStore({ l1, l2: await l2(), l1MaxObjectBytes: maxBytes })
  }, true)
})
t.test('tiered, with a memory that is too small', async (t) => {
  const l2 = file(t)
  await agreesWithMap(async () => {
    const l1 = createMemoryStore({ maxBytes: 5000 })
    return createTieredStore({ l1, l2: await l2(), l1MaxObjectBytes: maxBytes })
  }, true)
})
