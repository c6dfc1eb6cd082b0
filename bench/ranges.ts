import { get } from '../test/helpers/client.ts'
import { createRandom } from '../test/helpers/random.ts'
import { contest, type Entrant, startContestants, warmUp } from './contest.ts'
import { type Bench, MIB, startBenchOrigin } from './harness.ts'
import { CORES } from './load/load.ts'

const ENTRANTS: Entrant[] = [
  { peer: 'slicestream' },
  { peer: 'nginx' },
  { peer: 'nginx-sendfile' },
  { peer: 'varnish' },
  { peer: 'trafficserver' },
]

const OBJECT = 100 * MIB
const RANGES = 100

/** Ranges of 1 MiB out of a large object in memory. */
export async function benchRanges(bench: Bench): Promise<void> {
  const ranges = bench.smoke ? 5 : RANGES
  bench.line('## Ranges')
  bench.line('')
  bench.line(
    `${ranges} ranges of 1 MiB, anywhere in one object of 100 MiB, in memory. nginx has it in slices of 1 MiB (\`slice\`), Varnish and`,
  )
  bench.line('Traffic Server have fetched it whole before.')
  bench.line('')
  const origin = await startBenchOrigin(bench.scope, CORES.client)
  const contestants = await startContestants(bench, origin, ENTRANTS, { memory: 512 * MIB })
  const path = `/slices/bytes/${OBJECT}`
  const random = createRandom(7)
  const work = {
    work: '206 range of 1 MiB of 100 MiB',
    requests: Array.from({ length: ranges }, () => {
      const start = random.below(OBJECT - MIB)
      return { path, headers: { Range: `bytes=${start}-${start + MIB - 1}` } }
    }),
    size: MIB,
    expect: 'hit' as const,
  }
  for (const { url } of contestants) await get(`${url}${path}`, { onData: () => {} })
  await warmUp(bench, contestants, work)
  await contest(bench, origin, contestants, work)
  for (const contestant of contestants) await contestant.stop()
}
