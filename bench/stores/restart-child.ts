// A process with a raw-disk store of very many small entries, to be killed or closed. One argument: what to do, as JSON.
import type { RawDiskStore } from '../../lib/stores/raw-disk/store.ts'
import { headsOf, keyOf, noiseSlice, openStore, readSlice } from './disk.ts'
import { BLOCK, type Job, SLICES, type Told } from './restart-job.ts'

const LENGTH = 100
const SAMPLES = 500

await run(JSON.parse(process.argv[2]), (message) => process.send?.(message))

async function run({ path, totalSize, fill, objects }: Job, tell: (message: unknown) => void): Promise<void> {
  const started = performance.now()
  const store = await openStore({ path, totalSize, blockSize: BLOCK, sliceSize: 65536 })
  const opened = performance.now() - started
  await store.recovered
  const recovered = performance.now() - started

  const filling = performance.now()
  await fillFrom(store, 0, fill / 2)
  // By then the memory that is there however many entries there are has been touched.
  const before = { bytes: resident(), entries: store.figures().entries }
  await fillFrom(store, fill / 2, fill)
  const filled = (performance.now() - filling) / 1000
  const { entries, indexBytes } = store.figures()
  const grown = (resident() - before.bytes) / (entries - before.entries)

  let found = 0
  for (let sample = 0; sample < SAMPLES; sample++) {
    const number = Math.floor((sample / SAMPLES) * objects)
    const heads = await store.getHeads(keyOf(number))
    let whole = heads?.[0].generation === number + 1
    for (let index = 0; index < SLICES; index++)
      whole = (await readSlice(store, number, LENGTH, index)) && whole
    if (whole) found++
  }
  const told: Told = { opened, recovered, entries, indexBytes, grown, filled, asked: SAMPLES, found }
  tell(told)
  process.once('message', async () => {
    const closing = performance.now()
    await store.close()
    tell(performance.now() - closing)
    process.disconnect?.()
  })
}

async function fillFrom(store: RawDiskStore, first: number, end: number): Promise<void> {
  for (let i = first; i < end; i++) {
    while (!store.putHeads(keyOf(i), headsOf(i, SLICES * LENGTH))) await store.flush()
    for (let index = 0; index < SLICES; index++)
      while (!store.putSlice(keyOf(i), i + 1, index, noiseSlice(i, LENGTH))) await store.flush()
    if (i % 64 === 63) await new Promise(setImmediate)
  }
  await store.flush()
}

function resident(): number {
  globalThis.gc?.()
  globalThis.gc?.()
  return process.memoryUsage.rss()
}
