import t from 'tap'
import { createMemoryStore } from '../../../lib/stores/memory.ts'
import { geometryOf } from '../../../lib/stores/raw-disk/geometry.ts'
import type { RawDiskStore } from '../../../lib/stores/raw-disk/store.ts'
import { openOrWait } from '../../../lib/stores/raw-disk/takeover.ts'
import { createTieredStore } from '../../../lib/stores/tiered.ts'
import { until } from '../../helpers/until.ts'
import { contract } from '../contract.ts'
import { keepingNothingLent } from './content.ts'
import { createFakeDevice } from './fake-device.ts'
import { openStore, type StoreChoices } from './helpers.ts'

const l1MaxObjectBytes = 8 * 1024 * 1024

const memory = () => createMemoryStore({ maxBytes: 8 * 1024 * 1024 })

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

async function takenOver(): Promise<RawDiskStore> {
  let attempts = 0
  const open = async () => {
    if (attempts++ === 0) throw Object.assign(new Error('another process has it'), { code: 'EBUSY' })
    return rawDisk({ prefetch: true })
  }
  const store = await openOrWait({ path: 'fake', blockSize: 4096, open, retryMs: 1 })
  await until(() => !store.figures().recovering)
  return store
}

t.test('raw disk', async (t) => contract(t, async () => keepingNothingLent(await rawDisk())))
t.test('raw disk, everything switched on', async (t) =>
  contract(t, async () => keepingNothingLent(await rawDisk({ compression: true, prefetch: true }))),
)
t.test('raw disk, taken over from another process', async (t) =>
  contract(t, async () => keepingNothingLent(await takenOver())),
)
t.test('raw disk, everything copied', async (t) => contract(t, () => rawDisk({ zeroCopy: false })))
t.test('tiered, memory and raw disk', async (t) =>
  contract(t, async () => createTieredStore({ l1: memory(), l2: await rawDisk(), l1MaxObjectBytes })),
)
t.test('tiered, only raw disk', async (t) =>
  contract(t, async () => keepingNothingLent(createTieredStore({ l2: await rawDisk(), l1MaxObjectBytes }))),
)
