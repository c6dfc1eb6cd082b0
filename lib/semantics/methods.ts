import { fieldValue } from './fields.ts'
import type { ReceivedResponse } from './freshness.ts'
import { sameOriginTarget, type Target } from './key.ts'
import { type Policy, statesFreshness } from './policy.ts'

/** Safe methods never invalidate what is stored; all others do, unknown ones too (RFC 9111 section 4.4). */
const SAFE: ReadonlySet<string> = new Set([
  'GET',
  'HEAD',
  'OPTIONS',
  'TRACE',
  'PROPFIND',
  'REPORT',
  'SEARCH',
  'QUERY',
])

/** Whether an answer invalidates what is stored: that of an unsafe method that is no error (RFC 9111 section 4.4). */
export function invalidates(method: string, status: number): boolean {
  return !SAFE.has(method) && status >= 200 && status < 400
}

/** All that such an answer invalidates: the target, and what it names beside it, of the same origin. */
export function invalidatedTargets(
  target: Target,
  { fields }: ReceivedResponse,
  upstreamAuthority: string,
): Target[] {
  const targets = [target]
  for (const name of ['location', 'content-location']) {
    const reference = fieldValue(fields, name)
    const named = reference === undefined ? undefined : sameOriginTarget(reference, target, upstreamAuthority)
    if (named !== undefined) targets.push(named)
  }
  return targets
}

/**
 * Whether the answer to a POST is what GET would get now: it says so by a Content-Location that names the target, and
 * how long it is fresh (RFC 9110 section 9.3.3).
 *
 * @param keyOf tells whether two targets are one
 */
export function answersGet(
  method: string,
  target: Target,
  { status, fields }: ReceivedResponse,
  policy: Policy,
  upstreamAuthority: string,
  keyOf: (target: Target) => string,
): boolean {
  if (method !== 'POST' || status !== 200 || !statesFreshness(policy)) return false
  const location = fieldValue(fields, 'content-location')
  const named = location === undefined ? undefined : sameOriginTarget(location, target, upstreamAuthority)
  return named !== undefined && keyOf(named) === keyOf(target)
}
