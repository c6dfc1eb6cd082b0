import { type CacheControl, parseCacheControl } from './cache-control.ts'
import { fieldValue, hasField } from './fields.ts'
import {
  type CachingOptions,
  freshness,
  isHeuristicallyCacheable,
  type ReceivedResponse,
  type SetCookiePolicy,
} from './freshness.ts'
import { type Policy, statesFreshness } from './policy.ts'
import { parseContentRange } from './ranges.ts'
import type { FieldList } from './types.ts'
import { validatorsOf } from './validators.ts'
import { varyNames } from './vary.ts'

export interface ReceivedRequest {
  method: string
  fields: FieldList
}

/**
 * `byRequest`: refused only because of this request, so that nothing follows for the next one under the same
 * key.
 */
export type Storability = { store: true } | { store: false; reason: string; byRequest: boolean }

/** Statuses whose meaning for caches we implement, as must-understand asks (RFC 9111 section 5.2.2.3). */
const UNDERSTOOD: ReadonlySet<number> = new Set([
  200, 203, 204, 206, 300, 301, 302, 303, 307, 308, 400, 401, 403, 404, 405, 410, 414, 451, 500, 501, 502,
  503, 504,
])

/** Answers to request fields that are not in the key: to keep one would give it to requests without them. */
const ANSWERS_THE_REQUEST: ReadonlySet<number> = new Set([304, 407, 412, 413, 416, 417, 421, 431])

/**
 * Whether a shared cache may, and should, store a response (RFC 9111 section 3). A 206 is judged as the 200
 * that it is part of. Reasons of the response come before those of the request, so that `byRequest` is never
 * said of a response that nobody may store.
 */
export function storable(
  request: ReceivedRequest,
  response: ReceivedResponse,
  policy: Policy,
  options: CachingOptions,
): Storability {
  if (ANSWERS_THE_REQUEST.has(response.status)) {
    return { store: false, reason: `status ${response.status} answers the request only`, byRequest: true }
  }
  const byResponse = responseReason(response, policy, options) ?? uselessness(response, policy, options)
  if (byResponse !== undefined) return { store: false, reason: byResponse, byRequest: false }
  const byRequest = requestReason(request, policy.directives)
  if (byRequest !== undefined) return { store: false, reason: byRequest, byRequest: true }
  return { store: true }
}

function responseReason(
  { status, fields }: ReceivedResponse,
  policy: Policy,
  options: CachingOptions,
): string | undefined {
  const { directives } = policy
  if (status < 200 || status > 599) return 'not a final response'
  if (status === 206 && parseContentRange(fieldValue(fields, 'content-range')) === undefined) {
    return 'partial without a single range'
  }
  if (directives.mustUnderstand) {
    // It replaces no-store where it is understood (RFC 9111 section 5.2.2.3).
    if (!UNDERSTOOD.has(status)) return 'must-understand'
  } else if (directives.noStore) {
    return 'no-store'
  }
  if (directives.private === true) return 'private'
  if (varyNames(fields) === '*') return 'Vary: *'
  if (hasField(fields, 'set-cookie') && !mayShareCookie(policy, options.setCookie)) return 'Set-Cookie'
  if (options.explicitOnly && !statesFreshness(policy) && !saysHow(fields, options.targets)) {
    return 'nothing said of caching'
  }
  if (!statesFreshness(policy) && !isHeuristicallyCacheable(status, policy)) {
    return `status ${status} without explicit freshness`
  }
  return undefined
}

/** Whether a response says anything at all of how it is to be cached. */
function saysHow(fields: FieldList, targets: readonly string[]): boolean {
  return hasField(fields, 'cache-control') || targets.some((name) => hasField(fields, name))
}

/** RFC 9111 allows to store these, but no request could ever be answered with them. */
function uselessness(
  response: ReceivedResponse,
  policy: Policy,
  options: CachingOptions,
): string | undefined {
  const { etag, lastModified } = validatorsOf(response.fields, null)
  if (etag !== null || lastModified !== null) return undefined
  if (policy.directives.noCache === true) return 'no-cache without a validator'
  const { freshUntil, staleIfErrorUntil, staleWhileRevalidateUntil } = freshness(response, policy, options)
  const usableUntil = Math.max(freshUntil, staleIfErrorUntil, staleWhileRevalidateUntil)
  return usableUntil <= response.responseTime ? 'stale on arrival without a validator' : undefined
}

function requestReason(request: ReceivedRequest, response: CacheControl): string | undefined {
  if (request.method !== 'GET') return `method ${request.method}`
  if (parseCacheControl(fieldValue(request.fields, 'cache-control')).noStore) return 'no-store in the request'
  const shared = response.public || response.mustRevalidate || response.sMaxAge !== null
  if (hasField(request.fields, 'authorization') && !shared) return 'Authorization' // RFC 9111 section 3.5
  return undefined
}

/** A cookie made for one client is given to others only on the origin's word, or not kept (`private="set-cookie"`). */
function mayShareCookie(policy: Policy, setCookie: SetCookiePolicy): boolean {
  const { public: isPublic, sMaxAge, private: onlyFor, noCache } = policy.directives
  if (setCookie === 'strip' || isPublic || sMaxAge !== null) return true
  if ([onlyFor, noCache].some((scope) => typeof scope !== 'boolean' && scope.includes('set-cookie')))
    return true
  return setCookie === 'explicit' && statesFreshness(policy)
}
