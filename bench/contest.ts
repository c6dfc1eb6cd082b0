import { checkBytes, requestsOf } from './check.ts'
import type { Bench } from './harness.ts'
import { CORES, type Load } from './load/load.ts'
import { putLoad } from './load/put-load.ts'
import { type PeerName, type PeerOptions, peers, type RunningPeer } from './peers/peer.ts'
import { figuresTable } from './report/figures.ts'
import { figureOf, type Result } from './report/result.ts'

/** One server in a contest: which, and how it is set up. */
export interface Entrant {
  peer: PeerName
  /** Behind the peer's name in the tables, where it takes part more than once. */
  variant?: string
  options?: Partial<PeerOptions>
}

export interface Contestant extends RunningPeer {
  /** As the tables call it. */
  label: string
  peer: PeerName
}

/** One work that all contestants are put to in turn, in rounds. */
export interface Contest {
  work: string
  requests: Load['requests']
  /** Bytes of one body. */
  size: number
  /** What must come back: from the cache, or from the origin each time. */
  expect: 'hit' | 'miss'
  /** Each request has a query of its own, so that nobody has it. */
  fresh?: boolean
}

/** All that answer a hit from memory. */
export const MEMORY_ENTRANTS: readonly Entrant[] = [
  { peer: 'slicestream' },
  { peer: 'node-http' },
  { peer: 'nginx' },
  { peer: 'nginx-sendfile' },
  { peer: 'varnish' },
  { peer: 'trafficserver' },
  { peer: 'haproxy' },
]

const CONNECTIONS = 32
/** Two instances of one server differ by 6 % over twenty rounds of a second, and by 15 over five of two. */
const ROUNDS = 15
const SECONDS = 1
const SMOKE_SECONDS = 0.3

/** Starts those that can be used here, all at once: who is not asked takes no time from the others. */
export async function startContestants(
  bench: Bench,
  origin: string,
  entrants: readonly Entrant[],
  options: Partial<PeerOptions> & { memory: number },
): Promise<Contestant[]> {
  const contestants: Contestant[] = []
  for (const entrant of entrants) {
    const peer = peers[entrant.peer]
    const label = [peer.name, entrant.variant].filter(Boolean).join(' ')
    // The head of the page names it.
    if (peer.missing() !== null) continue
    const all = {
      origin,
      scope: bench.scope,
      core: CORES.server,
      caching: true,
      ...options,
      ...entrant.options,
    }
    contestants.push({ ...(await peer.start(all)), label, peer: entrant.peer })
  }
  return contestants
}

/** Seconds of load before the first round: V8 is warm after 10 or so, the others at once. */
export async function warmUp(
  bench: Bench,
  contestants: readonly Contestant[],
  { requests, fresh }: Contest,
): Promise<void> {
  if (bench.smoke) return
  for (const contestant of contestants) {
    const seconds = NODE_PEERS.has(contestant.peer) ? 9 : 1
    await putLoad(loadOf(contestant, requests, seconds, fresh ? 'warm' : undefined))
  }
}

const NODE_PEERS: ReadonlySet<PeerName> = new Set<PeerName>([
  'slicestream',
  'http-proxy',
  'node-http',
  'node-tcp',
])

/** Puts all contestants to the work, in rounds of alternating order; prints the table and records the results. */
export async function contest(
  bench: Bench,
  origin: string,
  contestants: readonly Contestant[],
  work: Contest,
): Promise<void> {
  const samples = new Map(contestants.map((each) => [each, [] as Sample[]]))
  for (const contestant of contestants) await checkBytes(origin, contestant, work)
  for (const contestant of contestants) {
    // Once more for code that the warm-up has not seen.
    if (!bench.smoke) await putLoad(loadOf(contestant, work.requests, 1, work.fresh ? 'again' : undefined))
    contestant.resetPeak()
  }
  for (let round = 0; round < (bench.smoke ? 1 : ROUNDS); round++)
    for (const contestant of round % 2 === 0 ? contestants : contestants.toReversed())
      samples.get(contestant)!.push(await measure(bench, origin, contestant, work, round))
  const results = contestants.map((contestant) => resultOf(work, contestant, samples.get(contestant)!))
  for (const result of results) bench.record(result)
  for (const line of figuresTable(work.work, results)) bench.line(line)
}

type Sample = Record<
  'requestsPerSecond' | 'megabytesPerSecond' | 'cpuMicroseconds' | 'busy' | 'peakRssBytes',
  number
>

async function measure(
  bench: Bench,
  origin: string,
  contestant: Contestant,
  work: Contest,
  round: number,
): Promise<Sample> {
  const asked = await requestsOf(origin)
  const cpu = contestant.cpu()
  const fresh = work.fresh ? `${contestant.label.replaceAll(' ', '-')}-${round}` : undefined
  const { requests, seconds } = await putLoad(
    loadOf(contestant, work.requests, bench.smoke ? SMOKE_SECONDS : SECONDS, fresh),
  )
  const spent = contestant.cpu() - cpu
  const reached = (await requestsOf(origin)) - asked
  if (work.expect === 'hit' && reached > requests / 1000)
    throw new Error(`${contestant.label}, ${work.work}: ${reached} of ${requests} were no hits`)
  if (work.expect === 'miss' && reached < requests)
    throw new Error(`${contestant.label}, ${work.work}: ${requests - reached} of ${requests} were no misses`)
  return {
    requestsPerSecond: requests / seconds,
    megabytesPerSecond: (requests * work.size) / seconds / 1e6,
    cpuMicroseconds: spent / requests,
    busy: spent / 1e6 / seconds,
    peakRssBytes: contestant.peakRss(),
  }
}

function loadOf({ url }: Contestant, requests: Load['requests'], seconds: number, fresh?: string): Load {
  return { url, requests, seconds, connections: CONNECTIONS, fresh }
}

function resultOf({ work }: Contest, { label }: Contestant, samples: readonly Sample[]): Result {
  const names = Object.keys(samples[0]) as (keyof Sample)[]
  const figures = names.map((name) => [name, figureOf(samples.map((sample) => sample[name]))])
  return { work, peer: label, figures: Object.fromEntries(figures) }
}
