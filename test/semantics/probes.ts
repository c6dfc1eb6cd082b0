import { staleOnError } from '../../lib/semantics/decide.ts'
import type { FieldList, Head } from '../../lib/semantics/types.ts'
import { NOW } from './heads.ts'
import { storedHead, type Use, useOf } from './verdict.ts'

/** A stale response is one, whether it is refreshed behind the answer or the client asked for it. */
export const ALLOWED: Record<Use, number> = {
  fetch: 0,
  revalidate: 1,
  'stale-while-revalidate': 2,
  stale: 2,
  fresh: 3,
}

/** Requests that a cache treats differently, and when they come, in seconds. */
const REQUESTS: FieldList[] = [
  [],
  ['Cache-Control', 'max-age=10'],
  ['Cache-Control', 'min-fresh=10'],
  ['Cache-Control', 'max-stale'],
  ['Cache-Control', 'max-stale=20, stale-if-error=20'],
  ['X-A', '1'],
]
const TIMES = [0, 1, 6, 15, 30, 61, 90, 200, 3601, 100_000]

/**
 * All that a stored response is good for: of each probe how much is allowed, larger for more. It is the same for two
 * responses if no client can tell them apart by what the cache does.
 */
export function uses(request: FieldList, response: { status: number; fields: FieldList }): number[] {
  const head = storedHead(request, { ...response, requestTime: NOW, responseTime: NOW, order: 0 })
  return REQUESTS.flatMap((probe) => TIMES.flatMap((seconds) => usesOf(head, probe, NOW + seconds * 1000)))
}

function usesOf(head: Head | null, probe: FieldList, now: number): number[] {
  const use = ALLOWED[useOf(head, probe, now)]
  if (head === null || use === 0) return [use, 0, 0]
  return [
    use,
    Number(staleOnError(head, probe, now, 503)),
    Number(staleOnError(head, probe, now, 'disconnected')),
  ]
}

/** Whether nothing is allowed by `after` that `before` did not allow. */
export function isNoLooser(after: number[], before: number[]): boolean {
  return after.every((allowed, i) => allowed <= before[i])
}
