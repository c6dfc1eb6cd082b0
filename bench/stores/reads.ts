import { close, constants, open, read } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { SUM_BYTES, writeSum } from '../../lib/stores/checksum/checksum.ts'
import { PIECE } from '../../lib/stores/raw-disk/format/crc.ts'
import { geometryOf } from '../../lib/stores/raw-disk/geometry.ts'
import { createArena } from '../../lib/stores/slabs.ts'
import { tempDir } from '../../test/helpers/scope.ts'
import { type Bench, claim, figure, MIB, percentile } from '../harness.ts'
import { keyOf, noiseSlice, openStore, readSlice } from './disk.ts'

/** Reads of one kind for a while: how many, in how many seconds. */
type Reading = (concurrency: number, ms: number) => Promise<{ reads: number; seconds: number }>

/** Share of the plain device's reads that the store must reach. */
const TARGET = 0.9

/** Slices of 1 MiB from the store, against O_DIRECT reads of the same file with no store around them. */
export async function benchReads(bench: Bench): Promise<void> {
  const slices = bench.smoke ? 16 : 512
  const totalSize = (bench.smoke ? 64 : 1024) * MIB
  const ms = bench.smoke ? 50 : 500
  const rounds = bench.smoke ? 1 : 7
  const { dataOffset } = geometryOf({ totalSize, blockSize: 4096, sliceSize: MIB })
  const path = join(tempDir(bench.scope), 'disk')
  const store = await openStore({ path, totalSize, blockSize: 4096, sliceSize: MIB })
  await store.recovered
  for (let i = 0; i < slices; i++) {
    while (!store.putSlice(keyOf(i), i + 1, 0, noiseSlice(i, MIB))) await store.flush()
  }
  await store.flush()

  const plain = await plainReads(path, dataOffset, slices * MIB)
  const stored: Reading = (concurrency, ms) =>
    readFor(concurrency, ms, async () => {
      const number = Math.floor(Math.random() * slices)
      if (!(await readSlice(store, number, MIB))) throw new Error(`slice ${number} is not there`)
    })

  bench.line('## Slices of 1 MiB against the plain device')
  bench.line('')
  bench.line(
    `Random reads of ${slices} slices with \`getSlice\`, verified and lent, and O_DIRECT reads of 1 MiB of the same file into aligned memory`,
  )
  bench.line(
    `with no store around them, in turn: medians of ${rounds} rounds of ${ms} ms each. MB/s; the ratio is the median of those of the rounds.`,
  )
  bench.line('')
  bench.line('| at once | plain | store | store / plain | main thread busy, plain | store |')
  bench.line('|---|---|---|---|---|---|')
  const ratios: Record<number, number> = {}
  for (const concurrency of bench.smoke ? [1, 16] : [1, 2, 4, 8, 16]) {
    const speed = { plain: [] as number[], store: [] as number[] }
    const busy = { plain: [] as number[], store: [] as number[] }
    for (let round = -1; round < rounds; round++) {
      // The first of the two is now this one, now the other.
      for (const name of round % 2 === 0 ? (['plain', 'store'] as const) : (['store', 'plain'] as const)) {
        const loop = performance.eventLoopUtilization()
        const { reads, seconds } = await (name === 'plain' ? plain.read : stored)(concurrency, ms)
        if (round < 0) continue
        speed[name].push((reads * MIB) / 1e6 / seconds)
        busy[name].push(performance.eventLoopUtilization(loop).utilization)
      }
    }
    ratios[concurrency] = percentile(
      speed.store.map((each, round) => each / speed.plain[round]),
      0.5,
    )
    const cells = [speed.plain, speed.store].map((each) => figure(percentile(each, 0.5)))
    const shares = [busy.plain, busy.store].map((each) => `${Math.round(100 * percentile(each, 0.5))} %`)
    const ratio = ratios[concurrency].toFixed(2)
    bench.line(`| ${concurrency} | ${cells.join(' | ')} | ${ratio} | ${shares.join(' | ')} |`)
  }
  bench.line('')
  bench.line(
    `Where one read is under way at a time, the store verifies while the disk rests, which takes ${Math.round(checksumTime())} us a MiB here. With more under`,
  )
  bench.line('way the disk works on the others meanwhile.')
  bench.line('')
  for (const [concurrency, ratio] of Object.entries(ratios)) {
    const what = `Reads of 1 MiB slices, ${concurrency} at once, against the plain device`
    claim(bench, what, ratio.toFixed(2), `>= ${TARGET}`, ratio >= TARGET)
  }
  bench.line('')
  await plain.close()
  await store.close()
}

/** O_DIRECT reads of 1 MiB at random places of `bytes` bytes from `first` on. */
async function plainReads(
  path: string,
  first: number,
  bytes: number,
): Promise<{ read: Reading; close(): Promise<void> }> {
  const fd = await promisify(open)(path, constants.O_RDONLY | constants.O_DIRECT)
  const slab = createArena(32 * MIB).slab(32 * MIB)
  const one = (buffer: Buffer, place: number) =>
    new Promise<void>((resolve, reject) => {
      read(fd, buffer, 0, MIB, place, (error, got) => (got === MIB ? resolve() : reject(error)))
    })
  return {
    read: (concurrency, ms) =>
      readFor(concurrency, ms, async () => {
        const buffer = slab.take(MIB)!
        await one(buffer, first + Math.floor((Math.random() * (bytes - MIB)) / 4096) * 4096)
        slab.give(buffer)
      }),
    close: () => promisify(close)(fd),
  }
}

async function readFor(concurrency: number, ms: number, one: () => Promise<void>) {
  let reads = 0
  const started = performance.now()
  const reader = async () => {
    for (; performance.now() - started < ms; reads++) await one()
  }
  await Promise.all(Array.from({ length: concurrency }, reader))
  return { reads, seconds: (performance.now() - started) / 1000 }
}

/** Microseconds in which the store verifies 1 MiB, piece by piece: the least of many. */
function checksumTime(): number {
  const bytes = createArena(MIB).slab(MIB).take(MIB)!
  noiseSlice(0, MIB).segments[0].copy(bytes)
  const sum = Buffer.alloc(SUM_BYTES)
  let least = Number.POSITIVE_INFINITY
  for (let round = 0; round < 200; round++) {
    const started = performance.now()
    for (let at = 0; at < MIB; at += PIECE) writeSum(bytes.subarray(at, at + PIECE), 1, sum, 0)
    least = Math.min(least, performance.now() - started)
  }
  return least * 1000
}
