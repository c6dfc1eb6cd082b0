import { endToEnd, fieldValue } from './fields.ts'
import { remembered } from './remembered.ts'
import { IDENTITY } from './request-identity.ts'
import { SELF } from './response-fields.ts'
import type { FieldList } from './types.ts'

export interface UpstreamRequest {
  /** Of the client's request, `1.0` or `1.1`. */
  httpVersion: string
  /** Value of the Host field to send. */
  hostHeader: string
  /** Address of the peer, for X-Forwarded-For. */
  clientAddress: string
  /** The peer is a proxy of ours: what it says of its client is kept. */
  trusted: boolean
  /** Scheme and host as the client used them; host '' when it named none. */
  scheme: string
  host: string
  /** A token that no other proxy has. */
  instance: string
  /** Lower-case names of further fields to leave out: {@link FILL_FIELDS} for a fill. */
  drop: ReadonlySet<string>
}

/** Which part of a representation is wanted, and under which condition. */
export const PART_AND_CONDITION: readonly string[] = [
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'if-unmodified-since',
  'range',
]

/** What a fill writes itself or does not use: part and condition are the cache's business, and it sends no content. */
export const FILL_FIELDS: ReadonlySet<string> = new Set([
  'content-length',
  'content-type',
  'expect',
  ...PART_AND_CONDITION,
])

/**
 * Fields by which a client could change what the origin answers without changing the cache key (cache
 * poisoning by unkeyed input), or claim to be somebody else. All `X-Forwarded…` belong to them.
 */
const TRUSTED_ONLY: ReadonlySet<string> = new Set([
  'cf-connecting-ip',
  'fastly-client-ip',
  'forwarded',
  'front-end-https',
  'proxy',
  'true-client-ip',
  'x-client-ip',
  'x-cluster-client-ip',
  'x-host',
  'x-http-host-override',
  'x-http-method',
  'x-http-method-override',
  'x-method-override',
  'x-original-host',
  'x-original-uri',
  'x-original-url',
  'x-override-url',
  'x-real-ip',
  'x-rewrite-url',
  'x-url-scheme',
])

/** Always written anew. */
const OURS: ReadonlySet<string> = new Set([
  'host',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
])

/**
 * What these select or frame a second spelling must not: to a CGI origin `Accept_Language` is Accept-Language, to the
 * cache it is not, and who sends it would choose what all get who send neither.
 */
const NEVER_UNDERSCORED: ReadonlySet<string> = new Set([
  'accept-charset',
  'accept-encoding',
  'accept-language',
  'content-length',
  'save-data',
  'transfer-encoding',
  'user-agent',
])

/**
 * The fields of a request to the origin: those of the client that go end to end, then ours (RFC 9110 sections
 * 7.2, 7.6.1 and 7.6.3). Ours are added after `Connection` was obeyed, so that no client can strip them
 * (CVE-2026-33805). What names this one request is added by who sends it: no response is selected by that.
 */
export function upstreamFields(request: FieldList, upstream: UpstreamRequest): FieldList {
  const fields: FieldList = ['Host', upstream.hostHeader]
  const received = endToEnd(request)
  for (let i = 0; i < received.length; i += 2) {
    // Many origins read `_` in a name as `-` (CGI), so that both spellings are one field to them.
    const name = hyphenated(received[i])
    if (OURS.has(name) || IDENTITY.has(name) || upstream.drop.has(name)) continue
    if (!upstream.trusted && isTrustedOnly(name)) continue
    if (NEVER_UNDERSCORED.has(name) && received[i].includes('_')) continue
    fields.push(received[i], received[i + 1])
  }
  const forwardedFor = upstream.trusted ? fieldValue(request, 'x-forwarded-for') : undefined
  const { clientAddress } = upstream
  fields.push(
    'X-Forwarded-For',
    forwardedFor === undefined ? clientAddress : `${forwardedFor}, ${clientAddress}`,
  )
  if (upstream.host !== '') fields.push('X-Forwarded-Host', upstream.host)
  fields.push(
    'X-Forwarded-Proto',
    upstream.scheme,
    'Via',
    viaOf(upstream.httpVersion),
    'CDN-Loop',
    loopMember(upstream.instance),
  )
  return fields
}

const hyphenated = remembered((name: string) => name.toLowerCase().replaceAll('_', '-'))

/** Fields that {@link upstreamFields} passes on as they are, unless Connection nominates them. */
const PASSED_AS_SENT: ReadonlySet<string> = new Set([
  'accept',
  'accept-encoding',
  'accept-language',
  'authorization',
  'cookie',
  'origin',
  'user-agent',
])

/** A Connection field that takes no other field with it (RFC 9110 section 7.6.1); some clients write capitals. */
const NAMES_NO_FIELD = /^(?:keep-alive|close)$/i

/** Whether these fields of a request, where it has them, reach the origin as they were sent. @param names lower case */
export function arePassedAsSent(names: readonly string[], request: FieldList): boolean {
  for (const name of names) if (!PASSED_AS_SENT.has(name)) return false
  const connection = fieldValue(request, 'connection')
  return connection === undefined || NAMES_NO_FIELD.test(connection)
}

/**
 * Whether a request has come round to the proxy that sent it, by CDN-Loop (RFC 8586). Via alone cannot tell: two
 * proxies of our kind in a row are a hierarchy.
 */
export function loops(request: FieldList, instance: string): boolean {
  // Whoever comes between may write the list anew, with other spaces or quotes.
  return fieldValue(request, 'cdn-loop')?.includes(instance) ?? false
}

/** Remembered: a text that is joined anew is a tree of its pieces, and to compare it with the one before makes a flat one of it. */
const viaOf = remembered((httpVersion: string) => `${httpVersion} ${SELF}`)
const loopMember = remembered((instance: string) => `${SELF}; id=${instance}`)

/** @param name lower case */
export function isTrustedOnly(name: string): boolean {
  return TRUSTED_ONLY.has(name) || name.startsWith('x-forwarded')
}
