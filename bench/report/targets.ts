import { OURS, timesBetter } from './ratios.ts'
import { type Metric, type Result, ratioOf } from './result.ts'

export type Verdict = 'reached' | 'met' | 'not met' | 'not measured'

export interface Target {
  name: string
  /** What is promised, and what is reached for. */
  target: number
  reach: number
  direction: 'at least' | 'at most' | 'below'
  unit?: 'ms' | 'MiB'
  value(results: readonly Result[]): number | undefined
  /** For requests a second that the client may limit: how many times less CPU a request takes than theirs. */
  byCpu?(results: readonly Result[]): number | undefined
}

const NGINX = ['nginx', 'nginx-sendfile']
const MIB = 1024 * 1024

export const TARGETS: Target[] = [
  {
    name: 'L1 hit 1 KiB, CPU a request over that of bare node:http with the same bytes',
    target: 1.15,
    reach: 1,
    direction: 'at most',
    value(results) {
      const [ours, theirs] = [OURS, 'node-http'].map((peer) =>
        figure(results, 'L1 hit 1 KiB', peer, 'cpuMicroseconds'),
      )
      return ours && theirs && ratioOf(ours, theirs)
    },
  },
  throughput('L1 hit 1 KiB', NGINX, 'nginx', 0.75, 1),
  throughput('L1 hit 1 KiB', ['varnish'], 'Varnish', 1, 1.3),
  ...['L1 hit 64 KiB', 'L1 hit 1 MiB'].map((work) =>
    throughput(
      work,
      [...NGINX, 'varnish', 'trafficserver'],
      'the best of nginx, Varnish and Traffic Server',
      1,
      1.2,
    ),
  ),
  {
    name: 'Hit TTFB p99 at 1000 req/s',
    target: 1,
    reach: 0.5,
    direction: 'below',
    unit: 'ms',
    value: (results) => figure(results, 'L1 hit 1 KiB at 1000 req/s', OURS, 'ttfbP99')?.median,
  },
  {
    name: 'TTFB added on a miss, p50, over the bare origin',
    target: 0.5,
    reach: 0.2,
    direction: 'below',
    unit: 'ms',
    value: (results) => figure(results, 'miss 1 KiB at 200 req/s', OURS, 'ttfbAddedP50')?.median,
  },
  throughput('cacheable miss 1 KiB', ['http-proxy'], '@fastify/http-proxy without a cache', 1.5, 2.5),
  throughput('cacheable miss 1 MiB', NGINX, 'nginx', 1, 1.2),
  throughput('pass-through 1 MiB', NGINX, 'nginx', 1, 1.2),
  throughput(
    'L2 hit 1 MiB',
    ['nginx-directio'],
    'nginx from disk with directio',
    1,
    1.5,
    'slicestream raw disk',
  ),
  {
    name: 'Hit ratio of the Zipf trace over plain LRU of the same bytes',
    target: 1,
    reach: 1.1,
    direction: 'at least',
    value(results) {
      const [ours, lru] = [OURS, 'plain LRU'].map((peer) => figure(results, 'Zipf trace', peer, 'hitRatio'))
      return ours && lru && ours.median / lru.median
    },
  },
  ...['of one cached object', 'of a cold object each'].map(
    (which): Target => ({
      name: `RSS for 1000 stalled clients ${which}, over idle`,
      target: 256,
      reach: 64,
      direction: 'at most',
      unit: 'MiB',
      value(results) {
        const added = figure(results, `1000 stalled clients ${which}`, OURS, 'addedRssBytes')
        return added && added.median / MIB
      },
    }),
  ),
]

/** Requests a second against the one of them that does most. */
function throughput(
  work: string,
  peers: readonly string[],
  name: string,
  target: number,
  reach: number,
  ours = OURS,
): Target {
  const against = (metric: Metric, more: boolean) => (results: readonly Result[]) => {
    const own = figure(results, work, ours, metric)
    const ratios = peers.flatMap((peer) => {
      const theirs = figure(results, work, peer, metric)
      return own && theirs ? [timesBetter(own, theirs, more)] : []
    })
    return ratios.length === 0 ? undefined : Math.min(...ratios)
  }
  return {
    name: `${work}${ours === OURS ? '' : `, ${ours.slice(OURS.length + 1)}`}, req/s over ${name}`,
    target,
    reach,
    direction: 'at least',
    value: against('requestsPerSecond', true),
    byCpu: against('cpuMicroseconds', false),
  }
}

function figure(results: readonly Result[], work: string, peer: string, metric: Metric) {
  return results.find((each) => each.work === work && each.peer === peer)?.figures[metric]
}

export function verdictOf(target: Target, value: number | undefined): Verdict {
  if (value === undefined) return 'not measured'
  const isWithin = (limit: number) => {
    if (target.direction === 'at least') return value >= limit
    return target.direction === 'below' ? value < limit : value <= limit
  }
  return isWithin(target.reach) ? 'reached' : isWithin(target.target) ? 'met' : 'not met'
}

const SIGNS = { 'at least': '>=', 'at most': '<=', below: '<' }

export function targetsTable(results: readonly Result[]): string[] {
  const rows = TARGETS.map((target) => {
    const value = target.value(results)
    const [wanted, reach] = [target.target, target.reach].map(
      (limit) => `${SIGNS[target.direction]} ${withUnit(target, limit)}`,
    )
    const measured = value === undefined ? '' : `**${withUnit(target, value)}**`
    const byCpu = target.byCpu?.(results)?.toFixed(2) ?? ''
    return `| ${target.name} | ${wanted} | ${reach} | ${measured} | ${verdictOf(target, value)} | ${byCpu} |`
  })
  return [
    '## Targets',
    '',
    'By CPU: the same ratio in requests for the same time of the CPU, which no client limits.',
    '',
    '| work | target | reach for | measured | | by CPU |',
    '|---|---:|---:|---:|---|---:|',
    ...rows,
    '',
  ]
}

function withUnit({ unit }: Target, value: number): string {
  if (unit === undefined) return value.toFixed(2)
  return `${unit === 'ms' ? value.toFixed(value < 1 ? 3 : 2) : Math.round(value)} ${unit}`
}
