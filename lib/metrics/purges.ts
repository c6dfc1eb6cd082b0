import type { BanCounts } from '../cache/bans/bans.ts'
import type { Counters } from '../cache/counters.ts'
import { type Family, readers } from './family.ts'

/** Where the figures are read from, at the moment of a scrape. */
export interface PurgeSources {
  counters: Counters | undefined
  bans: BanCounts | undefined
}

/** What was purged, and what is left to be done for it. */
export function purgeFamilies(sources: PurgeSources): Family[] {
  const { counter, gauge } = readers(() => sources.bans)
  return [
    {
      name: 'purge_requests_total',
      help: 'PURGE requests by what they named and how they ended',
      type: 'counter',
      labelNames: ['method', 'result'],
      read: () =>
        Object.entries(sources.counters?.purges ?? {}).flatMap(([method, results]) =>
          Object.entries(results).map(([result, value]) => ({ labels: { method, result }, value })),
        ),
    },
    gauge('purge_bans', 'Purges by name and time that no sweep has made unnecessary', (b) => b.inForce),
    counter('purge_sweeps_total', 'Sweeps through the stores for what was purged', (b) => b.sweeps),
    counter('purge_swept_heads_total', 'Stored responses that sweeps removed or made stale', (b) => b.swept),
  ]
}
