import { rmSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import { createFileStore } from '../../lib/stores/file/store.ts'
import type { SliceStore } from '../../lib/stores/store.ts'
import { tempDir } from '../../test/helpers/scope.ts'
import { type Bench, claim, MIB, percentile } from '../harness.ts'
import { dropCaches, headsOf, keyOf, noiseSlice, openStore, readSlice, shuffled, syncDisk } from './disk.ts'

interface Kind {
  name: 'file' | 'raw disk'
  open(directory: string): Promise<SliceStore>
}

interface Speed {
  /** Entries a second, until flush() resolved, and until the disk has all of it. */
  puts: number
  synced: number
  /** Of each 100 puts, how many were refused at first because the queue was full. */
  refused: number
  /** Entries a second, just after the puts, and after the caches of the system were dropped; NaN where that may not be done. */
  warm: number
  cold: number
}

const QUEUE = 16 * MIB
/** Gets at once. */
const AT_ONCE = 16
const TARGETS = { puts: 3, gets: 2 }

function kindsOf(totalSize: number): Kind[] {
  return [
    { name: 'file', open: (dir) => createFileStore({ dir, maxBytes: totalSize, queueBytes: QUEUE }) },
    {
      name: 'raw disk',
      async open(dir) {
        const size = { totalSize, blockSize: 4096, sliceSize: 65536 }
        const store = await openStore({ path: `${dir}/disk`, ...size, queueBytes: QUEUE })
        await store.recovered
        return store
      },
    },
  ]
}

/** Small objects, heads and one slice each: what the two disk tiers put and get a second. */
export async function benchPuts(bench: Bench): Promise<void> {
  const rounds = bench.smoke ? 1 : 3
  const bytes = (bench.smoke ? 1 : 64) * MIB
  const canDrop = dropCaches()
  const kinds = kindsOf((bench.smoke ? 64 : 512) * MIB)
  bench.line('## Puts and gets of the two disk tiers')
  bench.line('')
  bench.line(
    'Objects of one slice: heads and slice are put, and got again in another order, 16 objects at once. Entries (heads or slices) a second,',
  )
  bench.line(
    `medians of ${rounds} rounds, each with an empty store of either kind in turn; both store all of them: what a full queue refuses is put`,
  )
  bench.line(
    'again a millisecond later. Time of puts until `flush()` has resolved; synced: until `sync` has ended, too. The file store writes and reads',
  )
  bench.line(
    'through the page cache, the raw disk does not: cold = after the caches of the system were dropped, which is what a cache larger than the',
  )
  bench.line('memory gets. Warm, the file store reads memory, and the raw disk its disk.')
  bench.line('')
  bench.line('| slice | store | puts/s | synced | refused | gets/s, warm | gets/s, cold |')
  bench.line('|---|---|---|---|---|---|---|')
  const claims: (() => void)[] = []
  for (const length of [4096, 16384, 65536]) {
    const objects = Math.min(bytes / length, 8192)
    const speeds = new Map<Kind, Speed[]>(kinds.map((kind) => [kind, []]))
    for (let round = 0; round < rounds; round++)
      for (const kind of kinds) speeds.get(kind)!.push(await measure(bench, kind, objects, length, canDrop))
    const median = (kind: Kind, of: keyof Speed) =>
      percentile(
        speeds.get(kind)!.map((each) => each[of]),
        0.5,
      )
    for (const kind of kinds) {
      const [puts, synced, warm, cold] = (['puts', 'synced', 'warm', 'cold'] as const).map((of) =>
        Math.round(median(kind, of)),
      )
      const refused = `${median(kind, 'refused').toFixed(1)} %`
      bench.line(
        `| ${length / 1024} KiB | ${kind.name} | ${puts} | ${synced} | ${refused} | ${warm} | ${cold} |`,
      )
    }
    const [file, raw] = kinds
    const told = (what: string, of: keyof Speed, target: number) => {
      const ratio = median(raw, of) / median(file, of)
      const name = `${what} of ${length / 1024} KiB, raw disk against file`
      claims.push(() => claim(bench, name, `${ratio.toFixed(1)} times`, `>= ${target}`, ratio >= target))
    }
    told('Puts', 'puts', TARGETS.puts)
    told('Puts, synced,', 'synced', TARGETS.puts)
    told('Gets, warm,', 'warm', TARGETS.gets)
    if (canDrop) told('Gets, cold,', 'cold', TARGETS.gets)
  }
  bench.line('')
  for (const tell of claims) tell()
  bench.line('')
}

async function measure(
  bench: Bench,
  kind: Kind,
  objects: number,
  length: number,
  canDrop: boolean,
): Promise<Speed> {
  const directory = tempDir(bench.scope)
  const store = await kind.open(directory)
  await syncDisk(directory)
  const entries = 2 * objects
  const slices = Array.from({ length: objects }, (_, i) => noiseSlice(i, length))

  const started = performance.now()
  let refused = 0
  for (let i = 0; i < objects; i++) {
    for (; !store.putHeads(keyOf(i), headsOf(i, length)); refused++) await wait(1)
    for (; !store.putSlice(keyOf(i), i + 1, 0, slices[i]); refused++) await wait(1)
    // As requests come, not in one turn of the event loop.
    if (i % 16 === 15) await new Promise(setImmediate)
  }
  await store.flush()
  const flushed = performance.now()
  await syncDisk(directory)
  const synced = performance.now()

  const warm = await getAll(store, objects, length)
  if (canDrop) dropCaches()
  const cold = canDrop ? await getAll(store, objects, length) : Number.NaN
  await store.close()
  rmSync(directory, { recursive: true })
  return {
    puts: entries / ((flushed - started) / 1000),
    synced: entries / ((synced - started) / 1000),
    refused: (100 * refused) / (entries + refused),
    warm,
    cold,
  }
}

/** Entries a second. */
async function getAll(store: SliceStore, objects: number, length: number): Promise<number> {
  const order = shuffled(objects)
  let next = 0
  const started = performance.now()
  const reader = async () => {
    while (next < objects) {
      const number = order[next++]
      const heads = await store.getHeads(keyOf(number))
      if (heads?.[0].generation !== number + 1 || !(await readSlice(store, number, length)))
        throw new Error(`object ${number} is not there`)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, reader))
  return (2 * objects) / ((performance.now() - started) / 1000)
}
