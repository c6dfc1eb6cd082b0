import { contest, type Entrant, startContestants, warmUp } from './contest.ts'
import { type Bench, KIB, MIB, sizeText, startBenchOrigin } from './harness.ts'
import { CORES } from './load/load.ts'

const ENTRANTS: Entrant[] = [
  { peer: 'slicestream', variant: 'file', options: { l1: 'heads', l2: 'file' } },
  { peer: 'slicestream', variant: 'raw disk', options: { l1: 'heads', l2: 'raw-disk' } },
  { peer: 'nginx-disk' },
  { peer: 'nginx-directio' },
]

/** More than the hits in memory have, so that a disk's own cache is not all that is measured. */
const OBJECTS = 200

/** Hits on disk, by size. */
export async function benchTiers(bench: Bench): Promise<void> {
  const objects = bench.smoke ? 5 : OBJECTS
  bench.line('## Hits on disk')
  bench.line('')
  bench.line(
    `${objects} objects of one size; slicestream has memory for their heads only. Its files and those of nginx-disk are in the kernel's page`,
  )
  bench.line(
    'cache; the raw disk is read around it (O_DIRECT). So are the files of nginx-directio (`directio`, `aio threads`), which are none of its',
  )
  bench.line('cache, as those are never read so: plain files that it has stored with `proxy_store`.')
  bench.line('')
  const origin = await startBenchOrigin(bench.scope, CORES.client)
  const contestants = await startContestants(bench, origin, ENTRANTS, { memory: 2048 * MIB })
  for (const [i, size] of [64 * KIB, MIB].entries()) {
    const work = {
      work: `L2 hit ${sizeText(size)}`,
      requests: Array.from({ length: objects }, (_, i) => ({ path: `/bytes/${size}?${i}` })),
      size,
      expect: 'hit' as const,
    }
    if (i === 0) await warmUp(bench, contestants, work)
    await contest(bench, origin, contestants, work)
  }
  for (const contestant of contestants) await contestant.stop()
}
