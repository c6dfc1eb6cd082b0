import { join } from 'node:path'
import { requestsOf } from '../check.ts'
import { type Contestant, type Entrant, startContestants } from '../contest.ts'
import { type Bench, MIB, startBenchOrigin } from '../harness.ts'
import { CORES } from '../load/load.ts'
import { startWorker } from '../load/worker.ts'
import { figuresTable } from '../report/figures.ts'
import { figureOf, type Result } from '../report/result.ts'
import type { Stampede, Trampled } from './client.ts'

const ENTRANTS: Entrant[] = [
  { peer: 'slicestream' },
  { peer: 'nginx', options: { coalesce: true } },
  { peer: 'varnish' },
]
/** Milliseconds that the origin takes before it answers. */
const DELAY = 200

/** Everybody asks at once for what nobody has: the origin should be asked once, and nobody should wait for anything but it. */
export async function benchStampede(bench: Bench): Promise<void> {
  const clients = bench.smoke ? 50 : 1000
  const rounds = bench.smoke ? 1 : 5
  const work = `stampede of ${clients} clients`
  bench.line('## A stampede')
  bench.line('')
  bench.line(
    `${clients} clients ask at once, on connections that are open, for one object of 1 MiB that nobody has; the origin thinks for ${DELAY} ms. Requests`,
  )
  bench.line(
    `that reached the origin, seconds until the last client had all of its bytes, ${rounds} rounds with an object each in turn. The client is one`,
  )
  bench.line(
    'process and takes a GiB a round. nginx with proxy_cache_lock, whose waiting requests look every 500 ms.',
  )
  bench.line('')
  const origin = await startBenchOrigin(bench.scope, CORES.client)
  const contestants = await startContestants(bench, origin, bench.smoke ? ENTRANTS.slice(0, 2) : ENTRANTS, {
    memory: 256 * MIB,
  })
  const samples = contestants.map((): Sample[] => [])
  // The first one is to warm up.
  for (let round = -1; round < rounds; round++) {
    const order = [...contestants.keys()]
    for (const i of round % 2 === 0 ? order : order.reverse()) {
      const sample = await measure(bench, origin, contestants[i], { round, clients })
      if (round >= 0) samples[i].push(sample)
    }
  }
  for (const contestant of contestants) await contestant.stop()
  const results = contestants.map(({ label }, i): Result => {
    const figure = (name: keyof Sample) => figureOf(samples[i].map((sample) => sample[name]))
    const figures = {
      originRequests: figure('originRequests'),
      seconds: figure('seconds'),
      addedRssBytes: figure('addedRssBytes'),
      peakRssBytes: figure('peakRssBytes'),
    }
    return { work, peer: label, figures }
  })
  for (const result of results) bench.record(result)
  for (const line of figuresTable(work, results)) bench.line(line)
}

type Sample = Record<'originRequests' | 'seconds' | 'addedRssBytes' | 'peakRssBytes', number>

async function measure(
  bench: Bench,
  origin: string,
  contestant: Contestant,
  { round, clients }: { round: number; clients: number },
): Promise<Sample> {
  const worker = startWorker(join(import.meta.dirname, 'client.ts'), {
    scope: bench.scope,
    core: CORES.client,
  })
  const path = `/late/${DELAY}/${MIB}?${contestant.label}-${round}`
  const asked = await requestsOf(origin)
  contestant.resetPeak()
  const before = contestant.rss()
  const order: Stampede = { url: contestant.url, path, clients, length: MIB }
  const { seconds, failed } = await worker.ask<Stampede, Trampled>(order)
  await worker.stop()
  if (failed > 0)
    throw new Error(`${contestant.label}: ${failed} of ${clients} clients did not get the object`)
  return {
    originRequests: (await requestsOf(origin)) - asked,
    seconds,
    addedRssBytes: contestant.peakRss() - before,
    peakRssBytes: contestant.peakRss(),
  }
}
