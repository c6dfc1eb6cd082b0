import t from 'tap'
import { get } from '../helpers/client.ts'
import { startOrigin } from '../helpers/origin.ts'
import { startProxy } from '../helpers/proxy.ts'
import { type Behaviour, conform, date, type Fields, notReused, reused, validated } from './behaviour.ts'

const FRESH: Fields = ['Cache-Control', 'max-age=3600']
const SOME_DATE = 'Thu, 01 Jan 2015 00:00:00 GMT'

/** Stored and sent again with the same value: all end-to-end fields (RFC 9111 section 3.1). */
const END_TO_END: [name: string, value: string][] = [
  ['Accept-CH', 'DPR'],
  ['Accept-Patch', 'text/x-a'],
  ['Accept-Ranges', 'bytes'],
  ['Access-Control-Allow-Origin', '*'],
  ['Access-Control-Expose-Headers', 'X-A, X-B'],
  ['Allow', 'GET, PUT'],
  ['Alt-Svc', 'h2=":443"'],
  ['Authentication-Info', 'nextnonce="a"'],
  ['Content-Disposition', 'attachment; filename="a.txt"'],
  ['Content-Encoding', 'x-own'],
  ['Content-Language', 'mi, en'],
  ['Content-Location', '/elsewhere'],
  ['Content-MD5', 'Q2hlY2sgSW50ZWdyaXR5IQ=='],
  ['Content-Range', 'bytes 0-3/9'],
  ['Content-Security-Policy', "default-src 'self'"],
  ['Content-Type', 'text/x-a; charset="utf-8"'],
  ['Content-Digest', 'sha-256=:YQ==:'],
  ['Repr-Digest', 'sha-256=:YQ==:'],
  ['ETag', '"a"'],
  ['Expires', 'Fri, 31 Dec 2094 10:11:12 GMT'],
  ['Last-Modified', 'Thu, 01 Jan 2015 00:00:00 GMT'],
  ['Link', '</a>; rel="next", </b>; rel=prev'],
  ['Location', '/there'],
  ['P3P', 'CP="a"'],
  ['Pragma', 'foo'],
  ['Referrer-Policy', 'no-referrer'],
  ['Retry-After', '120'],
  ['Server', 'slow/1.0 (test)'],
  ['Server-Timing', 'a;dur=1'],
  ['Strict-Transport-Security', 'max-age=1000'],
  ['Timing-Allow-Origin', '*'],
  ['Vary', 'X-Nothing'],
  ['WWW-Authenticate', 'Basic realm="a"'],
  ['X-Content-Type-Options', 'nosniff'],
  ['X-Frame-Options', 'DENY'],
  ['X-XSS-Protection', '1'],
  ['x-small', 'letters'],
  ["X-!#$%&'*+-.^_`|~1", 'all signs of a name'],
  ['X-Latin', 'caf\xe9'],
  ['X-Long', 'x'.repeat(4000)],
  ['X-Quoted', '"a, \\"b\\", c"'],
  ['X-Spaces', 'a  b\tc'],
  ['X-Empty', ''],
  ['Content-Foo', 'a'],
  ['Test-Field', 'a'],
  ['__proto__', 'a'],
  ['constructor', 'a'],
]

/** Never stored, never passed on (RFC 9110 section 7.6.1, RFC 9111 section 3.1). */
const HOP_BY_HOP: [name: string, value: string][] = [
  ['Keep-Alive', 'timeout=5, max=7'],
  ['Proxy-Connection', 'keep-alive'],
  ['TE', 'gzip'],
  ['Upgrade', 'HTTP/2.0'],
  ['Proxy-Authenticate', 'Basic realm="a"'],
  ['Proxy-Authentication-Info', 'nextnonce="a"'],
  ['Proxy-Authorization', 'Basic YTpi'],
]

const stored: Behaviour[] = [
  ...END_TO_END.map(
    ([name, value]): Behaviour => ({
      name: `${name}: ${value.slice(0, 60)} is stored and sent again (RFC 9111 3.1)`,
      steps: [
        { from: 'origin', origin: { fields: [...FRESH, name, value] }, gets: { [name]: value } },
        { from: 'cache', gets: { [name]: value } },
      ],
    }),
  ),
  ...HOP_BY_HOP.map(
    ([name, value]): Behaviour => ({
      name: `${name} is for one connection: not stored (RFC 9111 3.1)`,
      steps: [
        { from: 'origin', origin: { fields: [...FRESH, name, value, 'X-A', 'b'] } },
        { from: 'cache', gets: { [name]: name === 'Keep-Alive' ? /^(?!.*max=7)/ : null, 'X-A': 'b' } },
      ],
    }),
  ),
  reused(
    'several lines of a field stay several (RFC 9110 5.3)',
    [...FRESH, 'X-A', '1', 'x-a', '2', 'X-A', '1'],
    {
      gets: { 'X-A': '1, 2, 1' },
    },
  ),
  reused('Warning is not stored (RFC 9111 5.5)', [...FRESH, 'Warning', '199 - "a"', 'X-A', 'b'], {
    gets: { Warning: null, 'X-A': 'b' },
  }),
  validated(
    'Warning is not stored with what is validated (RFC 9111 5.5)',
    ['Cache-Control', 'no-cache', 'ETag', '"a"', 'Warning', '110 - "stale"'],
    { gets: { Warning: null } },
  ),
  reused('Via names us behind those that were there (RFC 9110 7.6.3)', [...FRESH, 'Via', '1.0 inner'], {
    gets: { Via: /^1\.0 inner, 1\.1 \S+$/ },
  }),
  {
    name: 'Via names us to the client that caused the request (RFC 9110 7.6.3)',
    steps: [
      {
        from: 'origin',
        origin: { fields: [...FRESH, 'Via', '1.0 inner'] },
        gets: { Via: /^1\.0 inner, 1\.1 \S+$/ },
      },
    ],
  },
  {
    name: 'Date is the one of the origin, also later (RFC 9110 6.6.1)',
    steps: [
      {
        from: 'origin',
        origin: { fields: ['Cache-Control', 'max-age=2000000000', 'Date', SOME_DATE] },
        gets: { Date: SOME_DATE },
      },
      { from: 'cache', gets: { Date: SOME_DATE } },
    ],
  },
  {
    name: 'a Date is added where there is none (RFC 9110 6.6.1)',
    steps: [
      {
        from: 'origin',
        origin: { fields: [...FRESH, 'Date', null] },
        gets: { Date: /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} [\d:]{8} GMT$/ },
      },
      { from: 'cache', gets: { Date: /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} [\d:]{8} GMT$/ } },
    ],
  },
  {
    name: 'Content-Length is right for what has no Content-Length of its own (RFC 9110 8.6)',
    steps: [
      {
        from: 'origin',
        origin: async (_request, exchange) => {
          await exchange.head({
            fields: [
              'Cache-Control',
              'max-age=60',
              'Transfer-Encoding',
              'chunked',
              'Date',
              new Date().toUTCString(),
            ],
          })
          await exchange.chunk('abc')
          await exchange.chunk('de')
          await exchange.chunk()
        },
      },
      { from: 'cache', gets: { 'Content-Length': 5, 'Transfer-Encoding': null } },
    ],
  },
  reused(
    'Content-Length is sent once (RFC 9110 8.6)',
    { fields: [...FRESH, 'Content-Length', 4], body: 'body' },
    {
      gets: { 'Content-Length': 4 },
    },
  ),
  reused(
    'Content-Range of a 200 is a field like others (RFC 9110 14.4)',
    { fields: [...FRESH, 'Content-Range', 'bytes 0-3/9'], body: 'body' },
    {
      gets: { 'Content-Range': 'bytes 0-3/9', 'Content-Length': 4 },
      status: 200,
    },
  ),
]

/** These names in Connection of a response; what they name is neither passed on nor stored (RFC 9110 section 7.6.1). */
const NOMINATIONS: [what: string, connection: string[], gone: string[]][] = [
  ['one', ['X-A'], ['X-A']],
  ['in any case', ['x-a'], ['X-A']],
  ['several', ['X-A, X-B'], ['X-A', 'X-B']],
  ['without spaces', ['X-A,X-B'], ['X-A', 'X-B']],
  ['several lines', ['X-A', 'X-B'], ['X-A', 'X-B']],
  ['with keep-alive', ['keep-alive, X-A'], ['X-A']],
  ['with close', ['close, X-A'], ['X-A']],
  ['empty members', [', ,X-A,,'], ['X-A']],
  ['one that is not there', ['X-Z, X-A'], ['X-A']],
  ['a field for all recipients, which nobody may name there', ['ETag, X-A'], ['X-A']],
]

const nominated: Behaviour[] = NOMINATIONS.map(([what, connection, gone]) => {
  const fields: Fields = [
    ...FRESH,
    ...connection.flatMap((value) => ['Connection', value]),
    ...['X-A', '1', 'X-B', '2', 'X-C', '3', 'ETag', '"a"'],
  ]
  const gets = Object.fromEntries(['X-A', 'X-B', 'X-C', 'ETag'].map((name) => [name, !gone.includes(name)]))
  return {
    name: `Connection: ${connection.join(' + ')} (${what})`,
    steps: [
      { from: 'origin', origin: { fields }, gets: { ...gets, Connection: /^(keep-alive|close)?$/i } },
      { from: 'cache', gets: { ...gets, Connection: /^(keep-alive|close)?$/i } },
    ],
  }
})

const cookies: Record<'explicit' | 'shared' | 'strip', Behaviour[]> = {
  explicit: [
    reused('with max-age: stored, the cookie too', ['Cache-Control', 'max-age=60', 'Set-Cookie', 'a=b'], {
      gets: { 'Set-Cookie': 'a=b' },
    }),
    reused('with s-maxage', ['Cache-Control', 's-maxage=60', 'Set-Cookie', 'a=b'], {
      gets: { 'Set-Cookie': 'a=b' },
    }),
    reused('with Expires', ['Expires', date(60), 'Set-Cookie', 'a=b'], { gets: { 'Set-Cookie': 'a=b' } }),
    reused(
      'with public',
      ['Cache-Control', 'public', 'Last-Modified', date(-1_000_000), 'Set-Cookie', 'a=b'],
      {
        gets: { 'Set-Cookie': 'a=b' },
      },
    ),
    reused('with CDN-Cache-Control', ['CDN-Cache-Control', 'max-age=60', 'Set-Cookie', 'a=b'], {
      gets: { 'Set-Cookie': 'a=b' },
    }),
    reused('several cookies', [...FRESH, 'Set-Cookie', 'a=b; Path=/', 'Set-Cookie', 'c=d'], {
      gets: { 'Set-Cookie': 'a=b; Path=/, c=d' },
    }),
    reused('Set-Cookie2 is a field like others', [...FRESH, 'Set-Cookie2', 'a=b'], {
      gets: { 'Set-Cookie2': 'a=b' },
    }),
    notReused('with Last-Modified only: not stored', [
      'Last-Modified',
      date(-1_000_000),
      'Set-Cookie',
      'a=b',
    ]),
    notReused('with an ETag only: not stored', ['ETag', '"a"', 'Set-Cookie', 'a=b'], {
      sees: { 'If-None-Match': null },
    }),
    notReused('with private: not stored', ['Cache-Control', 'private, max-age=60', 'Set-Cookie', 'a=b']),
    notReused('with no-store: not stored', ['Cache-Control', 'no-store', 'Set-Cookie', 'a=b']),
  ],
  shared: [
    reused('with s-maxage: stored, the cookie too', ['Cache-Control', 's-maxage=60', 'Set-Cookie', 'a=b'], {
      gets: { 'Set-Cookie': 'a=b' },
    }),
    reused('with public', ['Cache-Control', 'public, max-age=60', 'Set-Cookie', 'a=b'], {
      gets: { 'Set-Cookie': 'a=b' },
    }),
    notReused('with max-age: not stored', ['Cache-Control', 'max-age=60', 'Set-Cookie', 'a=b']),
    notReused('with Expires: not stored', ['Expires', date(60), 'Set-Cookie', 'a=b']),
    notReused('with Last-Modified: not stored', ['Last-Modified', date(-1_000_000), 'Set-Cookie', 'a=b']),
    reused('without a cookie: stored', ['Cache-Control', 'max-age=60']),
  ],
  strip: [
    'Cache-Control: max-age=60',
    'Cache-Control: public, max-age=60',
    'Cache-Control: s-maxage=60',
    'Age: 0',
  ]
    .map((line) => line.split(': '))
    .map(
      ([name, value]): Behaviour => ({
        name: `with ${name}: ${value}: stored without the cookies, which the first client gets`,
        steps: [
          {
            from: 'origin',
            origin: {
              fields: [
                name,
                value,
                'Last-Modified',
                date(-1_000_000),
                'Set-Cookie',
                'a=b',
                'set-cookie',
                'c=d',
                'X-A',
                'b',
              ],
            },
            gets: { 'Set-Cookie': 'a=b, c=d' },
          },
          { from: 'cache', gets: { 'Set-Cookie': null, 'X-A': 'b' } },
        ],
      }),
    ),
}

/** Fields for all recipients (RFC 9110 section 7.6.1): naming them there must neither hide them nor what they forbid. */
for (const name of [
  'Cache-Control',
  'Vary',
  'Set-Cookie',
  'Content-Type',
  'Date',
  'Expires',
  'Age',
  'Location',
]) {
  nominated.push(
    reused(
      `Connection: ${name} (a field for all recipients stays)`,
      {
        status: 203,
        fields: [
          ...[...FRESH, 'Connection', name, 'Vary', 'X-V', 'Set-Cookie', 'a=b', 'Content-Type', 'text/x-a'],
          ...['Date', date(-1), 'Expires', date(60), 'Age', 5, 'Location', '/x'],
        ],
      },
      { gets: { [name]: true } },
    ),
  )
}
for (const directive of ['no-store', 'private', 'no-cache']) {
  nominated.push(
    notReused(`Connection: Cache-Control (${directive} holds all the same)`, [
      ...['Cache-Control', `${directive}, max-age=60`, 'Connection', 'Cache-Control'],
    ]),
  )
}

conform('header fields in the cache', stored)
conform('what Connection names in a response (RFC 9110 7.6.1)', nominated)
conform('Set-Cookie, set_cookie: explicit', cookies.explicit)
conform('Set-Cookie, set_cookie: shared', cookies.shared, { setCookie: 'shared' })
conform('Set-Cookie, set_cookie: strip', cookies.strip, { setCookie: 'strip' })

t.test('fields keep their order, case and number in the cache (RFC 9110 5.3)', async (t) => {
  const fields = [
    'X-b',
    '1',
    'x-A',
    '2',
    'Link',
    '</a>',
    'X-B',
    '3',
    'LINK',
    '</b>',
    'Cache-Control',
    'max-age=60',
  ]
  const origin = await startOrigin(t, (_request, exchange) => exchange.respond({ fields }))
  const proxy = await startProxy(t, { upstream: origin.url })
  await get(proxy.url)
  const hit = await get(proxy.url)
  t.equal(origin.requests.length, 1)
  t.same(hit.fields.slice(0, fields.length), fields)
})
