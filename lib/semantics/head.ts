import { formatHttpDate, parseHttpDate } from './dates.ts'
import { endToEnd, endToEndWithout, fieldValue, fieldValues, hasField, without } from './fields.ts'
import { type CachingOptions, type Freshness, freshness, type ReceivedResponse } from './freshness.ts'
import { cacheGroups } from './groups.ts'
import { type Policy, policyOf } from './policy.ts'
import type { FieldList, Head } from './types.ts'
import { validatorsOf, weakMatch } from './validators.ts'
import { selectionOf } from './vary.ts'

export interface HeadInput {
  key: string
  generation: number
  /** Bytes. */
  sliceSize: number
  /** The request that brought the response, with the fields that its origin got: by these it selects. */
  request: { fields: FieldList }
  response: ReceivedResponse
  policy: Policy
  /** Length of the complete representation in bytes, null while not known. */
  length: number | null
  options: CachingOptions
}

/** Computed anew for each response, or replaced by our own, or without meaning any more (Warning: RFC 9111 section 5.5). */
const NOT_STORED: ReadonlySet<string> = new Set(['age', 'content-length', 'warning', 'x-cache'])

const withoutNotStored = endToEndWithout(NOT_STORED)

/**
 * A 304 does not change these (RFC 9111 section 3.2): they describe the bytes that are stored and tell
 * one representation from another, and all slices of a generation share them. What Content-Digest says in a 304 is of
 * its own empty content (RFC 9530 section 2).
 */
const NOT_FRESHENED: ReadonlySet<string> = new Set([
  'content-digest',
  'content-encoding',
  'content-md5',
  'content-range',
  'etag',
  'last-modified',
  'repr-digest',
])

const NOTHING: ReadonlySet<string> = new Set()
const NO_NAMES: readonly string[] = []
const TELL_AGE: ReadonlySet<string> = new Set(['age', 'date'])

/**
 * The head of a response that `storable` allowed. A 206 becomes the 200 that it is part of (RFC 9111 section
 * 3.3).
 */
export function createHead(input: HeadInput): Head {
  const { response, request, policy, options } = input
  const fields = storedFields(response, policy, options)
  // What is stored lacks none of these, unless the response says that somebody must not have one.
  const told = listedFields(policy).length === 0 ? response.fields : fields
  const validators = validatorsOf(told, input.length)
  const fresh = freshness(response, policy, options)
  const selection = selectionOf(response.fields, request.fields)
  // Written out: to spread four objects takes longer than to read all the fields.
  return {
    key: input.key,
    generation: input.generation,
    sliceSize: input.sliceSize,
    status: response.status === 206 ? 200 : response.status,
    fields,
    etag: validators.etag,
    lastModified: validators.lastModified,
    length: validators.length,
    contentEncoding: validators.contentEncoding,
    strongLastModified: isOlder(validators.lastModified, fresh.date),
    vary: selection.vary,
    varyValues: selection.varyValues,
    language: selection.language,
    acceptEncoding: fieldValue(request.fields, 'accept-encoding') ?? null,
    requestTime: response.requestTime,
    responseTime: response.responseTime,
    order: response.order,
    date: fresh.date,
    initialAge: fresh.initialAge,
    freshUntil: fresh.freshUntil,
    noCache: fresh.noCache,
    immutable: fresh.immutable,
    mustRevalidate: fresh.mustRevalidate,
    staleIfErrorUntil: fresh.staleIfErrorUntil,
    staleWhileRevalidateUntil: fresh.staleWhileRevalidateUntil,
    groups: cacheGroups(response.fields),
  }
}

/**
 * Whether a 304 speaks of this stored response (RFC 9111 section 4.3.4), whose validators it was asked with. Its ETag
 * decides when it has one; without, a Last-Modified must be the stored one.
 *
 * @param alone the request named no other ETag: then the status alone says that the condition was false. The ETag of
 * such a 304 may differ all the same, as Apache's does for what it has compressed ("x" and "x-gzip").
 */
export function confirms(head: Head, response: ReceivedResponse, alone: boolean): boolean {
  const { etag, lastModified } = validatorsOf(response.fields, null)
  if (etag !== null && head.etag !== null) return alone || weakMatch(etag, head.etag)
  if (etag !== null) return false
  return lastModified === null || lastModified === head.lastModified
}

/**
 * Whether a 200 to HEAD is of this stored response (RFC 9111 section 4.3.5): all validators that it has are those that
 * are stored, and the length too. One that lacks a stored validator is not believed. Undefined when nothing tells: who
 * repeats HEAD could otherwise keep an old body fresh for ever.
 */
export function describes(head: Head, response: ReceivedResponse): boolean | undefined {
  const { etag, lastModified } = validatorsOf(response.fields, null)
  const length = fieldValue(response.fields, 'content-length')
  if (etag !== head.etag || lastModified !== head.lastModified) return false
  if (length !== undefined && length !== String(head.length)) return false
  // Many bodies have one length: it alone would make fresh again what was purged softly.
  return etag === null && lastModified === null ? undefined : true
}

/**
 * The head after a response without content that {@link confirms} or {@link describes} it, or after a part of the same
 * representation: fields of the response replace stored ones of the same name (RFC 9111 section 3.2) and freshness
 * counts from now. The generation stays. What the response says may forbid to keep it: ask `storable(request, …)` about
 * the head and its policy.
 */
export function freshen(
  head: Head,
  response: ReceivedResponse,
  request: { fields: FieldList },
  options: CachingOptions,
): { head: Head; policy: Policy } {
  const news = endToEnd(response.fields)
  const replaced = new Set(['date']) // what is stored has one, and only one
  for (let i = 0; i < news.length; i += 2) replaced.add(news[i].toLowerCase())
  for (const name of NOT_FRESHENED) replaced.delete(name)
  const merged = [...without(head.fields, replaced), ...news]
  const policy = policyOf(merged, options.targets)
  for (const name of listedFields(policy)) replaced.add(name)
  const fields = [
    ...without(head.fields, replaced),
    ...without(storedFields(response, policy, options), NOT_FRESHENED),
  ]

  // As they were received, if they were: by these its age is told.
  const aged = without(fields, TELL_AGE)
  for (const name of TELL_AGE)
    aged.push(...fieldValues(response.fields, name).flatMap((value) => [name, value]))
  const freshened = {
    ...head,
    fields,
    ...(hasField(news, 'vary') ? selectionOf(merged, request.fields) : {}),
    requestTime: response.requestTime,
    responseTime: response.responseTime,
    order: response.order,
    ...storedFreshness(freshness({ ...response, status: head.status, fields: aged }, policy, options)),
    groups: cacheGroups(fields),
  }
  return { head: freshened, policy }
}

/** A head that is stale from now on; where the origin fails it may stand in as long as before. */
export function outdated(head: Head, now: number): Head {
  return { ...head, freshUntil: Math.min(head.freshUntil, now), staleWhileRevalidateUntil: 0 }
}

/** A head that was fresh until then and no longer: for how long it may be served stale counts from then on. */
export function staleSince(head: Head, then: number): Head {
  const early = head.freshUntil - then
  if (early <= 0) return head
  const sooner = (until: number) => (until === 0 ? 0 : until - early)
  return {
    ...head,
    freshUntil: then,
    staleWhileRevalidateUntil: sooner(head.staleWhileRevalidateUntil),
    staleIfErrorUntil: sooner(head.staleIfErrorUntil),
  }
}

/** A head that must be validated before it is used again, and stands in for no error (RFC 9111 section 4.4). */
export function invalidated(head: Head): Head {
  return { ...head, noCache: true }
}

/** RFC 9110 section 8.8.2.2: by a second, the resolution of HTTP-dates. */
function isOlder(lastModified: string | null, date: number): boolean {
  const modified = lastModified === null ? undefined : parseHttpDate(lastModified)
  return modified !== undefined && date - modified >= 1000
}

/** What a 304 says to the asking client alone: fields that {@link freshen} leaves out of what is stored for all. */
export function fieldsForOne(response: ReceivedResponse, policy: Policy, options: CachingOptions): FieldList {
  const names = notForAll(policy, options)
  if (names.size === 0) return []
  const fields = without(endToEnd(response.fields), NOT_STORED)
  return fields.filter((_, i) => {
    const name = fields[i - (i % 2)].toLowerCase()
    return names.has(name) && !NOT_FRESHENED.has(name)
  })
}

function notForAll(policy: Policy, options: CachingOptions): ReadonlySet<string> {
  const listed = listedFields(policy)
  if (options.setCookie !== 'strip' && listed.length === 0) return NOTHING
  const stripped = options.setCookie === 'strip' ? ['set-cookie', 'set-cookie2'] : []
  return new Set([...stripped, ...listed])
}

/** Fields for one client, or never to be used unvalidated (RFC 9111 sections 5.2.2.7 and 5.2.2.4). */
function listedFields({ directives }: Policy): readonly string[] {
  if (typeof directives.private === 'boolean' && typeof directives.noCache === 'boolean') return NO_NAMES
  return [directives.private, directives.noCache].flatMap((scope) =>
    typeof scope === 'boolean' ? [] : scope,
  )
}

function storedFields(response: ReceivedResponse, policy: Policy, options: CachingOptions): FieldList {
  const personal = notForAll(policy, options)
  const date = parseHttpDate(fieldValue(response.fields, 'date') ?? '')
  if (personal.size === 0 && response.status !== 206 && date !== undefined)
    return withoutNotStored(response.fields)
  const dropped = new Set([...NOT_STORED, ...personal])
  // Of a part; in any other response the field has no meaning and is passed on like any other.
  if (response.status === 206) dropped.add('content-range').add('content-digest').add('content-md5')
  if (date === undefined) dropped.add('date')
  const fields = endToEnd(response.fields, dropped)
  // Who stores a response without Date adds one (RFC 9110 section 6.6.1).
  if (date === undefined) fields.push('Date', formatHttpDate(response.responseTime))
  return fields
}

function storedFreshness({ lifetime: _, ...stored }: Freshness): Omit<Freshness, 'lifetime'> {
  return stored
}
