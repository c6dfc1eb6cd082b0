import t, { type Test } from 'tap'
import { createFileStore } from '../../lib/stores/file/store.ts'
import { createMemoryStore } from '../../lib/stores/memory.ts'
import { geometryOf } from '../../lib/stores/raw-disk/geometry.ts'
import type { RawDiskStore } from '../../lib/stores/raw-disk/store.ts'
import { createTieredStore } from '../../lib/stores/tiered.ts'
import { contract } from './contract.ts'
import { scratchDirectory } from './helpers.ts'
import { keepingNothingLent } from './raw-disk/content.ts'
import { createFakeDevice } from './raw-disk/fake-device.ts'
import { openStore, type StoreChoices } from './raw-disk/helpers.ts'

const maxBytes = 8 * 1024 * 1024
const l1MaxObjectBytes = maxBytes

const memory = () => createMemoryStore({ maxBytes })

async function file(t: Test) {
  const store = await createFileStore({ dir: scratchDirectory(t), maxBytes })
  await store.recovered
  return store
}

async function rawDisk(choices: StoreChoices = {}): Promise<RawDiskStore> {
  const totalSize = 48 * 1024 * 1024
  const geometry = geometryOf({ totalSize, blockSize: 4096, sliceSize: 1024 * 1024 })
  const store = await openStore(createFakeDevice({ size: totalSize }), geometry, {
    queueBytes: 32 * 1024 * 1024,
    ...choices,
  })
  await store.recovered
  return store
}

t.test('memory', async (t) => contract(t, memory))
t.test('file', async (t) => contract(t, file))
t.test('tiered, memory and file', async (t) =>
  contract(t, async (t) => createTieredStore({ l1: memory(), l2: await file(t), l1MaxObjectBytes })),
)
t.test('raw disk', async (t) => contract(t, async () => keepingNothingLent(await rawDisk())))
t.test('raw disk, everything switched on', async (t) =>
  contract(t, async () => keepingNothingLent(await rawDisk({ compression: true, prefetch: true }))),
)
t.test('raw disk, everything copied', async (t) => contract(t, () => rawDisk({ zeroCopy: false })))
t.test('tiered, memory and raw disk', async (t) =>
  contract(t, async () => createTieredStore({ l1: memory(), l2: await rawDisk(), l1MaxObjectBytes })),
)
t.test('tiered, only raw disk', async (t) =>
  contract(t, async () => keepingNothingLent(createTieredStore({ l2: await rawDisk(), l1MaxObjectBytes }))),
)
t.test('tiered, only memory', async (t) =>
  contract(t, () => createTieredStore({ l1: memory(), l1MaxObjectBytes })),
)
t.test('tiered, only file', async (t) =>
  contract(t, async (t) => createTieredStore({ l2: await file(t), l1MaxObjectBytes })),
)
