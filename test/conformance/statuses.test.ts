import { type Behaviour, conform, date, type Fields, notReused, reused, validated } from './behaviour.ts'

const DAY = 86_400
/** A guess gives a tenth of this, bounded by a day. */
const LAST_MONTH = date(-30 * DAY)

/** All that RFC 9110 section 15 defines and some that nobody does. 1xx are not final, 206 and 304 have tests below. */
const FINAL = [
  200, 201, 202, 203, 204, 205, 207, 226, 299, 300, 301, 302, 303, 305, 307, 308, 399, 400, 401, 402, 403,
  404, 405, 406, 408, 409, 410, 411, 414, 415, 418, 422, 423, 424, 425, 426, 428, 429, 451, 499, 500, 501,
  502, 503, 504, 505, 506, 507, 508, 510, 511, 599,
]
/** Answers to fields of the request that are not in the key. */
const ABOUT_THE_REQUEST = [407, 412, 413, 416, 417, 421, 431]
/** Understood and cacheable by default: by Last-Modified, or else by cache_ttl. */
const HEURISTIC = [200, 203, 204, 300, 301, 308, 404, 410]
/** Cacheable by default too (RFC 9110 section 15.1), but what a client can provoke is not kept without a word from the origin. */
const BY_LAST_MODIFIED = [405, 414, 501]
const NEVER_GUESSED = FINAL.filter(
  (status) => !HEURISTIC.includes(status) && !BY_LAST_MODIFIED.includes(status),
)

/** 205 has no content (RFC 9110 section 15.3.6). */
const answer = (status: number, fields: Fields) =>
  status === 205 ? { status, fields, body: '' } : { status, fields }

const explicit: Behaviour[] = [
  ...FINAL.flatMap((status) => [
    reused(`${status} with max-age is stored (RFC 9111 3)`, answer(status, ['Cache-Control', 'max-age=60'])),
    reused(`${status} with Expires is stored (RFC 9111 3)`, answer(status, ['Expires', date(60)])),
    notReused(
      `${status} with no-store is not (RFC 9111 3)`,
      answer(status, ['Cache-Control', 'max-age=60, no-store']),
    ),
  ]),
  ...FINAL.filter((status) => status !== 204 && status !== 205).map((status) =>
    reused(
      `${status} with s-maxage keeps its fields (RFC 9111 3)`,
      answer(status, [
        'Cache-Control',
        's-maxage=60',
        'X-A',
        'b',
        'Content-Type',
        'text/x-a',
        'Location',
        '/x',
      ]),
      {
        gets: { 'X-A': 'b', 'Content-Type': 'text/x-a', Location: '/x', 'X-Cache': 'HIT' },
      },
    ),
  ),
  ...ABOUT_THE_REQUEST.map((status) =>
    notReused(
      `${status} answers this request only: not stored (RFC 9110 15.5)`,
      answer(status, ['Cache-Control', 'max-age=60']),
    ),
  ),
  {
    name: '304 that nobody asked for is not stored (RFC 9111 3)',
    steps: [
      { from: 'origin', origin: { status: 304, fields: ['Cache-Control', 'max-age=60', 'ETag', '"a"'] } },
      { from: 'origin', sees: { 'If-None-Match': null } },
    ],
  },
  {
    name: '206 that nobody asked for is refused, and not stored as the whole (RFC 9110 15.3.7)',
    steps: [
      {
        from: 'proxy',
        asked: 'any',
        status: 502,
        origin: {
          status: 206,
          fields: ['Cache-Control', 'max-age=60', 'Content-Range', 'bytes 0-3/9'],
          body: 'abcd',
        },
      },
      { from: 'origin' },
    ],
  },
  {
    name: '401 with explicit freshness keeps its challenge (RFC 9110 11.6.1)',
    steps: [
      {
        from: 'origin',
        origin: {
          status: 401,
          fields: ['Cache-Control', 'max-age=60', 'WWW-Authenticate', 'Basic realm="x"'],
        },
      },
      { from: 'cache', gets: { 'WWW-Authenticate': 'Basic realm="x"' } },
    ],
  },
  {
    name: 'an empty response is stored (RFC 9111 3)',
    steps: [
      { from: 'origin', origin: { fields: ['Cache-Control', 'max-age=60'], body: '' } },
      { from: 'cache', gets: { 'Content-Length': 0 } },
    ],
  },
  {
    name: 'a 200 replaces a stored error (RFC 9111 4)',
    steps: [
      { from: 'origin', origin: { status: 404, fields: ['Cache-Control', 'max-age=60', 'Age', 61] } },
      { from: 'origin', origin: { status: 200, fields: ['Cache-Control', 'max-age=60'] } },
      { from: 'cache', status: 200 },
    ],
  },
  {
    name: 'a 404 replaces a stored 200 (RFC 9111 4)',
    steps: [
      { from: 'origin', origin: { fields: ['Cache-Control', 'max-age=60', 'Age', 61, 'ETag', '"a"'] } },
      {
        from: 'origin',
        origin: { status: 404, fields: ['Cache-Control', 'max-age=60'] },
        sees: { 'If-None-Match': '"a"' },
      },
      { from: 'cache', status: 404 },
    ],
  },
  ...[204, 301, 404, 500].map((status) =>
    reused(
      `${status} is answered to HEAD from what GET stored (RFC 9111 4)`,
      answer(status, ['Cache-Control', 'max-age=60']),
      {
        method: 'HEAD',
        status,
      },
    ),
  ),
]

const byLastModified: Behaviour[] = [
  ...[...HEURISTIC, ...BY_LAST_MODIFIED].map((status) =>
    reused(
      `${status} with Last-Modified is guessed to be fresh (RFC 9111 4.2.2)`,
      answer(status, ['Last-Modified', LAST_MONTH]),
    ),
  ),
  ...NEVER_GUESSED.map((status) =>
    notReused(
      `${status} with Last-Modified is not (RFC 9110 15.1)`,
      answer(status, ['Last-Modified', LAST_MONTH]),
    ),
  ),
  ...NEVER_GUESSED.map((status) =>
    reused(
      `${status} with Last-Modified and public is guessed to be fresh (RFC 9111 4.2.2)`,
      answer(status, ['Last-Modified', LAST_MONTH, 'Cache-Control', 'public']),
    ),
  ),
  ...ABOUT_THE_REQUEST.map((status) =>
    notReused(
      `${status} with Last-Modified and public is not (RFC 9110 15.5)`,
      answer(status, ['Last-Modified', LAST_MONTH, 'Cache-Control', 'public']),
    ),
  ),
  ...[...HEURISTIC, ...BY_LAST_MODIFIED].map((status) =>
    notReused(`${status} with neither is not (RFC 9111 4.2.2)`, answer(status, [])),
  ),
]

const byCacheTtl: Behaviour[] = [
  ...HEURISTIC.map((status) =>
    reused(`${status} is fresh for cache_ttl (RFC 9111 4.2.2)`, answer(status, [])),
  ),
  ...HEURISTIC.map((status) =>
    reused(
      `${status} with public is fresh for cache_ttl (RFC 9111 4.2.2)`,
      answer(status, ['Cache-Control', 'public']),
    ),
  ),
  ...BY_LAST_MODIFIED.flatMap((status) => [
    notReused(`${status}, which a client can provoke, is not (RFC 9111 4.2.2)`, answer(status, [])),
    reused(`${status} is by Last-Modified (RFC 9111 4.2.2)`, answer(status, ['Last-Modified', LAST_MONTH])),
  ]),
  ...NEVER_GUESSED.flatMap((status) => [
    notReused(`${status} is not (RFC 9110 15.1)`, answer(status, [])),
    notReused(`${status} with public is not (RFC 9111 4.2.2)`, answer(status, ['Cache-Control', 'public'])),
  ]),
  ...ABOUT_THE_REQUEST.map((status) =>
    notReused(`${status} is not (RFC 9110 15.5)`, answer(status, ['Cache-Control', 'public'])),
  ),
  validated('Last-Modified comes before cache_ttl (RFC 9111 4.2.2)', ['Last-Modified', date(-10), 'Age', 5]),
  notReused('Expires in the past comes before cache_ttl (RFC 9111 4.2.1)', ['Expires', date(-1)]),
  notReused('an invalid Expires comes before cache_ttl (RFC 9111 5.3)', ['Expires', '0']),
  notReused('max-age=0 comes before cache_ttl (RFC 9111 4.2.1)', ['Cache-Control', 'max-age=0']),
  notReused('an invalid max-age comes before cache_ttl (RFC 9111 4.2.1)', ['Cache-Control', 'max-age=x']),
  notReused('no-store comes before cache_ttl (RFC 9111 5.2.2.5)', ['Cache-Control', 'no-store']),
  notReused('private comes before cache_ttl (RFC 9111 5.2.2.7)', ['Cache-Control', 'private']),
  notReused('no-cache comes before cache_ttl (RFC 9111 5.2.2.4)', ['Cache-Control', 'no-cache']),
  notReused('Pragma: no-cache forbids cache_ttl too (RFC 9111 5.4)', ['Pragma', 'no-cache']),
  notReused('Age beyond cache_ttl (RFC 9111 4.2)', ['Age', 61]),
  notReused('Date beyond cache_ttl ago (RFC 9111 4.2.3)', ['Date', date(-61)]),
  reused('an invalid Last-Modified leaves cache_ttl (RFC 9110 8.8.2)', ['Last-Modified', 'yesterday']),
]

conform('statuses with explicit freshness', explicit)
conform('statuses with a lifetime guessed from Last-Modified', byLastModified)
conform('statuses with cache_ttl', byCacheTtl, { cacheTtl: 60 })
