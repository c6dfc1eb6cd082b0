import { contest, type Entrant, MEMORY_ENTRANTS, startContestants, warmUp } from './contest.ts'
import { type Bench, KIB, MIB, sizeText, startBenchOrigin } from './harness.ts'
import { CORES } from './load/load.ts'

const ENTRANTS: readonly Entrant[] = [...MEMORY_ENTRANTS, { peer: 'node-tcp' }]
/** Enough objects that none is the only one, few enough that all are hot. */
const OBJECTS = 50

/** Hits in memory, by size. @param part bytes; all sizes when it is undefined */
export async function benchHits(bench: Bench, part?: string): Promise<void> {
  const objects = bench.smoke ? 5 : OBJECTS
  bench.line('## Hits in memory')
  bench.line('')
  bench.line(
    `${objects} objects of one size, asked for in turn by 32 connections that are always busy. node-http is a handler that sends the`,
  )
  bench.line(
    'same bytes from a variable, with the same fields; node-tcp sends them from one Buffer, without HTTP: it looks for the length that it',
  )
  bench.line(
    'is asked for and for nothing else, so it is what node and the kernel make of the work. nginx has its cache on a tmpfs.',
  )
  bench.line('')
  const origin = await startBenchOrigin(bench.scope, CORES.client)
  const contestants = await startContestants(bench, origin, ENTRANTS, { memory: 512 * MIB })
  const sizes = sizesOf(bench, part)
  for (const [i, size] of sizes.entries()) {
    const work = {
      work: `L1 hit ${sizeText(size)}`,
      requests: Array.from({ length: objects }, (_, i) => ({ path: `/bytes/${size}?${i}` })),
      size,
      expect: 'hit' as const,
    }
    // HAProxy's cache is for small objects.
    const able = contestants.filter(({ peer }) => peer !== 'haproxy' || size <= 16 * KIB)
    if (i === 0) await warmUp(bench, able, work)
    await contest(bench, origin, able, work)
  }
  for (const contestant of contestants) await contestant.stop()
}

function sizesOf(bench: Bench, part: string | undefined): number[] {
  if (part !== undefined) return [Number(part)]
  return bench.smoke ? [KIB, MIB] : [KIB, 16 * KIB, 64 * KIB, MIB]
}
