import { contest, type Entrant, startContestants, warmUp } from './contest.ts'
import { type Bench, KIB, MIB, sizeText, startBenchOrigin } from './harness.ts'
import { CORES } from './load/load.ts'

const ENTRANTS: Entrant[] = [
  { peer: 'slicestream' },
  { peer: 'nginx' },
  { peer: 'varnish' },
  { peer: 'trafficserver' },
  { peer: 'haproxy' },
  { peer: 'http-proxy' },
]

/** What the origin has to be asked for: each time something new that is stored, and what must not be stored. */
export async function benchMisses(bench: Bench): Promise<void> {
  bench.line('## Misses and pass-through')
  bench.line('')
  bench.line(
    'Cacheable miss: a URL that nobody has asked for, stored in memory on its way to the client. Pass-through: 50 URLs whose',
  )
  bench.line('responses say no-store. The origin shares its core with the client. http-proxy stores nothing.')
  bench.line('')
  const origin = await startBenchOrigin(bench.scope, CORES.client)
  const contestants = await startContestants(bench, origin, ENTRANTS, { memory: 256 * MIB })
  for (const size of [KIB, MIB]) {
    // HAProxy's cache is for small objects.
    const able = contestants.filter(({ peer }) => peer !== 'haproxy' || size === KIB)
    const misses = {
      work: `cacheable miss ${sizeText(size)}`,
      requests: [{ path: `/bytes/${size}` }],
      size,
      expect: 'miss' as const,
      fresh: true,
    }
    const passes = {
      work: `pass-through ${sizeText(size)}`,
      requests: Array.from({ length: 50 }, (_, i) => ({ path: `/pass/${size}?${i}` })),
      size,
      expect: 'miss' as const,
    }
    for (const work of [misses, passes]) {
      if (size === KIB) await warmUp(bench, able, work)
      await contest(bench, origin, able, work)
    }
  }
  for (const contestant of contestants) await contestant.stop()
}
