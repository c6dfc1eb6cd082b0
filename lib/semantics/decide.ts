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

/**
 * Decides by comparing stored times (RFC 9111 sections 4, 4.2.4 and 5.2.1). A request without Cache-Control
 * and Pragma costs two walks over its names and allocates nothing.
 * @param now milliseconds since the epoch
 */
export function decide(head: Head, request: FieldList, now: number): Decision {
  if (head.noCache) return 'revalidate'
  const cacheControl = fieldValue(request, 'cache-control')
  let maxStale = -1
  if (cacheControl !== undefined) {
    const wanted = parseCacheControl(cacheControl)
    if (wanted.noCache !== false) return 'revalidate'
    const age = head.initialAge + now - head.responseTime
    if (wanted.maxAge !== null && age > wanted.maxAge * 1000) return 'revalidate'
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

/**
 * Whether a stale response may stand in for an origin that failed.
 *
 * Disconnected (no connection, no answer in time) RFC 9111 section 4.2.4 allows it unless a directive forbids
 * it. An answer of 500, 502, 503 or 504 is an answer: it is replaced only within stale-if-error (RFC 5861
 * section 4). A stated stale-if-error limits both.
 */
export function staleOnError(head: Head, now: number, failure: 'disconnected' | 'status'): boolean {
  if (head.noCache) return false
  if (head.staleIfErrorUntil !== 0) return now < head.staleIfErrorUntil
  return failure === 'disconnected' && !head.mustRevalidate
}

/** HTTP/1.0's no-cache counts only in a request without Cache-Control (RFC 9111 section 5.4). */
function saysNoCache(request: FieldList): boolean {
  return parseCacheControl(fieldValue(request, 'pragma')).noCache !== false
}
