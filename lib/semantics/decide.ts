import { parseCacheControl } from './cache-control.ts'
import { fieldValue, hasField } from './fields.ts'
import type { FieldList, Head } from './types.ts'

/**
 * What may be done with a stored response:
 * - `fresh`: use it;
 * - `stale`: use it, the client said that it takes a stale one (max-stale);
 * - `stale-while-revalidate`: use it and refresh it behind the response (RFC 5861 section 3);
 * - `revalidate`: validate it first.
 */
export type Decision = 'fresh' | 'stale' | 'stale-while-revalidate' | 'revalidate'

/** Milliseconds by which the clock may be behind the time of storing: clocks are corrected in small steps. */
const CLOCK_TOLERANCE = 1000

/**
 * Decides by comparing stored times (RFC 9111 sections 4, 4.2.4 and 5.2.1). A request without Cache-Control
 * and Pragma costs two walks over its names and allocates nothing.
 * @param now milliseconds since the epoch
 */
export function decide(head: Head, request: FieldList, now: number): Decision {
  // A clock that was set back makes the age unknowable.
  if (head.noCache || now + CLOCK_TOLERANCE < head.responseTime) return 'revalidate'
  const cacheControl = fieldValue(request, 'cache-control')
  let maxStale = -1
  if (cacheControl !== undefined) {
    const wanted = parseCacheControl(cacheControl)
    if (wanted.noCache !== false) return 'revalidate'
    const age = head.initialAge + now - head.responseTime
    // RFC 8246 section 2: what is immutable is not asked for again by a reload.
    const reloads = wanted.maxAge !== null && age > wanted.maxAge * 1000
    if (reloads && !(head.immutable && now < head.freshUntil)) return 'revalidate'
    if (wanted.minFresh !== null && head.freshUntil - now < wanted.minFresh * 1000) return 'revalidate'
    if (wanted.maxStale !== null) maxStale = wanted.maxStale * 1000
  } else if (hasField(request, 'pragma') && saysNoCache(request)) {
    return 'revalidate'
  }

  if (now < head.freshUntil) return 'fresh'
  if (now < head.staleWhileRevalidateUntil) return 'stale-while-revalidate'
  return now - head.freshUntil <= maxStale && !head.mustRevalidate ? 'stale' : 'revalidate'
}

/** The client asks that nothing of this exchange be stored (RFC 9111 section 5.2.1.5). */
export function requestIsNoStore(request: FieldList): boolean {
  return parseCacheControl(fieldValue(request, 'cache-control')).noStore
}

/** The client wants a stored response or 504 (RFC 9111 section 5.2.1.7). */
export function onlyIfCached(request: FieldList): boolean {
  return parseCacheControl(fieldValue(request, 'cache-control')).onlyIfCached
}

/** The answers for which a stale response may stand in (RFC 5861 section 4). */
const ERRORS: ReadonlySet<number> = new Set([500, 502, 503, 504])

/**
 * Whether a stale response may stand in for an origin that failed.
 *
 * Disconnected (no connection, no answer in time) RFC 9111 section 4.2.4 allows it unless a directive forbids
 * it. An answer of 500, 502, 503 or 504 is an answer: it is replaced only within stale-if-error (RFC 5861
 * section 4), of the response or of the request. A stated stale-if-error of the response limits the former too,
 * unless the request asks for longer.
 *
 * @param failure status of the answer, or that there was none
 */
export function staleOnError(
  head: Head,
  request: FieldList,
  now: number,
  failure: 'disconnected' | number,
): boolean {
  if (head.noCache || (failure !== 'disconnected' && !ERRORS.has(failure))) return false
  if (now < head.staleIfErrorUntil) return true
  if (head.mustRevalidate) return false
  if (failure === 'disconnected' && head.staleIfErrorUntil === 0) return true
  const { staleIfError } = parseCacheControl(fieldValue(request, 'cache-control'))
  return staleIfError !== null && now < head.freshUntil + staleIfError * 1000
}

/** HTTP/1.0's no-cache counts only in a request without Cache-Control (RFC 9111 section 5.4). */
function saysNoCache(request: FieldList): boolean {
  return parseCacheControl(fieldValue(request, 'pragma')).noCache !== false
}
