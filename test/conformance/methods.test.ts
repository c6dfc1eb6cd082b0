import { METHODS } from 'node:http'
import { type Behaviour, conform, date, type Fields, type OriginAnswer, type Step } from './behaviour.ts'

/** What only the file tier holds. */
const FILES = { l1: 0, l2: 64 * 1024 * 1024 }
const FRESH: Fields = ['Cache-Control', 'max-age=3600']

// POST: RFC 9110 section 9.3.3, RFC 9111 section 3.

const post = (origin: OriginAnswer, more: Partial<Step> = {}): Step => ({
  from: 'origin',
  method: 'POST',
  body: 'a=b',
  origin,
  ...more,
})

/** What a POST brought answers a GET. */
const postReused = (name: string, fields: Fields): Behaviour => ({
  name,
  steps: [
    post({ fields }, { gets: { 'X-Cache': 'BYPASS', 'Cache-Status': /; fwd=method;.*; stored/ } }),
    { from: 'cache', bodyOf: 0 },
  ],
})

const postNotReused = (name: string, origin: OriginAnswer, target = ''): Behaviour => ({
  name,
  steps: [post(origin), { from: 'origin', target }],
})

const posts: Behaviour[] = [
  postReused('with max-age and Content-Location it is stored for GET', [
    ...FRESH,
    'Content-Location',
    '{path}',
  ]),
  postReused('with s-maxage', ['Cache-Control', 's-maxage=60', 'Content-Location', '{path}']),
  postReused('with Expires', ['Expires', date(60), 'Content-Location', '{path}']),
  postReused('Content-Location as an absolute URL', [...FRESH, 'Content-Location', '{url}']),
  postReused('Content-Location without the scheme', [...FRESH, 'Content-Location', '//{host}{path}']),
  postReused('an empty Content-Location is the target itself (RFC 3986 4.4)', [
    ...FRESH,
    'Content-Location',
    '',
  ]),
  {
    name: 'Content-Location relative to the target (RFC 9110 8.7)',
    steps: [
      post({ fields: [...FRESH, 'Content-Location', 'item'] }, { target: '/item' }),
      { from: 'cache', target: '/item', bodyOf: 0 },
    ],
  },
  {
    name: 'the query is part of the target',
    steps: [
      post({ fields: [...FRESH, 'Content-Location', '{path}?a=b'] }, { target: '?a=b' }),
      { from: 'cache', target: '?a=b', bodyOf: 0 },
      { from: 'origin' },
    ],
  },
  {
    name: 'it replaces what GET had stored',
    steps: [
      { from: 'origin', origin: { fields: FRESH } },
      post({ fields: [...FRESH, 'Content-Location', '{path}'] }),
      { from: 'cache', bodyOf: 1 },
    ],
  },
  {
    name: 'its fields are stored, and Age is told',
    steps: [
      post({ fields: [...FRESH, 'Content-Location', '{path}', 'X-A', 'b', 'ETag', '"p"'] }),
      { from: 'cache', bodyOf: 0, gets: { 'X-A': 'b', ETag: '"p"', Age: /^\d$/, 'X-Cache': 'HIT' } },
      { from: 'cache', request: ['If-None-Match', '"p"'], status: 304 },
    ],
  },
  {
    name: 'it answers HEAD too',
    steps: [
      post({ fields: [...FRESH, 'Content-Location', '{path}'] }),
      { from: 'cache', method: 'HEAD', status: 200, gets: { 'Content-Length': true } },
    ],
  },
  {
    name: 'it never answers another POST',
    steps: [
      post({ fields: [...FRESH, 'Content-Location', '{path}'] }),
      post({ fields: [...FRESH, 'Content-Location', '{path}'] }),
      { from: 'cache', bodyOf: 1 },
    ],
  },
  {
    name: 'what GET stored never answers a POST',
    steps: [
      { from: 'origin', origin: { fields: FRESH } },
      post({ status: 404 }),
      { from: 'cache', bodyOf: 0 },
    ],
  },
  postNotReused('without Content-Location', { fields: FRESH }),
  postNotReused('without explicit freshness', { fields: ['Content-Location', '{path}'] }),
  postNotReused('with Last-Modified only', {
    fields: ['Content-Location', '{path}', 'Last-Modified', date(-1_000_000)],
  }),
  postNotReused('with another Content-Location', { fields: [...FRESH, 'Content-Location', '{path}/item'] }),
  postNotReused(
    'with another Content-Location: not stored for that either',
    { fields: [...FRESH, 'Content-Location', '{path}/item'] },
    '/item',
  ),
  postNotReused('with the same path elsewhere', {
    fields: [...FRESH, 'Content-Location', 'http://example.com{path}'],
  }),
  postNotReused('with the same path on another port', {
    fields: [...FRESH, 'Content-Location', 'http://127.0.0.1:1{path}'],
  }),
  postNotReused('with another query', { fields: [...FRESH, 'Content-Location', '{path}?a'] }),
  postNotReused('with a Content-Location that is no URL', {
    fields: [...FRESH, 'Content-Location', 'http://['],
  }),
  postNotReused('with no-store', {
    fields: ['Cache-Control', 'no-store, max-age=60', 'Content-Location', '{path}'],
  }),
  postNotReused('with private', {
    fields: ['Cache-Control', 'private, max-age=60', 'Content-Location', '{path}'],
  }),
  postNotReused('already stale', { fields: [...FRESH, 'Content-Location', '{path}', 'Age', 3601] }),
  postNotReused('a 201', { status: 201, fields: [...FRESH, 'Content-Location', '{path}'] }),
  postNotReused('a 404', { status: 404, fields: [...FRESH, 'Content-Location', '{path}'] }),
  postNotReused('with Vary: *', { fields: [...FRESH, 'Content-Location', '{path}', 'Vary', '*'] }),
  {
    name: 'the variant is that of the POST',
    steps: [
      post({ fields: [...FRESH, 'Content-Location', '{path}', 'Vary', 'X-V'] }, { request: ['X-V', '1'] }),
      { from: 'cache', request: ['X-V', '1'], bodyOf: 0 },
      { from: 'origin', request: ['X-V', '2'] },
    ],
  },
  {
    name: 'brought with credentials it is for others only where the response says so (RFC 9111 3.5)',
    steps: [
      post(
        { fields: [...FRESH, 'Content-Location', '{path}'] },
        { request: ['Authorization', 'Basic YTpi'] },
      ),
      { from: 'origin', origin: { fields: ['Cache-Control', 'no-store'] } },
      post(
        { fields: ['Cache-Control', 'public, max-age=60', 'Content-Location', '{path}'] },
        { request: ['Authorization', 'Basic YTpi'] },
      ),
      { from: 'cache', bodyOf: 2 },
    ],
  },
  {
    name: 'no-store of the request (RFC 9111 5.2.1.5)',
    steps: [
      post({ fields: [...FRESH, 'Content-Location', '{path}'] }, { request: ['Cache-Control', 'no-store'] }),
      { from: 'origin' },
    ],
  },
  {
    name: 'a large one is sent while it comes and stored in slices',
    steps: [
      post({ fields: [...FRESH, 'Content-Location', '{path}', 'ETag', '"p"'], body: 'p'.repeat(3_000_000) }),
      { from: 'cache', bodyOf: 0 },
      { from: 'proxy', request: ['Range', 'bytes=2999990-'], status: 206, gets: { 'Content-Length': 10 } },
    ],
  },
  ...['PUT', 'PATCH', 'DELETE'].map(
    (method): Behaviour => ({
      name: `${method} is never stored, whatever it says`,
      steps: [
        { from: 'origin', method, body: 'a', origin: { fields: [...FRESH, 'Content-Location', '{path}'] } },
        { from: 'origin' },
      ],
    }),
  ),
  {
    name: 'OPTIONS is never stored',
    steps: [
      { from: 'origin', method: 'OPTIONS', origin: { fields: FRESH } },
      { from: 'origin', method: 'OPTIONS' },
      { from: 'origin' },
    ],
  },
]

// Invalidation: RFC 9111 section 4.4.

/** Safe by RFC 9110 section 9.2.1 or the RFC that defines it, or not for us to forward. */
const SAFE = ['GET', 'HEAD', 'OPTIONS', 'TRACE', 'CONNECT', 'PROPFIND', 'REPORT', 'SEARCH', 'QUERY', 'PURGE']
const UNSAFE = ['POST', 'PUT', 'DELETE', 'PATCH']
/** We know nothing of them: they may change anything. */
const UNKNOWN = METHODS.filter((method) => !SAFE.includes(method) && !UNSAFE.includes(method))

const done = (method: string, origin: OriginAnswer, target?: string): Step => ({
  from: 'origin',
  method,
  target,
  body: ['DELETE', 'OPTIONS'].includes(method) ? undefined : 'a',
  origin,
})

/** GET; the method with this answer; GET again. */
const around = (name: string, method: string, origin: OriginAnswer, then: 'cache' | 'origin'): Behaviour => ({
  name,
  steps: [{ from: 'origin', origin: { fields: FRESH } }, done(method, origin), { from: then }],
})

const invalidation: Behaviour[] = [
  ...[...UNSAFE, ...UNKNOWN].map((method) =>
    around(`${method} invalidates its target`, method, {}, 'origin'),
  ),
  ...UNSAFE.flatMap((method) => [
    ...[201, 202, 204, 299, 301, 302, 303, 307, 308, 399].map((status) =>
      around(`${method} answered ${status} invalidates its target`, method, { status }, 'origin'),
    ),
    ...[400, 403, 404, 405, 409, 412, 500, 501, 503].map((status) =>
      around(`${method} answered ${status} does not`, method, { status }, 'cache'),
    ),
  ]),
  ...['OPTIONS', 'PROPFIND', 'REPORT', 'SEARCH'].map((method) =>
    around(`${method} is safe: nothing is invalidated`, method, {}, 'cache'),
  ),
  around('even with no-store', 'POST', { fields: ['Cache-Control', 'no-store'] }, 'origin'),
  {
    name: 'what is stored after it is used',
    steps: [
      { from: 'origin', origin: { fields: FRESH } },
      done('PUT', { status: 204 }),
      { from: 'origin', origin: { fields: FRESH } },
      { from: 'cache', bodyOf: 2 },
    ],
  },
  {
    name: 'all variants',
    steps: [
      { from: 'origin', request: ['X-V', '1'], origin: { fields: [...FRESH, 'Vary', 'X-V'] } },
      { from: 'origin', request: ['X-V', '2'], origin: { fields: [...FRESH, 'Vary', 'X-V'] } },
      { from: 'cache', request: ['X-V', '1'], bodyOf: 0 },
      done('POST', {}),
      { from: 'origin', request: ['X-V', '1'] },
      { from: 'origin', request: ['X-V', '2'] },
    ],
  },
  {
    name: 'all slices',
    steps: [
      { from: 'origin', origin: { fields: [...FRESH, 'ETag', '"a"'], body: 'x'.repeat(200_000) } },
      { from: 'proxy', request: ['Range', 'bytes=190000-'], status: 206 },
      done('DELETE', { status: 204 }),
      {
        from: 'proxy',
        asked: 1,
        request: ['Range', 'bytes=190000-'],
        origin: { body: 'short' },
        status: 416,
      },
    ],
  },
  {
    name: 'another query is another target',
    steps: [
      { from: 'origin', target: '?a', origin: { fields: FRESH } },
      done('POST', {}, '?b'),
      { from: 'cache', target: '?a' },
    ],
  },
  {
    name: 'a HEAD after it asks the origin too',
    steps: [
      { from: 'origin', origin: { fields: FRESH } },
      done('POST', {}),
      { from: 'origin', method: 'HEAD' },
    ],
  },
  {
    name: 'an error stored before it is invalidated as well',
    steps: [
      { from: 'origin', origin: { status: 404, fields: FRESH } },
      done('PUT', { status: 201 }),
      { from: 'origin' },
    ],
  },
]

/** GET of /item; POST of /list, answered with these fields; GET of /item again. */
const elsewhere = (name: string, fields: Fields, then: 'cache' | 'origin', status = 200): Behaviour => ({
  name,
  steps: [
    { from: 'origin', target: '/item', origin: { fields: FRESH } },
    done('POST', { status, fields }, '/list'),
    { from: then, target: '/item' },
  ],
})

const locations: Behaviour[] = ['Location', 'Content-Location'].flatMap((name) => [
  elsewhere(`${name}: a path is invalidated`, [name, '{path}/item'], 'origin'),
  elsewhere(`${name}: an absolute URL of the same origin`, [name, '{url}/item'], 'origin'),
  elsewhere(`${name}: without the scheme`, [name, '//{host}{path}/item'], 'origin'),
  elsewhere(`${name}: relative`, [name, 'item'], 'origin'),
  elsewhere(`${name}: relative, with dot segments (RFC 3986 5.2.4)`, [name, './x/../item'], 'origin'),
  elsewhere(`${name}: a fragment is no part of it`, [name, '{path}/item#there'], 'origin'),
  elsewhere(`${name}: the name in any case`, [name.toUpperCase(), '{path}/item'], 'origin'),
  elsewhere(`${name}: another path`, [name, '{path}/other'], 'cache'),
  elsewhere(`${name}: another query`, [name, '{path}/item?a'], 'cache'),
  elsewhere(`${name}: another host`, [name, 'http://example.com{path}/item'], 'cache'),
  elsewhere(`${name}: another host, without the scheme`, [name, '//example.com{path}/item'], 'cache'),
  elsewhere(`${name}: another port`, [name, 'http://127.0.0.1:1{path}/item'], 'cache'),
  elsewhere(`${name}: another scheme`, [name, 'https://{host}{path}/item'], 'cache'),
  elsewhere(`${name}: no URL`, [name, 'http://['], 'cache'),
  elsewhere(`${name}: empty`, [name, ''], 'cache'),
  elsewhere(`${name}: of a 201`, [name, '{path}/item'], 'origin', 201),
  elsewhere(`${name}: of a 303`, [name, '{path}/item'], 'origin', 303),
  elsewhere(`${name}: not of a 400`, [name, '{path}/item'], 'cache', 400),
  elsewhere(`${name}: not of a 500`, [name, '{path}/item'], 'cache', 500),
  {
    name: `${name}: the target is invalidated too`,
    steps: [
      { from: 'origin', target: '/list', origin: { fields: FRESH } },
      done('PUT', { fields: [name, '{path}/item'] }, '/list'),
      { from: 'origin', target: '/list' },
    ],
  },
  {
    name: `${name}: the target is invalidated when it points elsewhere`,
    steps: [
      { from: 'origin', origin: { fields: FRESH } },
      done('POST', { fields: [name, 'http://['] }),
      { from: 'origin' },
    ],
  },
  ...[...UNSAFE, UNKNOWN[0]].map(
    (method): Behaviour => ({
      name: `${name}: by ${method}`,
      steps: [
        { from: 'origin', target: '/item', origin: { fields: FRESH } },
        done(method, { fields: [name, '{path}/item'] }, '/list'),
        { from: 'origin', target: '/item' },
      ],
    }),
  ),
  {
    name: `${name}: a GET invalidates nothing`,
    steps: [
      { from: 'origin', target: '/item', origin: { fields: FRESH } },
      { from: 'origin', target: '/list', origin: { status: 303, fields: [name, '{path}/item'] } },
      { from: 'cache', target: '/item', bodyOf: 0, status: 200 },
    ],
  },
  {
    name: `${name}: all variants of it`,
    steps: [
      {
        from: 'origin',
        target: '/item',
        request: ['X-V', '1'],
        origin: { fields: [...FRESH, 'Vary', 'X-V'] },
      },
      {
        from: 'origin',
        target: '/item',
        request: ['X-V', '2'],
        origin: { fields: [...FRESH, 'Vary', 'X-V'] },
      },
      done('POST', { fields: [name, '{path}/item'] }),
      { from: 'origin', target: '/item', request: ['X-V', '1'] },
      { from: 'origin', target: '/item', request: ['X-V', '2'] },
    ],
  },
])
locations.push({
  name: 'Location and Content-Location both',
  steps: [
    { from: 'origin', target: '/a', origin: { fields: FRESH } },
    { from: 'origin', target: '/b', origin: { fields: FRESH } },
    done('POST', { fields: ['Location', '{path}/a', 'Content-Location', '{path}/b'] }, '/list'),
    { from: 'origin', target: '/a' },
    { from: 'origin', target: '/b' },
  ],
})

conform('POST answers that a GET reuses (RFC 9110 9.3.3, RFC 9111 3)', posts)
conform('POST answers, with files alone', posts, FILES)
conform('invalidation (RFC 9111 4.4)', invalidation, { sliceSize: 65_536 })
conform('invalidation, with files alone', invalidation, { sliceSize: 65_536, ...FILES })
conform('invalidation by Location and Content-Location (RFC 9111 4.4)', locations)
