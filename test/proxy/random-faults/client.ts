import type { RequestOptions } from '../../helpers/client.ts'
import type { Random } from '../../helpers/random.ts'
import { rangeHeader, type Spec } from '../ranges/expected.ts'
import type { Resource } from './resources.ts'

/** One request and how its client behaves. */
export interface Plan {
  resource: Resource
  options: RequestOptions & { method: string; headers: Record<string, string> }
  ranges: Spec[]
  /** The client asked for an answer that the origin has just confirmed. */
  noCache: boolean
  /** Milliseconds after which the client goes away, whatever it has got. */
  leaveAfter: number | null
}

/** Milliseconds after which an answer counts as hanging. */
const HANGING = 90_000

export function planRequest(random: Random, resources: readonly Resource[]): Plan {
  const resource = random.pick(resources)
  const { size } = resource
  const headers: Record<string, string> = {}
  if (resource.varies) headers['X-Variant'] = random.pick(['a', 'b'])
  const noCache = random.chance(0.05)
  if (noCache) headers['Cache-Control'] = 'no-cache'
  if (random.chance(0.03)) headers.Authorization = 'Basic eA=='
  const method = random.chance(0.04) ? 'HEAD' : random.chance(0.01) ? 'POST' : 'GET'
  const ranges = method === 'GET' && random.chance(0.5) ? planRanges(random, size) : []
  return {
    resource,
    ranges,
    noCache,
    options: {
      method,
      headers,
      timeout: HANGING,
      range: ranges.length > 0 ? rangeHeader(ranges) : undefined,
      body: method === 'POST' ? 'x'.repeat(random.below(100_000)) : undefined,
      abortAfter: random.chance(0.08) ? random.below(size) + 1 : undefined,
      bytesPerSecond: random.chance(0.1) ? random.pick([1_500_000, 6_000_000]) : undefined,
    },
    leaveAfter: random.chance(0.04) ? random.below(30) : null,
  }
}

function planRanges(random: Random, size: number): Spec[] {
  // Sometimes beyond the end: those name nothing.
  const first = random.below(size * 1.05 + 1)
  const last = first + random.below(random.pick([10, 70_000, size]) + 1)
  return random.pick<Spec[]>([
    [{ first, last }],
    [{ first, last }],
    [{ first, last: null }],
    [{ suffix: last - first + 1 }],
    [
      { first: 0, last: 10 },
      { first, last },
    ],
    [{ first, last }, { suffix: 5 }, { first: 70_000, last: 70_010 }],
  ])
}
