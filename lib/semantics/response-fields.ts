import type { FieldList, Head } from './types.ts'

/** Our name in Via, CDN-Loop, Cache-Status and Proxy-Status. */
export const SELF = 'slicestream'

/** Protocol version of the message received, and our pseudonym (RFC 9110 section 7.6.3). */
export const VIA = `1.1 ${SELF}`

export interface CacheFields {
  /**
   * Seconds, from `ageAt`; null for a response that was just received from the origin: no Age then (RFC 9111
   * section 5.1).
   */
  age: number | null
  xCache: string
  /** From {@link cacheStatus}. */
  cacheStatus: string
}

/** Why a request went upstream (RFC 9211 section 2.2). */
export type ForwardReason =
  | 'bypass'
  | 'method'
  | 'uri-miss'
  | 'vary-miss'
  | 'miss'
  | 'request'
  | 'stale'
  | 'partial'

export interface CacheStatusInput {
  hit: boolean
  fwd?: ForwardReason
  /** Status of the origin's answer. */
  fwdStatus?: number
  stored?: boolean
  /** Waited for the transfer of another request. */
  collapsed?: boolean
  /** Seconds of freshness left, negative when stale. */
  ttl?: number
  detail?: string
  /** The cache key, where clients may see it. */
  key?: string
}

/** Error types of RFC 9209 section 2.3 that a reverse proxy meets. */
export type ProxyError =
  | 'dns_timeout'
  | 'dns_error'
  | 'destination_not_found'
  | 'destination_unavailable'
  | 'destination_ip_unroutable'
  | 'connection_refused'
  | 'connection_terminated'
  | 'connection_timeout'
  | 'connection_read_timeout'
  | 'connection_write_timeout'
  | 'connection_limit_reached'
  | 'tls_protocol_error'
  | 'tls_certificate_error'
  | 'tls_alert_received'
  | 'http_request_error'
  | 'http_request_denied'
  | 'http_response_incomplete'
  | 'http_response_timeout'
  | 'http_protocol_error'
  | 'http_upgrade_failed'
  | 'proxy_internal_response'
  | 'proxy_internal_error'
  | 'proxy_loop_detected'

/**
 * The fields of a response made from a stored head, in a new list to which the caller adds what depends on
 * the body (Content-Length, Content-Range). Via and Cache-Status of hops before us stay in front of ours.
 */
export function responseFields(head: Head, cache: CacheFields): FieldList {
  const fields = head.fields.slice()
  addCacheFields(fields, cache)
  return fields
}

/**
 * The fields of a 304: the stored ones without those that describe content (RFC 9110 section 15.4.5), since
 * none follows.
 */
export function notModifiedFields(head: Head, cache: CacheFields): FieldList {
  const fields: FieldList = []
  for (let i = 0; i < head.fields.length; i += 2) {
    const name = head.fields[i].toLowerCase()
    if (!CONTENT_FIELDS.has(name)) fields.push(head.fields[i], head.fields[i + 1])
  }
  addCacheFields(fields, cache)
  return fields
}

/** A member of Cache-Status (RFC 9211). */
export function cacheStatus(input: CacheStatusInput): string {
  let value = input.hit ? `${SELF}; hit` : SELF
  if (input.fwd !== undefined) value += `; fwd=${input.fwd}`
  if (input.fwdStatus !== undefined) value += `; fwd-status=${input.fwdStatus}`
  if (input.ttl !== undefined) value += `; ttl=${Math.trunc(input.ttl)}`
  if (input.stored) value += '; stored'
  if (input.collapsed) value += '; collapsed'
  if (input.key !== undefined) value += `; key=${quoted(input.key)}`
  if (input.detail !== undefined) value += `; detail=${tokenOrString(input.detail)}`
  return value
}

/** A member of Proxy-Status (RFC 9209). @param details for people, never secrets: the client sees it */
export function proxyStatus(error: ProxyError, details?: string): string {
  const value = `${SELF}; error=${error}`
  return details === undefined ? value : `${value}; details=${quoted(details)}`
}

/** Stored, they speak of the whole: its digest, or, in what was no part, nothing at all (but they are passed on). */
export const NOT_OF_A_PART: ReadonlySet<string> = new Set(['content-range', 'content-digest', 'content-md5'])

const CONTENT_FIELDS: ReadonlySet<string> = new Set([
  'content-digest',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-type',
  'repr-digest',
])

const TOKEN = /^[A-Za-z*][!#$%&'*+.^_`|~0-9A-Za-z:/-]*$/

/** Adds to a response what every answer of ours says, in this order: Age, Via, X-Cache, Cache-Status. */
export function addCacheFields(fields: FieldList, cache: CacheFields): void {
  if (cache.age !== null) fields.push('Age', String(cache.age))
  fields.push('Via', VIA, 'X-Cache', cache.xCache, 'Cache-Status', cache.cacheStatus)
}

function tokenOrString(text: string): string {
  return TOKEN.test(text) ? text : quoted(text)
}

/** A structured-field string holds printable ASCII only (RFC 9651 section 3.3.3). */
function quoted(text: string): string {
  return `"${text.replace(/[^\x20-\x7e]/g, '?').replace(/["\\]/g, '\\$&')}"`
}
