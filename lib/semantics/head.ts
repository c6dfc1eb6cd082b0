import { parseCacheControl } from './cache-control.ts'
import { formatHttpDate, parseHttpDate } from './dates.ts'
import { endToEnd, fieldValue, without } from './fields.ts'
import { type CachingOptions, type Freshness, freshness, type ReceivedResponse } from './freshness.ts'
import type { FieldList, Head } from './types.ts'
import { strongMatch, validatorsOf, weakMatch } from './validators.ts'
import { varyKey, varyNames } from './vary.ts'

export interface HeadInput {
  key: string
  generation: number
  /** Bytes. */
  sliceSize: number
  /** The request that brought the response, as its client sent it. */
  request: { fields: FieldList }
  response: ReceivedResponse
  /** Length of the complete representation in bytes, null while not known. */
  length: number | null
  options: CachingOptions
}

/** Computed anew for each response, or replaced by our own. */
const NOT_STORED: ReadonlySet<string> = new Set(['age', 'content-length', 'content-range', 'x-cache'])

/**
 * A 304 does not change these (RFC 9111 section 3.2): they describe the bytes that are stored and tell
 * one representation from another, and all slices of a generation share them.
 */
const NOT_FRESHENED: ReadonlySet<string> = new Set(['content-encoding', 'etag', 'last-modified'])

/**
 * The head of a response that `storable` allowed. A 206 becomes the 200 that it is part of (RFC 9111 section
 * 3.3).
 */
export function createHead(input: HeadInput): Head {
  const { response, request } = input
  const fields = storedFields(response)
  const vary = varyNames(response.fields)
  return {
    key: input.key,
    generation: input.generation,
    sliceSize: input.sliceSize,
    status: response.status === 206 ? 200 : response.status,
    fields,
    ...validatorsOf(fields, input.length),
    ...selection(vary === '*' ? [] : vary, request.fields),
    requestTime: response.requestTime,
    responseTime: response.responseTime,
    ...storedFreshness(freshness(response, input.options)),
  }
}

/**
 * Whether a 304 speaks of this stored response (RFC 9111 section 4.3.4): its validators, if it has any, must
 * be those that are stored.
 */
export function confirms(head: Head, response: ReceivedResponse): boolean {
  const { etag, lastModified } = validatorsOf(response.fields, null)
  if (etag !== null) {
    return (
      head.etag !== null &&
      (etag.startsWith('W/') ? weakMatch(etag, head.etag) : strongMatch(etag, head.etag))
    )
  }
  return lastModified === null || lastModified === head.lastModified
}

/**
 * The head after a 304 that {@link confirms} it: fields of the 304 replace stored ones of the same name (RFC
 * 9111 section 3.2) and freshness counts from now. The generation stays. What the 304 says may forbid to keep
 * it: ask `storable(request, freshened, options)`.
 */
export function freshen(
  head: Head,
  response: ReceivedResponse,
  request: { fields: FieldList },
  options: CachingOptions,
): Head {
  const news = without(storedFields(response), NOT_FRESHENED)
  const replaced = new Set<string>()
  for (let i = 0; i < news.length; i += 2) replaced.add(news[i].toLowerCase())
  const fields = [...without(head.fields, replaced), ...news]

  const age = fieldValue(response.fields, 'age')
  const aged = age === undefined ? fields : [...fields, 'Age', age]
  const vary = varyNames(fields)
  return {
    ...head,
    fields,
    ...(replaced.has('vary') && vary !== '*' ? selection(vary, request.fields) : {}),
    requestTime: response.requestTime,
    responseTime: response.responseTime,
    ...storedFreshness(freshness({ ...response, status: head.status, fields: aged }, options)),
  }
}

function storedFields(response: ReceivedResponse): FieldList {
  const directives = parseCacheControl(fieldValue(response.fields, 'cache-control'))
  const dropped = new Set(NOT_STORED)
  // Fields for one client, or never to be used unvalidated (RFC 9111 sections 5.2.2.7 and 5.2.2.4).
  for (const scope of [directives.private, directives.noCache]) {
    if (typeof scope !== 'boolean') for (const name of scope) dropped.add(name)
  }
  const date = parseHttpDate(fieldValue(response.fields, 'date') ?? '')
  if (date === undefined) dropped.add('date')
  const fields = without(endToEnd(response.fields), dropped)
  // Who stores a response without Date adds one (RFC 9110 section 6.6.1).
  return date === undefined ? [...fields, 'Date', formatHttpDate(response.responseTime)] : fields
}

function selection(vary: string[], request: FieldList): Pick<Head, 'vary' | 'varyKey' | 'acceptEncoding'> {
  return {
    vary,
    varyKey: varyKey(vary, request),
    acceptEncoding: fieldValue(request, 'accept-encoding') ?? null,
  }
}

function storedFreshness({ lifetime: _, ...stored }: Freshness): Omit<Freshness, 'lifetime'> {
  return stored
}
