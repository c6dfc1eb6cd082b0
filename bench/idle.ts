import { type Contest, type Contestant, type Entrant, startContestants, warmUp } from './contest.ts'
import { type Bench, KIB, MIB, startBenchOrigin } from './harness.ts'
import { CORES } from './load/load.ts'
import { offerLoad } from './open-loop/open-loop.ts'
import { figuresTable } from './report/figures.ts'
import { figureOf, type Result } from './report/result.ts'

// Not node-http: Node closes what is idle for 5 s unless told otherwise.
const ENTRANTS: Entrant[] = [{ peer: 'slicestream' }, { peer: 'nginx' }, { peer: 'varnish' }]
const PATH = `/bytes/${KIB}`
/** Seconds from one request of a connection to its next one. */
const PAUSE = 10

/** Connections that are kept alive and hardly used: what they cost in memory, and whether their few requests are served at once. */
export async function benchIdle(bench: Bench): Promise<void> {
  const connections = bench.smoke ? 50 : 1000
  const work = `${connections} idle connections`
  bench.line('## Idle connections')
  bench.line('')
  bench.line(
    `${connections} connections, each with one hit of 1 KiB every ${PAUSE} s, ${connections / PAUSE} requests a second in all, by the client of the fixed rate. Memory: how`,
  )
  bench.line('much more the server had at its highest than before they came, after a load that warmed it up.')
  bench.line('')
  const origin = await startBenchOrigin(bench.scope, CORES.client)
  const contestants = await startContestants(bench, origin, bench.smoke ? ENTRANTS.slice(0, 2) : ENTRANTS, {
    memory: 256 * MIB,
  })
  const warm: Contest = { work, requests: [{ path: PATH }], size: KIB, expect: 'hit' }
  await warmUp(bench, contestants, warm)
  const results: Result[] = []
  for (const contestant of contestants) {
    results.push(await measure(bench, contestant, work, connections))
    await contestant.stop()
  }
  for (const result of results) bench.record(result)
  for (const line of figuresTable(work, results)) bench.line(line)
}

async function measure(
  bench: Bench,
  contestant: Contestant,
  work: string,
  connections: number,
): Promise<Result> {
  contestant.resetPeak()
  const before = contestant.rss()
  const offered = await offerLoad(
    { scope: bench.scope, core: CORES.client },
    {
      url: contestant.url,
      target: PATH,
      rate: connections / PAUSE,
      seconds: bench.smoke ? 0.5 : PAUSE,
      // The first request of a connection is none of an idle one, but may be the first that a server makes room for.
      warmUp: bench.smoke ? 0.5 : PAUSE / 2,
      connections,
    },
  )
  if (offered.errors > 0)
    throw new Error(`${work}, ${contestant.label}: ${offered.errors} of ${offered.requests} failed`)
  const milliseconds = (microseconds: number) => figureOf([microseconds / 1000])
  return {
    work,
    peer: contestant.label,
    figures: {
      ttfbP50: milliseconds(offered.ttfb.p50),
      ttfbP99: milliseconds(offered.ttfb.p99),
      ttfbP999: milliseconds(offered.ttfb.p999),
      clientDelayP99: milliseconds(offered.late.p99),
      addedRssBytes: figureOf([contestant.peakRss() - before]),
      peakRssBytes: figureOf([contestant.peakRss()]),
    },
  }
}
