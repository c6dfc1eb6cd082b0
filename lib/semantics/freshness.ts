import { parseHttpDate } from './dates.ts'
import { fieldValue } from './fields.ts'
import { type Policy, statesFreshness } from './policy.ts'
import type { FieldList, Head } from './types.ts'

/** A response as it came from upstream. Times in milliseconds since the epoch. */
export interface ReceivedResponse {
  status: number
  fields: FieldList
  /** When its request was sent. */
  requestTime: number
  /** When its head was received. */
  responseTime: number
  /** When its request was sent, by a clock that never goes back. */
  order: number
}

export interface CachingOptions {
  /** Only responses with Cache-Control or explicit freshness are stored; no guess is made of others. */
  explicitOnly?: boolean
  /**
   * Freshness in milliseconds for heuristically cacheable responses with neither explicit freshness nor
   * Last-Modified; 0: such responses are never reused without validation.
   */
  cacheTtl: number
  /** Targeted fields that replace Cache-Control (RFC 9213), in lower case, the one that counts first in front. */
  targets: readonly string[]
  /** Which responses with Set-Cookie are stored. */
  setCookie: SetCookiePolicy
}

/**
 * RFC 9111 section 7.3 leaves cookies to the origin's Cache-Control. `explicit`: stored, cookie included, only where the
 * origin states freshness or `public`; `shared`: only with `public` or `s-maxage`; `strip`: stored without the cookie.
 */
export type SetCookiePolicy = 'explicit' | 'shared' | 'strip'

/**
 * How long a response may be reused, and what is allowed after. The fields are those of `Head`, in
 * milliseconds.
 */
export interface Freshness {
  date: number
  initialAge: number
  lifetime: number
  freshUntil: number
  noCache: boolean
  immutable: boolean
  mustRevalidate: boolean
  staleIfErrorUntil: number
  staleWhileRevalidateUntil: number
}

/** Statuses reusable without explicit freshness (RFC 9110 section 15.1). */
const HEURISTICALLY_CACHEABLE: ReadonlySet<number> = new Set([
  200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501,
])

/**
 * Of those, what answers the request rather than describes the resource. `cacheTtl` alone does not keep it: one
 * client's odd request would deny the resource to all others (cache-poisoned denial of service). A Last-Modified tells
 * a page that somebody wrote from an error that a framework made up.
 */
const ABOUT_THE_REQUEST: ReadonlySet<number> = new Set([405, 414, 501])

/**
 * A guess from Last-Modified lasts at most a day. A file that was not touched for years would otherwise
 * hide its next change for months, and RFC 9111 section 4.2.2 wants guesses that are not "overly long".
 */
const MAX_HEURISTIC_LIFETIME = 24 * 60 * 60 * 1000

/** A part of the time since the last change, as RFC 9111 section 4.2.2 suggests. */
const HEURISTIC_FRACTION = 0.1

/**
 * Computes once, at store time, all that a hit compares with (RFC 9111 sections 4.2.1 to 4.2.3, RFC 5861).
 */
export function freshness(response: ReceivedResponse, policy: Policy, options: CachingOptions): Freshness {
  const { directives } = policy
  const date = dateOf(response)
  const initialAge = correctedInitialAge(response, date)
  const lifetime = freshnessLifetime(response, policy, date, options)
  const freshUntil = response.responseTime - initialAge + lifetime
  const noCache = directives.noCache === true
  const revalidate = directives.mustRevalidate || directives.proxyRevalidate
  return {
    date: Math.min(date, response.responseTime), // or one from the future would be the latest for ever
    initialAge,
    lifetime,
    freshUntil,
    noCache,
    immutable: directives.immutable,
    mustRevalidate: revalidate || directives.sMaxAge !== null, // RFC 9111 section 5.2.2.10
    // s-maxage alone does not close these windows: an origin that writes both means both.
    staleIfErrorUntil: staleUntil(freshUntil, directives.staleIfError, noCache || revalidate),
    staleWhileRevalidateUntil: staleUntil(freshUntil, directives.staleWhileRevalidate, noCache || revalidate),
  }
}

/** Whether a lifetime may be guessed for this response (RFC 9111 section 4.2.2). */
export function isHeuristicallyCacheable(status: number, { directives }: Policy): boolean {
  return HEURISTICALLY_CACHEABLE.has(status) || directives.public
}

/**
 * Current age in whole seconds, never negative, also when the clock was set back (RFC 9111 section 4.2.3).
 */
export function ageAt(head: Head, now: number): number {
  return Math.max(0, Math.floor((head.initialAge + now - head.responseTime) / 1000))
}

/** RFC 9111 section 4.2.3. Without a Date the response counts as made when it was received. */
function correctedInitialAge(response: ReceivedResponse, date: number): number {
  const apparentAge = Math.max(0, response.responseTime - date)
  const responseDelay = Math.max(0, response.responseTime - response.requestTime)
  return Math.max(apparentAge, ageValue(response.fields) + responseDelay)
}

/** RFC 9111 section 5.1: the first member counts, and nothing if that is not a number. In milliseconds. */
function ageValue(fields: FieldList): number {
  const age = fieldValue(fields, 'age')
  if (age === undefined) return 0
  const seconds = /^(\d+)[\t ]*(?:,|$)/.exec(age)?.[1]
  return seconds === undefined ? 0 : Math.min(Number(seconds), 2 ** 31) * 1000
}

/** RFC 9111 section 4.2.1, in milliseconds. The first rule that applies decides. */
function freshnessLifetime(
  response: ReceivedResponse,
  policy: Policy,
  date: number,
  options: CachingOptions,
): number {
  if (!statesFreshness(policy)) return heuristicLifetime(response, policy, date, options)
  const { sMaxAge, maxAge } = policy.directives
  const seconds = sMaxAge ?? maxAge
  if (seconds !== null) return seconds * 1000
  // An invalid date is one in the past (RFC 9111 section 5.3).
  return Math.max(0, (parseHttpDate(policy.expires ?? '') ?? date) - date)
}

function heuristicLifetime(
  { status, fields }: ReceivedResponse,
  policy: Policy,
  date: number,
  options: CachingOptions,
): number {
  if (policy.neverGuess || !isHeuristicallyCacheable(status, policy)) return 0
  const lastModified = parseHttpDate(fieldValue(fields, 'last-modified') ?? '')
  if (lastModified === undefined) {
    return HEURISTICALLY_CACHEABLE.has(status) && !ABOUT_THE_REQUEST.has(status) ? options.cacheTtl : 0
  }
  const sinceChange = Math.max(0, date - lastModified)
  return Math.min(Math.floor(sinceChange * HEURISTIC_FRACTION), MAX_HEURISTIC_LIFETIME)
}

function staleUntil(freshUntil: number, seconds: number | null, forbidden: boolean): number {
  return seconds === null || forbidden ? 0 : freshUntil + seconds * 1000
}

function dateOf(response: ReceivedResponse): number {
  return parseHttpDate(fieldValue(response.fields, 'date') ?? '') ?? response.responseTime
}
