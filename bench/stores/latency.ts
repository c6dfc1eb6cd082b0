import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as wait } from 'node:timers/promises'
import type { RawDiskStore } from '../../lib/stores/raw-disk/store.ts'
import { tempDir } from '../../test/helpers/scope.ts'
import { type Bench, claim, figure, MIB, percentile } from '../harness.ts'
import { keyOf, noiseSlice, openStore, readSlice } from './disk.ts'
import type { Device } from './restart.ts'
import { BLOCK } from './restart-job.ts'

const LENGTH = 65536
/** Slices that are read on the device with a million entries, with numbers that no other slice has. */
const HOT = 512
const FIRST_HOT = 10_000_000
/** Share of the device, from the latest put back, that is read on the one that is full: there is much to carry over. */
const READ_SHARE = 0.7
const READERS = 8
/** Puts of 64 KiB a second where there are any: 26 MB/s. */
const PUTS = 400
const TARGET = 2

/** Number of a slice to be read. */
type Pick = () => number
/** What goes on beside the reads; ends when it is told to. */
type Beside = (isOver: () => boolean) => Promise<void>

interface Round {
  p50: number
  p99: number
  /** Longest time that the main thread did nothing else, in ms. */
  blocked: number
}

/** The slowest reads of a steady load while the store does its chores. */
export async function benchLatency(bench: Bench, device: Device): Promise<void> {
  bench.line('## Reads while the store does its chores')
  bench.line('')
  bench.line(
    `${READERS} readers that each read a random slice of 64 KiB, wait 2 to 6 ms, and so on; milliseconds from asking to having. In turn with`,
  )
  bench.line(
    `nothing beside it and with what is named: medians of the rounds, and of the ratios of their p99. Puts: ${PUTS} slices of 64 KiB a second.`,
  )
  bench.line(
    'Blocked: the longest time in all rounds that the main thread did nothing else. Where reclaim runs, most of what is stored is read.',
  )
  bench.line('')
  bench.line(
    '| beside the reads | alone: p50 | p99 | blocked | with it: p50 | p99 | blocked | ratio of p99 |',
  )
  bench.line('|---|---|---|---|---|---|---|---|')
  const ratios = new Map<string, number>()
  await onMillion(bench, device, ratios)
  await onSlices(bench, ratios)
  bench.line('')
  for (const [name, ratio] of ratios) {
    const what = `p99 of reads during ${name}, against the same without`
    claim(bench, what, `${ratio.toFixed(2)} times`, `< ${TARGET}`, ratio < TARGET)
  }
  bench.line('')
}

async function onMillion(bench: Bench, device: Device, ratios: Map<string, number>): Promise<void> {
  const store = await openStore({ ...device, blockSize: BLOCK, sliceSize: 65536 })
  await store.recovered
  for (let number = FIRST_HOT; number < FIRST_HOT + HOT; number++) await put(store, number)
  await store.flush()
  const pick = () => FIRST_HOT + Math.floor(Math.random() * HOT)
  const { entries } = store.figures()
  const name = `checkpoints of ${entries} entries`
  ratios.set(
    name,
    await compare(bench, store, name, pick, async (isOver) => {
      while (!isOver()) await store.checkpoint()
    }),
  )
  await store.close()
}

async function onSlices(bench: Bench, ratios: Map<string, number>): Promise<void> {
  const path = join(tempDir(bench.scope), 'disk')
  const totalSize = (bench.smoke ? 128 : 1024) * MIB
  const store = await openStore({ path, totalSize, blockSize: 4096, sliceSize: LENGTH })
  await store.recovered
  let number = 0
  const most = Math.floor((READ_SHARE * totalSize) / LENGTH)
  const pick = () => number - 1 - Math.floor(Math.random() * Math.min(number, most))
  const puts = putSteadily(store, () => number++)
  while (number < most / 2) await put(store, number++)
  await store.flush()
  await compare(bench, store, 'puts', pick, puts)
  if (store.figures().reclaimRuns > 0)
    throw new Error('the device is too small: reclaim ran before it should')
  while (store.figures().reclaimRuns < 2) {
    await put(store, number++)
  }
  await store.reclaimed()
  const before = { ...store.figures(), refused: store.stats().refused }
  ratios.set('puts and reclaim', await compare(bench, store, 'puts and reclaim', pick, puts))
  const after = store.figures()
  const runs = after.reclaimRuns - before.reclaimRuns
  const refused = store.stats().refused - before.refused
  bench.line(
    `| (${runs} regions reclaimed, ${after.carriedEntries - before.carriedEntries} entries carried, ${refused} puts refused) | | | | | | | |`,
  )
  await store.close()
}

function putSteadily(store: RawDiskStore, nextNumber: () => number): Beside {
  return async (isOver) => {
    const started = performance.now()
    for (let put = 0; !isOver(); ) {
      for (; put < ((performance.now() - started) / 1000) * PUTS; put++) {
        const number = nextNumber()
        store.putSlice(keyOf(number), number + 1, 0, noiseSlice(number, LENGTH))
      }
      await wait(2)
    }
  }
}

async function put(store: RawDiskStore, number: number): Promise<void> {
  while (!store.putSlice(keyOf(number), number + 1, 0, noiseSlice(number, LENGTH))) await store.flush()
}

/** One row; returns the ratio of p99 with it and without. */
async function compare(
  bench: Bench,
  store: RawDiskStore,
  name: string,
  pick: Pick,
  beside: Beside,
): Promise<number> {
  const rounds = bench.smoke ? 1 : 5
  const ms = bench.smoke ? 100 : 1500
  const alone: Round[] = []
  const disturbed: Round[] = []
  for (let round = -1; round < rounds; round++) {
    const first = await readSteadily(store, pick, ms)
    let isOver = false
    const other = beside(() => isOver)
    const second = await readSteadily(store, pick, ms)
    isOver = true
    await other
    await store.flush()
    await store.reclaimed()
    if (round < 0) continue
    alone.push(first)
    disturbed.push(second)
  }
  const median = (rounds: Round[], of: keyof Round) =>
    percentile(
      rounds.map((each) => each[of]),
      0.5,
    )
  const ratio = percentile(
    disturbed.map(({ p99 }, round) => p99 / alone[round].p99),
    0.5,
  )
  const most = (rounds: Round[]) => Math.max(...rounds.map((each) => each.blocked))
  const cells = [alone, disturbed].flatMap((each) => [median(each, 'p50'), median(each, 'p99'), most(each)])
  bench.line(`| ${name} | ${cells.map(figure).join(' | ')} | ${ratio.toFixed(2)} |`)
  return ratio
}

async function readSteadily(store: RawDiskStore, pick: Pick, ms: number): Promise<Round> {
  const times: number[] = []
  const loop = monitorEventLoopDelay({ resolution: 1 })
  loop.enable()
  const started = performance.now()
  const reader = async () => {
    while (performance.now() - started < ms) {
      const asked = performance.now()
      const found = await readSlice(store, pick(), LENGTH)
      // What reclaim gave up is a miss, and takes no time.
      if (found) times.push(performance.now() - asked)
      await wait(2 + 4 * Math.random())
    }
  }
  await Promise.all(Array.from({ length: READERS }, reader))
  loop.disable()
  return { p50: percentile(times, 0.5), p99: percentile(times, 0.99), blocked: loop.max / 1e6 }
}
