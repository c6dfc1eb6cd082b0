import { type Behaviour, conform, date, type Fields, type Step } from './behaviour.ts'

const FRESH: Fields = ['Cache-Control', 'max-age=3600']
const STALE: Fields = ['Cache-Control', 'max-age=60', 'Age', 61]
const TAG: Fields = ['ETag', '"a"']
const STAMPED: Fields = ['Last-Modified', 'Thu, 01 Jan 2015 00:00:00 GMT']

/** A 304 with `[name, second]` renews a response with `[name, first]`: what clients get, then and from the cache. */
const field = (
  name: string,
  first: string | null,
  second: string | null,
  expected: string | null,
  validator: Fields = TAG,
): Behaviour => {
  const gets = { [name]: expected }
  const shown = `${first ?? 'none'}, then ${second ?? 'none'}, gives ${expected ?? 'none'}`
  return {
    name: `${name}: ${shown}, by ${validator[0]} (RFC 9111 3.2)`,
    steps: [
      { from: 'origin', origin: { fields: [...STALE, ...validator, name, first], body: 'body' } },
      { from: 'validated', origin: { fields: [...FRESH, ...validator, name, second] }, gets },
      { from: 'cache', gets },
    ],
  }
}

/** Not to be kept any more. Whether the client gets what was stored or the origin is asked for the whole is ours to choose. */
const forbidden = (directives: string): Step => ({
  from: 'proxy',
  asked: 'any',
  status: 200,
  origin: async (request, exchange) => {
    const status = request.header('if-none-match') === undefined ? 200 : 304
    await exchange.respond({ status, fields: ['Cache-Control', directives, 'ETag', '"a"'] })
  },
})

/** All of these are renewed. */
const RENEWED = [
  'Accept-Ranges',
  'Allow',
  'Content-Disposition',
  'Content-Language',
  'Content-Location',
  'Content-Security-Policy',
  'Content-Type',
  'Link',
  'P3P',
  'Server',
  'Strict-Transport-Security',
  'X-Content-Type-Options',
  'X-Frame-Options',
  'X-Test',
  'X-XSS-Protection',
  'Access-Control-Allow-Origin',
  'Clear-Site-Data',
  'Content-Foo',
  'Public-Key-Pins',
  'Set-Cookie',
  'Set-Cookie2',
]

const updated: Behaviour[] = [
  ...RENEWED.flatMap((name) => [field(name, 'a', 'b', 'b'), field(name, 'a', 'b', 'b', STAMPED)]),
  field('X-Test', 'a', null, 'a'),
  field('X-Test', null, 'b', 'b'),
  field('X-Test', 'a', '', ''),
  {
    name: 'all lines of a field give way to all lines of the new one (RFC 9111 3.2)',
    steps: [
      { from: 'origin', origin: { fields: [...STALE, ...TAG, 'X-A', '1', 'X-A', '2'] } },
      { from: 'validated', origin: { fields: [...FRESH, ...TAG, 'x-a', '3', 'X-a', '4', 'X-A', '5'] } },
      { from: 'cache', gets: { 'X-A': '3, 4, 5' } },
    ],
  },
  {
    name: 'Cache-Control, Expires and Date are renewed (RFC 9111 3.2)',
    steps: [
      {
        from: 'origin',
        origin: {
          fields: [
            'Cache-Control',
            'max-age=1',
            ...TAG,
            'Expires',
            '0',
            'Date',
            'Thu, 01 Jan 2015 00:00:00 GMT',
          ],
        },
      },
      {
        from: 'validated',
        origin: { fields: [...FRESH, ...TAG, 'Expires', 'Fri, 31 Dec 2094 10:11:12 GMT', 'Date', date(-10)] },
      },
      {
        from: 'cache',
        gets: {
          'Cache-Control': 'max-age=3600',
          Expires: 'Fri, 31 Dec 2094 10:11:12 GMT',
          Date: /20[2-9]\d/,
          Age: /^1\d$/,
        },
      },
    ],
  },
  {
    name: 'a lifetime that the 304 does not repeat holds on, from its Date (RFC 9111 4.3.4)',
    steps: [
      { from: 'origin', origin: { fields: [...STALE, ...TAG] } },
      { from: 'validated', origin: { fields: TAG } },
      { from: 'cache', gets: { 'Cache-Control': 'max-age=60' } },
    ],
  },
  {
    name: 'Expires that the 304 does not repeat stays in the past (RFC 9111 4.3.4)',
    steps: [
      { from: 'origin', origin: { fields: ['Expires', date(-10), ...TAG] } },
      { from: 'validated', origin: { fields: TAG } },
      { from: 'validated' },
    ],
  },
  {
    name: 'a 304 that is stale itself: validated each time (RFC 9111 4.3.4)',
    steps: [
      { from: 'origin', origin: { fields: [...STALE, ...TAG] } },
      { from: 'validated', origin: { fields: ['Cache-Control', 'max-age=0', ...TAG] } },
      { from: 'validated', origin: { fields: FRESH } },
      { from: 'cache' },
    ],
  },
  {
    name: 'a 304 that forbids to store: the client is served, nothing is kept (RFC 9111 3.2)',
    steps: [
      { from: 'origin', origin: { fields: [...STALE, ...TAG] } },
      forbidden('no-store'),
      { from: 'origin', sees: { 'If-None-Match': null } },
    ],
  },
  {
    name: 'a 304 that makes it private: the client is served, nothing is kept (RFC 9111 3.2)',
    steps: [
      { from: 'origin', origin: { fields: [...STALE, ...TAG] } },
      forbidden('private, max-age=60'),
      { from: 'origin', sees: { 'If-None-Match': null } },
    ],
  },
  {
    name: 'Vary of a 304 is renewed (RFC 9111 3.2)',
    steps: [
      { from: 'origin', request: ['X-V', '1'], origin: { fields: [...STALE, ...TAG] } },
      { from: 'validated', request: ['X-V', '1'], origin: { fields: [...FRESH, ...TAG, 'Vary', 'X-V'] } },
      { from: 'cache', request: ['X-V', '1'], gets: { Vary: 'X-V' } },
      { from: 'origin', request: ['X-V', '2'], asked: 1 },
    ],
  },
  {
    name: 'fields of the first response that no 304 repeats stay (RFC 9111 3.2)',
    steps: [
      { from: 'origin', origin: { fields: [...STALE, ...TAG, 'Content-Type', 'text/x-a', 'X-A', 'b'] } },
      {
        from: 'validated',
        origin: { fields: [...FRESH, ...TAG] },
        gets: { 'Content-Type': 'text/x-a', 'X-A': 'b' },
      },
      { from: 'cache', gets: { 'Content-Type': 'text/x-a', 'X-A': 'b' } },
    ],
  },
  {
    name: 'fields that no-cache="x-a" of a 304 names are not sent from the cache any more (RFC 9111 5.2.2.4)',
    steps: [
      { from: 'origin', origin: { fields: [...STALE, ...TAG, 'X-A', 'old', 'X-B', 'b'] } },
      { from: 'validated', origin: { fields: ['Cache-Control', 'max-age=60, no-cache="x-a"', ...TAG] } },
      { from: 'cache', gets: { 'X-A': null, 'X-B': 'b' } },
    ],
  },
  {
    name: 'fields that private="x-a" of a 304 names are not sent from the cache any more (RFC 9111 5.2.2.7)',
    steps: [
      { from: 'origin', origin: { fields: [...STALE, ...TAG, 'X-A', 'old', 'X-B', 'b'] } },
      {
        from: 'validated',
        origin: { fields: ['Cache-Control', 'max-age=60, private="x-a"', ...TAG, 'X-A', 'new'] },
      },
      { from: 'cache', gets: { 'X-A': null, 'X-B': 'b' } },
    ],
  },
  {
    name: 'a 304 without a Date renews the age all the same (RFC 9110 6.6.1)',
    steps: [
      { from: 'origin', origin: { fields: ['Cache-Control', 'max-age=60', ...TAG, 'Date', date(-100)] } },
      { from: 'validated', origin: { fields: [...TAG, 'Date', null] } },
      { from: 'cache', gets: { Age: /^\d$/ } },
    ],
  },
  {
    name: 'what Connection names in a 304 is not stored (RFC 9110 7.6.1)',
    steps: [
      { from: 'origin', origin: { fields: [...STALE, ...TAG, 'X-A', 'old'] } },
      {
        from: 'validated',
        origin: { fields: [...FRESH, ...TAG, 'Connection', 'X-A', 'X-A', 'new'] },
        gets: { 'X-A': 'old' },
      },
      { from: 'cache', gets: { 'X-A': 'old', Connection: /^(keep-alive)?$/ } },
    ],
  },
]

/** What describes the stored content stays as it is (RFC 9111 section 3.2, RFC 9110 section 8). */
const kept: Behaviour[] = [
  field('Content-Encoding', 'x-a', 'x-b', 'x-a'),
  field('Content-Encoding', null, 'x-b', null),
  field('Content-MD5', 'a', 'b', 'a'),
  field('Content-Digest', 'sha-256=:YQ==:', 'sha-256=:Yg==:', 'sha-256=:YQ==:'),
  field('Repr-Digest', 'sha-256=:YQ==:', 'sha-256=:Yg==:', 'sha-256=:YQ==:'),
  field('Content-Range', null, 'bytes 0-3/9', null),
  field('Content-Length', null, '999', '4'),
  field(
    'Last-Modified',
    'Thu, 01 Jan 2015 00:00:00 GMT',
    'Fri, 02 Jan 2015 00:00:00 GMT',
    'Thu, 01 Jan 2015 00:00:00 GMT',
  ),
  {
    name: 'Transfer-Encoding of a 304 means nothing (RFC 9112 6.1)',
    steps: [
      { from: 'origin', origin: { fields: [...STALE, ...TAG], body: 'body' } },
      {
        from: 'validated',
        origin: { fields: [...FRESH, ...TAG, 'Transfer-Encoding', 'chunked'] },
        gets: { 'Content-Length': 4, 'Transfer-Encoding': null },
      },
      { from: 'cache', gets: { 'Content-Length': 4 } },
    ],
  },
  {
    name: 'ETag: a 304 that adds a suffix to it is believed, the stored one stays',
    steps: [
      { from: 'origin', origin: { fields: [...STALE, 'ETag', '"a"'] } },
      { from: 'validated', origin: { fields: [...FRESH, 'ETag', '"a-gzip"'] }, gets: { ETag: '"a"' } },
      { from: 'cache', gets: { ETag: '"a"' } },
    ],
  },
  {
    name: 'ETag: a 304 without one is believed, the stored one stays (RFC 9111 4.3.4)',
    steps: [
      { from: 'origin', origin: { fields: [...STALE, 'ETag', '"a"'] } },
      { from: 'validated', origin: { fields: FRESH }, gets: { ETag: '"a"' } },
      { from: 'cache', gets: { ETag: '"a"' } },
    ],
  },
  {
    name: 'ETag: weak in the 304, strong stored: the stored one stays',
    steps: [
      { from: 'origin', origin: { fields: [...STALE, 'ETag', '"a"'] } },
      { from: 'validated', origin: { fields: [...FRESH, 'ETag', 'W/"a"'] }, gets: { ETag: '"a"' } },
      { from: 'cache', gets: { ETag: '"a"' } },
    ],
  },
  {
    name: 'Last-Modified: a 304 with another one is not about what is stored: asked again (RFC 9111 4.3.4)',
    steps: [
      { from: 'origin', origin: { fields: [...STALE, 'Last-Modified', 'Thu, 01 Jan 2015 00:00:00 GMT'] } },
      {
        from: 'origin',
        asked: 2,
        origin: async (request, exchange) => {
          const status = request.header('if-modified-since') === undefined ? 200 : 304
          const fields = ['Cache-Control', 'max-age=60', 'Last-Modified', 'Fri, 02 Jan 2015 00:00:00 GMT']
          await exchange.respond({ status, fields, body: status === 200 ? 'new' : '' })
        },
        sees: { 'If-Modified-Since': null },
        status: 200,
        gets: { 'Content-Length': 3 },
      },
    ],
  },
]

// Several stored responses: RFC 9111 sections 4.1 and 4.3.1.

const variant = (v: string): { request: Fields } => ({ request: ['X-V', v] })
const VARY: Fields = ['Vary', 'X-V']

const several: Behaviour[] = [
  {
    name: 'a variant that is missing: all strong ETags are offered, the chosen one is used (RFC 9111 4.3.1)',
    steps: [
      { from: 'origin', ...variant('1'), origin: { fields: [...FRESH, ...VARY, 'ETag', '"1"'] } },
      { from: 'origin', ...variant('2'), origin: { fields: [...FRESH, ...VARY, 'ETag', '"2"'] } },
      {
        from: 'validated',
        ...variant('3'),
        origin: { fields: [...FRESH, ...VARY, 'ETag', '"1"'] },
        sees: { 'If-None-Match': /(?=.*"1")(?=.*"2")/ },
        bodyOf: 0,
      },
      { from: 'cache', ...variant('3'), bodyOf: 0 },
      { from: 'cache', ...variant('2'), bodyOf: 1 },
      { from: 'cache', ...variant('1'), bodyOf: 0 },
    ],
  },
  {
    name: 'a variant that is missing: none is chosen, a third one comes (RFC 9111 4.1)',
    steps: [
      { from: 'origin', ...variant('1'), origin: { fields: [...FRESH, ...VARY, 'ETag', '"1"'] } },
      { from: 'origin', ...variant('2'), origin: { fields: [...FRESH, ...VARY, 'ETag', '"2"'] } },
      { from: 'cache', ...variant('1'), bodyOf: 0 },
      { from: 'cache', ...variant('2'), bodyOf: 1 },
    ],
  },
  {
    name: 'a variant that is missing: weak ETags are not offered',
    steps: [
      { from: 'origin', ...variant('1'), origin: { fields: [...FRESH, ...VARY, 'ETag', 'W/"1"'] } },
      { from: 'origin', ...variant('2'), sees: { 'If-None-Match': null, 'If-Modified-Since': null } },
    ],
  },
  {
    name: 'a variant that is missing: a date says nothing of other variants (RFC 9110 8.8.2.2)',
    steps: [
      {
        from: 'origin',
        ...variant('1'),
        origin: { fields: [...FRESH, ...VARY, 'Last-Modified', 'Thu, 01 Jan 2015 00:00:00 GMT'] },
      },
      { from: 'origin', ...variant('2'), sees: { 'If-None-Match': null, 'If-Modified-Since': null } },
    ],
  },
  {
    name: 'stale variants are validated by their own ETag',
    steps: [
      { from: 'origin', ...variant('1'), origin: { fields: [...STALE, ...VARY, 'ETag', '"1"'] } },
      { from: 'origin', ...variant('2'), origin: { fields: [...STALE, ...VARY, 'ETag', '"2"'] } },
      {
        from: 'validated',
        ...variant('1'),
        origin: { fields: [...FRESH, ...VARY, 'ETag', '"1"'] },
        bodyOf: 0,
        sees: { 'If-None-Match': /"1"/ },
      },
      {
        from: 'validated',
        ...variant('2'),
        origin: { fields: [...FRESH, ...VARY, 'ETag', '"2"'] },
        bodyOf: 1,
        sees: { 'If-None-Match': /"2"/ },
      },
      { from: 'cache', ...variant('1'), bodyOf: 0 },
      { from: 'cache', ...variant('2'), bodyOf: 1 },
    ],
  },
  {
    name: 'a 304 renews the variant that it names, and no other (RFC 9111 4.3.4)',
    steps: [
      { from: 'origin', ...variant('1'), origin: { fields: [...STALE, ...VARY, 'ETag', '"1"', 'X-A', '1'] } },
      { from: 'origin', ...variant('2'), origin: { fields: [...STALE, ...VARY, 'ETag', '"2"', 'X-A', '2'] } },
      {
        from: 'validated',
        ...variant('1'),
        origin: { fields: [...FRESH, ...VARY, 'ETag', '"1"', 'X-A', 'new'] },
        bodyOf: 0,
      },
      { from: 'cache', ...variant('1'), bodyOf: 0, gets: { 'X-A': 'new' } },
      {
        from: 'validated',
        ...variant('2'),
        origin: { fields: [...FRESH, ...VARY, 'ETag', '"2"'] },
        bodyOf: 1,
        gets: { 'X-A': '2' },
      },
    ],
  },
  {
    name: 'what a missing variant was answered with keeps its length and fields',
    steps: [
      {
        from: 'origin',
        ...variant('1'),
        origin: { fields: [...FRESH, ...VARY, 'ETag', '"1"', 'X-A', '1'], body: 'long body' },
      },
      {
        from: 'validated',
        ...variant('2'),
        origin: { fields: [...FRESH, ...VARY, 'ETag', '"1"'] },
        gets: { ETag: '"1"', 'X-A': '1', 'Content-Length': 9 },
      },
    ],
  },
]

conform('what a 304 renews', updated)
conform('what a 304 leaves', kept)
conform('several stored responses', several)
conform('several stored responses, with files alone', several, { l1: 0, l2: 64 * 1024 * 1024 })
