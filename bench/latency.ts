import { keepAwake } from './awake.ts'
import { type Contest, type Entrant, MEMORY_ENTRANTS, startContestants, warmUp } from './contest.ts'
import { type Bench, KIB, MIB, startBenchOrigin } from './harness.ts'
import { CORES } from './load/load.ts'
import type { Offered } from './open-loop/load.ts'
import { offerLoad } from './open-loop/open-loop.ts'
import { stolenFrom } from './peers/processes.ts'
import { figuresTable } from './report/figures.ts'
import { figureOf, type Result } from './report/result.ts'

interface Part {
  work: string
  /** Requests a second. */
  rate: number
  rounds: number
  entrants: readonly Entrant[]
  /** Every request is for an object that nobody has, and the origin is asked directly as well. */
  isMiss: boolean
}

const PARTS: Record<string, Part> = {
  hits: {
    work: 'L1 hit 1 KiB at 1000 req/s',
    rate: 1000,
    rounds: 5,
    entrants: [...MEMORY_ENTRANTS, { peer: 'node-tcp' }],
    isMiss: false,
  },
  misses: {
    work: 'miss 1 KiB at 200 req/s',
    rate: 200,
    rounds: 5,
    entrants: [
      { peer: 'slicestream' },
      { peer: 'http-proxy', options: { caching: false } },
      { peer: 'nginx' },
    ],
    isMiss: true,
  },
}

const PATH = `/bytes/${KIB}`
/** Of the client's own delay, milliseconds at its 99th percentile: above it is the client that was measured. */
const TOO_LATE = 0.25

/** The time to the first byte at a fixed rate of requests, which a server that falls behind does not slow down. */
export async function benchLatency(bench: Bench, part?: string): Promise<void> {
  bench.line('## Time to the first byte at a fixed rate')
  bench.line('')
  bench.line(
    'From the moment that a request was due until its first byte was there, medians of the rounds; the servers take turns in each. The',
  )
  bench.line(
    'client keeps a core busy to be in time. How late it sent requests all the same is beside the figures, which contain that delay.',
  )
  bench.line(
    'So do they contain what the machine does: `no core` is the time in which the server was ready to run and something else had its',
  )
  bench.line(
    'core, `stolen` that in which the hypervisor had. node-tcp answers without looking at what it is asked: its p99 is that of the machine',
  )
  bench.line(
    'and of node, and what others have above it is theirs. A loop of the lowest priority keeps the core of the servers from sleeping:',
  )
  bench.line('else the time that the hypervisor takes to give it back would be counted as theirs.')
  bench.line('')
  for (const each of part === undefined ? Object.values(PARTS) : [PARTS[part]]) await measure(bench, each)
}

async function measure(bench: Bench, part: Part): Promise<void> {
  const origin = await startBenchOrigin(bench.scope, CORES.client)
  const contestants = await startContestants(
    bench,
    origin,
    bench.smoke ? part.entrants.slice(0, 2) : part.entrants,
    { memory: 256 * MIB },
  )
  const work: Contest = {
    work: part.work,
    requests: [{ path: PATH }],
    size: KIB,
    expect: part.isMiss ? 'miss' : 'hit',
    fresh: part.isMiss,
  }
  // At the fixed rate it would take V8 minutes to compile what it has to.
  await warmUp(bench, contestants, work)
  const asked: Asked[] = [...(part.isMiss ? [{ label: 'origin', url: origin }] : []), ...contestants]
  const offered = asked.map((): Round[] => [])
  const letSleep = keepAwake(bench.scope, CORES.server)
  for (let round = 0; round < (bench.smoke ? 1 : part.rounds); round++) {
    const order = [...asked.keys()]
    for (const i of round % 2 === 0 ? order : order.reverse())
      offered[i].push(await offer(bench, part, asked[i], round))
  }
  letSleep()
  for (const contestant of contestants) await contestant.stop()

  const results = asked.map(({ label }, i) =>
    resultOf(part, label, offered[i], part.isMiss ? offered[0] : []),
  )
  for (const result of results) bench.record(result)
  for (const line of figuresTable(part.work, results)) bench.line(line)
  for (const { peer, figures } of results) {
    const late = figures.clientDelayP99!.median
    if (late <= TOO_LATE) continue
    bench.line(`No figure: when ${peer} was asked, the client was late by ${late.toFixed(3)} ms itself.`)
    bench.line('')
  }
}

interface Asked {
  label: string
  url: string
  waited?(): number
}

/** What was measured, and what the machine did meanwhile, in milliseconds a second. */
interface Round extends Offered {
  waited: number | null
  stolen: number
}

async function offer(bench: Bench, part: Part, asked: Asked, round: number): Promise<Round> {
  const { label, url } = asked
  const load = {
    url,
    target: part.isMiss ? `${PATH}?${label}-${round}-#` : PATH,
    rate: part.rate,
    seconds: bench.smoke ? 0.3 : 6,
    warmUp: bench.smoke ? 0.1 : 1,
    connections: 32,
    givesWay: part.isMiss,
  }
  const before = { waited: asked.waited?.(), stolen: stolenFrom(CORES.server), at: performance.now() }
  const offered = await offerLoad({ scope: bench.scope, core: CORES.client }, load)
  const seconds = (performance.now() - before.at) / 1000
  const perSecond = (microseconds: number) => microseconds / 1000 / seconds
  if (offered.errors > 0)
    throw new Error(`${part.work}, ${label}: ${offered.errors} of ${offered.requests} failed`)
  return {
    ...offered,
    waited: asked.waited === undefined ? null : perSecond(asked.waited() - before.waited!),
    stolen: perSecond(stolenFrom(CORES.server) - before.stolen),
  }
}

function resultOf(part: Part, peer: string, rounds: readonly Round[], direct: readonly Round[]): Result {
  const milliseconds = (of: (offered: Offered) => number) => figureOf(rounds.map((each) => of(each) / 1000))
  const p50 = milliseconds(({ ttfb }) => ttfb.p50)
  const added = direct.map(({ ttfb }, round) => p50.rounds[round] - ttfb.p50 / 1000)
  return {
    work: part.work,
    peer,
    figures: {
      ttfbP50: p50,
      ttfbP99: milliseconds(({ ttfb }) => ttfb.p99),
      ttfbP999: milliseconds(({ ttfb }) => ttfb.p999),
      ...(part.isMiss && peer !== 'origin' && { ttfbAddedP50: figureOf(added) }),
      clientDelayP99: milliseconds(({ late }) => late.p99),
      ...(rounds[0].waited !== null && { serverWaited: figureOf(rounds.map(({ waited }) => waited!)) }),
      coreStolen: figureOf(rounds.map(({ stolen }) => stolen)),
    },
  }
}
