import t, { type Test } from 'tap'
import { createFileStore } from '../../lib/stores/file/store.ts'
import { createMemoryStore } from '../../lib/stores/memory.ts'
import { createTieredStore } from '../../lib/stores/tiered.ts'
import { contract } from './contract.ts'
import { scratchDirectory } from './helpers.ts'

const maxBytes = 8 * 1024 * 1024
const l1MaxObjectBytes = maxBytes

const memory = () => createMemoryStore({ maxBytes })

async function file(t: Test) {
  const store = await createFileStore({
    dir: scratchDirectory(t),
    maxBytes,
    readBytes: maxBytes,
    poison: true,
  })
  await store.recovered
  return store
}

t.test('memory', async (t) => contract(t, memory))
t.test('file', async (t) => contract(t, file))
t.test('tiered, memory and file', async (t) =>
  contract(t, async (t) => createTieredStore({ l1: memory(), l2: await file(t), l1MaxObjectBytes })),
)
t.test('tiered, only memory', async (t) =>
  contract(t, () => createTieredStore({ l1: memory(), l1MaxObjectBytes })),
)
t.test('tiered, only file', async (t) =>
  contract(t, async (t) => createTieredStore({ l2: await file(t), l1MaxObjectBytes })),
)
