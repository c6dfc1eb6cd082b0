import { join } from 'node:path'
import { requestsOf } from '../check.ts'
import { type Contestant, type Entrant, startContestants } from '../contest.ts'
import { type Bench, MIB, startBenchOrigin } from '../harness.ts'
import { CORES } from '../load/load.ts'
import { startWorker } from '../load/worker.ts'
import { figuresTable } from '../report/figures.ts'
import { figureOf, type Result } from '../report/result.ts'
import { createLru, replay } from './policy.ts'
import type { Replay, Replayed } from './replay.ts'
import { createTrace, figuresOf, MIXED, type Trace, type TraceOptions } from './trace.ts'

const WORK = 'Zipf trace'
/** How much larger the objects of the trace are than the memory of the cache. */
const LARGER = 4
/** Share of the trace that only fills the caches: an empty one says nothing of what is given up. */
const WARM_UP = 0.5

const ENTRANTS: Entrant[] = [
  { peer: 'slicestream' },
  { peer: 'slicestream', variant: 'file', options: { l2: 'file' } },
  { peer: 'nginx' },
  { peer: 'varnish' },
]

/** Hit ratio and throughput where memory holds a part of what is asked for. */
export async function benchZipf(bench: Bench): Promise<void> {
  const options: TraceOptions = bench.smoke
    ? { ...MIXED, requests: 1000, objects: 500, crawls: 1, crawlLength: 50, shifts: 10 }
    : MIXED
  const trace = createTrace(options)
  const memory = Math.floor(figuresOf(trace).distinctBytes / LARGER)
  describe(bench, trace, memory)
  const origin = await startBenchOrigin(bench.scope, CORES.client)
  const results: Result[] = []
  for (const entrant of bench.smoke ? ENTRANTS.slice(0, 2) : ENTRANTS) {
    // One after the other: each takes as much memory as it was given.
    for (const contestant of await startContestants(bench, origin, [entrant], { memory })) {
      results.push(await measure(bench, origin, contestant, options))
      await contestant.stop()
    }
  }
  const lru = replay(createLru(memory), trace, WARM_UP)
  results.push({
    work: WORK,
    peer: 'plain LRU',
    figures: { hitRatio: figureOf([lru.requests]), byteHitRatio: figureOf([lru.bytes]) },
  })
  for (const result of results) bench.record(result)
  for (const line of figuresTable(WORK, results)) bench.line(line)
}

function describe(bench: Bench, trace: Trace, memory: number): void {
  const { options } = trace
  const figures = figuresOf(trace)
  const mib = (bytes: number) => `${Math.round(bytes / MIB)} MiB`
  bench.line('## A mixed trace')
  bench.line('')
  bench.line(
    `${options.requests} requests, the same ones in the same order for all: Zipf's law with an exponent of ${options.exponent} over ${options.objects} objects;`,
  )
  bench.line(
    `sizes log-normal, median ${options.medianBytes / 1024} KiB, largest ${mib(figures.largestBytes)}. ${options.once * 100} % of the requests are for objects that nobody asks for again,`,
  )
  bench.line(
    `${options.crawls} crawlers ask for ${options.crawlLength} objects each in the order of the catalogue, and popularity changes hands ${options.shifts} times. That are`,
  )
  bench.line(
    `${figures.distinct} different objects of ${mib(figures.distinctBytes)}, ${figures.askedOnce} of them asked for once; memory for ${mib(memory)}. The first ${WARM_UP * 100} % fill the`,
  )
  bench.line(
    'caches and do not count. 16 connections that are always busy, origin and client on one core. nginx has its cache on a tmpfs and',
  )
  bench.line(
    'makes room in the background, so that it has more than its share meanwhile. "slicestream file" has the same memory and a tier on',
  )
  bench.line(
    'disk for everything. Plain LRU is computed: the same trace, the same bytes, the same cost of an entry as in our memory tier.',
  )
  bench.line('')
}

async function measure(
  bench: Bench,
  origin: string,
  contestant: Contestant,
  trace: TraceOptions,
): Promise<Result> {
  const worker = startWorker(join(import.meta.dirname, 'replay.ts'), {
    scope: bench.scope,
    core: CORES.client,
  })
  const order = { url: contestant.url, trace, connections: 16 }
  await worker.ask<Replay, Replayed>({ ...order, from: 0, to: WARM_UP })
  const before = { asked: await requestsOf(origin), cpu: contestant.cpu() }
  const { requests, hits, bytes, hitBytes, seconds } = await worker.ask<Replay, Replayed>({
    ...order,
    from: WARM_UP,
    to: 1,
  })
  const cpu = contestant.cpu() - before.cpu
  const asked = (await requestsOf(origin)) - before.asked
  await worker.stop()
  // What the server says of its hits has to agree with what the origin has seen of its misses.
  if (Math.abs(requests - hits - asked) > requests / 50)
    throw new Error(`${contestant.label}: ${hits} hits of ${requests}, but ${asked} requests to the origin`)
  return {
    work: WORK,
    peer: contestant.label,
    figures: {
      requestsPerSecond: figureOf([requests / seconds]),
      megabytesPerSecond: figureOf([bytes / seconds / 1e6]),
      cpuMicroseconds: figureOf([cpu / requests]),
      hitRatio: figureOf([hits / requests]),
      byteHitRatio: figureOf([hitBytes / bytes]),
      peakRssBytes: figureOf([contestant.peakRss()]),
    },
  }
}
