import { parseCacheControl } from '../../lib/semantics/cache-control.ts'
import { parseHttpDate } from '../../lib/semantics/dates.ts'
import { decide, staleOnError } from '../../lib/semantics/decide.ts'
import { endToEnd, listMembers } from '../../lib/semantics/fields.ts'
import { cacheGroups, invalidatedGroups } from '../../lib/semantics/groups.ts'
import { confirms, describes, freshen } from '../../lib/semantics/head.ts'
import { cacheKey, normalisedPath, parseTarget, sameOriginTarget } from '../../lib/semantics/key.ts'
import { parseContentRange, parseRange } from '../../lib/semantics/ranges.ts'
import { cacheStatus, proxyStatus } from '../../lib/semantics/response-fields.ts'
import { parseDictionary, parseList } from '../../lib/semantics/structured-fields.ts'
import { parseTargeted } from '../../lib/semantics/targeted.ts'
import { trailersToPass } from '../../lib/semantics/trailers.ts'
import type { FieldList } from '../../lib/semantics/types.ts'
import { conditionFields, conditionFor } from '../../lib/semantics/validation.ts'
import {
  etagsIn,
  ifRangeAllows,
  parseEtag,
  preconditions,
  weakMatch,
} from '../../lib/semantics/validators.ts'
import { selectHead, selectionOf, varyNames } from '../../lib/semantics/vary.ts'
import { dateAt, headOf, NOW, OPTIONS, received } from './heads.ts'
import { storedHead } from './verdict.ts'

/** Everything in lib/semantics that reads what somebody else wrote. Each is given a text where that text may stand. */
export const PARSERS: Record<string, (text: string) => unknown> = {
  'Cache-Control': parseCacheControl,
  'a targeted field': parseTargeted,
  'a structured dictionary': parseDictionary,
  'a structured list': parseList,
  'Cache-Groups': (text) => [
    cacheGroups(['Cache-Groups', text]),
    invalidatedGroups(['Cache-Group-Invalidation', text]),
  ],
  'an HTTP-date': (text) => parseHttpDate(text, NOW),
  'a list': listMembers,
  Connection: (text) => endToEnd(['Connection', text, 'X-A', '1']),
  'a trailer': (text) => trailersToPass([text, text]),
  Vary: (text) => varyNames(['Vary', text]),
  'an entity-tag': (text) => [parseEtag(text), weakMatch(text, '"a"'), weakMatch(text, text)],
  'a list of entity-tags': etagsIn,
  Range: (text) => parseRange(text, 1000),
  'Content-Range': parseContentRange,
  'a path': normalisedPath,
  'a request target': (text) => keyOf(parseTarget('GET', text, 'a', 'http')),
  'a path with query': (text) => keyOf(parseTarget('GET', `/${text}`, 'a', 'http')),
  'an absolute target': (text) => keyOf(parseTarget('GET', `http://${text}`, 'a', 'http')),
  Host: (text) => keyOf(parseTarget('GET', '/', text, 'http')),
  Location: (text) => sameOriginTarget(text, { scheme: 'http', authority: 'a', path: '/' }, 'b:80'),
  'details of our status fields': (text) => [
    cacheStatus({ hit: true, detail: text, key: text }),
    proxyStatus('dns_error', text),
  ],
  ...inResponses(
    'Age',
    'Date',
    'Expires',
    'Last-Modified',
    'Pragma',
    'ETag',
    'Set-Cookie',
    'Content-Encoding',
  ),
  ...inResponses(
    'Content-Language',
    'Vary',
    'CDN-Cache-Control',
    'Cache-Control',
    'Warning',
    'Content-Length',
  ),
  ...inRequests('Cache-Control', 'Pragma', 'Accept-Language', 'Accept-Encoding', 'X-A', 'Authorization'),
  ...inRequests('If-Match', 'If-None-Match', 'If-Modified-Since', 'If-Unmodified-Since', 'If-Range'),
}

function keyOf(target: ReturnType<typeof parseTarget>): unknown {
  return target.ok && cacheKey(target, { includeHost: true, ignoreQuery: false, queryAllowlist: ['a', 'b'] })
}

/** The field in a response that is stored, and in a 304 and an answer to HEAD that update one. */
function inResponses(...names: string[]): Record<string, (text: string) => unknown> {
  const stored = headOf(['Cache-Control', 'max-age=60', 'ETag', '"a"', 'X-A', '1'])
  const read = (name: string) => (text: string) => {
    const response = received([name, text, 'Vary', 'Accept-Language', 'Content-Language', 'en'])
    return [
      storedHead([], response),
      storedHead([], received(['Cache-Control', 'max-age=60', name, text])),
      confirms(stored, response, true),
      describes(stored, response),
      freshen(stored, { ...response, status: 304 }, { fields: [] }, OPTIONS),
    ]
  }
  return Object.fromEntries(names.map((name) => [`${name} of a response`, read(name)]))
}

/** The field in the request that brought a stored response, and in a later one that may use it. */
function inRequests(...names: string[]): Record<string, (text: string) => unknown> {
  const response = received([
    ...[
      'Cache-Control',
      'max-age=60, stale-if-error=60',
      'Vary',
      'Accept-Language, Accept-Encoding, X-A',
      'ETag',
      '"a"',
    ],
    ...['Last-Modified', dateAt(-100), 'Content-Language', 'en'],
  ])
  const plain = storedHead([], response)!
  const read = (name: string) => (text: string) => {
    const request: FieldList = [name, text]
    const heads = [storedHead(request, response) ?? plain, plain]
    return [
      selectHead(heads, request),
      selectionOf(response.fields, request),
      decide(plain, request, NOW + 90_000),
      staleOnError(plain, request, NOW + 90_000, 503),
      preconditions(plain, 'GET', request),
      ifRangeAllows(plain, request),
      conditionFields(conditionFor(plain, heads, request)),
    ]
  }
  return Object.fromEntries(names.map((name) => [`${name} of a request`, read(name)]))
}
