import { type Behaviour, conform, date, notReused, reused, validated } from './behaviour.ts'

const control = (value: string) => ['Cache-Control', value]
const tagged = (value: string) => ['Cache-Control', value, 'ETag', '"a"']
/** Stale by its Age as soon as it is stored. */
const staleNow = (value: string) => ['Cache-Control', `max-age=60, ${value}`, 'Age', '70', 'ETag', '"a"']
const LAST_WEEK = date(-7 * 86_400)

const lifetimes: Behaviour[] = [
  reused('max-age: reused within the lifetime (RFC 9111 5.2.2.1)', control('max-age=3600')),
  reused('max-age: a part of the lifetime has gone (RFC 9111 4.2)', [
    ...control('max-age=3600'),
    'Age',
    3590,
  ]),
  notReused('max-age: the lifetime has gone (RFC 9111 4.2)', [...control('max-age=3600'), 'Age', 3600]),
  notReused('max-age: long ago (RFC 9111 4.2)', [...control('max-age=3600'), 'Age', 12_000]),
  {
    name: 'max-age: reused before and not after the lifetime has passed (RFC 9111 4.2)',
    steps: [
      { from: 'origin', origin: { fields: control('max-age=4') } },
      { from: 'cache' },
      { from: 'origin', wait: 4 },
    ],
  },
  validated('max-age=0 with a validator is validated (RFC 9111 5.2.2.1)', tagged('max-age=0')),
  notReused('nothing about freshness and no cache_ttl: not reused (RFC 9111 4.2)', []),
  validated('nothing about freshness but a validator: validated (RFC 9111 4.2)', ['ETag', '"a"']),
  reused('max-age wins over Expires in the past (RFC 9111 4.2.1)', [
    ...control('max-age=60'),
    'Expires',
    date(-60),
  ]),
  notReused('max-age=0 wins over Expires in the future (RFC 9111 4.2.1)', [
    ...control('max-age=0'),
    'Expires',
    date(60),
  ]),
  reused('max-age wins over an invalid Expires (RFC 9111 4.2.1)', [...control('max-age=60'), 'Expires', '0']),
  notReused('an invalid max-age is not replaced by Expires (RFC 9111 4.2.1)', [
    ...control('max-age=x'),
    'Expires',
    date(60),
  ]),
  validated('an invalid max-age is not replaced by a guess (RFC 9111 4.2.1)', [
    ...control('max-age=x'),
    'Last-Modified',
    LAST_WEEK,
  ]),
  validated('max-age=0 is not replaced by a guess (RFC 9111 4.2.1)', [
    ...control('max-age=0'),
    'Last-Modified',
    LAST_WEEK,
  ]),
  reused('s-maxage (RFC 9111 5.2.2.10)', control('s-maxage=60')),
  reused('s-maxage in any case (RFC 9111 5.2.2.10)', control('S-MaxAge=60')),
  reused('s-maxage wins over max-age=0 (RFC 9111 5.2.2.10)', control('max-age=0, s-maxage=60')),
  notReused('s-maxage=0 wins over max-age (RFC 9111 5.2.2.10)', control('s-maxage=0, max-age=60')),
  reused('s-maxage wins over Expires in the past (RFC 9111 5.2.2.10)', [
    ...control('s-maxage=60'),
    'Expires',
    date(-60),
  ]),
  notReused('s-maxage=0 wins over Expires (RFC 9111 5.2.2.10)', [
    ...control('s-maxage=0'),
    'Expires',
    date(60),
  ]),
  notReused('s-maxage: the lifetime has gone (RFC 9111 5.2.2.10)', [
    ...control('s-maxage=60, max-age=3600'),
    'Age',
    61,
  ]),
  reused('Cache-Control without a lifetime leaves Expires (RFC 9111 4.2.1)', [
    ...control('public'),
    'Expires',
    date(60),
  ]),
]

const noStore: Behaviour[] = [
  notReused('no-store (RFC 9111 5.2.2.5)', control('no-store')),
  notReused('no-store with max-age (RFC 9111 5.2.2.5)', control('no-store, max-age=60')),
  notReused('no-store with Expires (RFC 9111 5.2.2.5)', [...control('no-store'), 'Expires', date(60)]),
  notReused('no-store with Last-Modified (RFC 9111 5.2.2.5)', [
    ...control('no-store'),
    'Last-Modified',
    LAST_WEEK,
  ]),
  {
    name: 'no-store: not even a validator is kept (RFC 9111 5.2.2.5)',
    steps: [
      { from: 'origin', origin: { fields: tagged('no-store, max-age=60') } },
      { from: 'origin', sees: { 'If-None-Match': null, 'If-Modified-Since': null } },
    ],
  },
  {
    name: 'no-store of a newer answer ends the use of the older one that it replaces (RFC 9111 4)',
    steps: [
      { from: 'origin', origin: { fields: control('max-age=0, stale-if-error=60') } },
      { from: 'origin', origin: { fields: control('no-store') } },
      { from: 'origin' },
    ],
  },
]

const noCache: Behaviour[] = [
  validated('no-cache: stored and validated (RFC 9111 5.2.2.4)', tagged('no-cache'), {
    sees: { 'If-None-Match': '"a"' },
  }),
  validated('no-cache with max-age: validated (RFC 9111 5.2.2.4)', tagged('no-cache, max-age=60')),
  validated('no-cache with s-maxage: validated (RFC 9111 5.2.2.4)', tagged('no-cache, s-maxage=60')),
  validated('no-cache with Expires: validated (RFC 9111 5.2.2.4)', [
    ...tagged('no-cache'),
    'Expires',
    date(60),
  ]),
  validated('no-cache with Last-Modified only: validated (RFC 9111 5.2.2.4)', [
    ...control('no-cache'),
    'Last-Modified',
    LAST_WEEK,
  ]),
  notReused('no-cache without a validator: fetched anew (RFC 9111 5.2.2.4)', control('no-cache, max-age=60')),
  validated('no-cache: max-stale does not help (RFC 9111 5.2.2.4)', tagged('no-cache, max-age=60'), {
    request: control('max-stale'),
  }),
  validated(
    'no-cache with immutable: validated (RFC 9111 5.2.2.4)',
    tagged('no-cache, max-age=60, immutable'),
  ),
  {
    name: 'no-cache: each time (RFC 9111 5.2.2.4)',
    steps: [
      { from: 'origin', origin: { fields: tagged('no-cache, max-age=60') } },
      { from: 'validated', origin: { fields: tagged('no-cache, max-age=60') } },
      { from: 'validated', origin: { fields: tagged('no-cache, max-age=60') } },
    ],
  },
  {
    name: 'no-cache: a 304 may take it back (RFC 9111 3.2)',
    steps: [
      { from: 'origin', origin: { fields: tagged('no-cache, max-age=60') } },
      { from: 'validated', origin: { fields: tagged('max-age=60') } },
      { from: 'cache' },
    ],
  },
  {
    name: 'no-cache: a 304 may bring it (RFC 9111 3.2)',
    steps: [
      { from: 'origin', origin: { fields: tagged('max-age=0') } },
      { from: 'validated', origin: { fields: tagged('no-cache, max-age=60') } },
      { from: 'validated' },
    ],
  },
  {
    name: 'no-cache and a changed representation: the new one (RFC 9111 5.2.2.4)',
    steps: [
      { from: 'origin', origin: { fields: tagged('no-cache') } },
      {
        from: 'origin',
        sees: { 'If-None-Match': '"a"' },
        origin: { fields: ['Cache-Control', 'max-age=60', 'ETag', '"b"'] },
      },
      { from: 'cache' },
    ],
  },
  ...(
    [
      ['no-cache="x-a"', 'a quoted name'],
      ['no-cache=x-a', 'a token'],
      ['no-cache="X-A"', 'in any case'],
      ['no-cache="x-b, x-a"', 'several names'],
      ['no-cache=" x-a "', 'whitespace around'],
      ['no-cache="x-b", no-cache="x-a"', 'several directives'],
      ['private="x-a"', 'a quoted name'],
      ['private=x-a', 'a token'],
      ['private="X-A"', 'in any case'],
      ['private="x-b,x-a"', 'several names'],
      ['private="x-b", no-cache="x-a"', 'both directives'],
    ] as const
  ).map(([directive, what]) =>
    reused(
      `${directive}: reused without that field, ${what} (RFC 9111 5.2.2.${directive.startsWith('private') ? 7 : 4})`,
      [...control(`${directive}, max-age=60`), 'X-A', '1', 'X-C', '2'],
      { gets: { 'X-A': null, 'X-C': '2' } },
    ),
  ),
  {
    name: 'no-cache="set-cookie": the first client gets it, no other one (RFC 9111 5.2.2.4)',
    steps: [
      {
        from: 'origin',
        origin: { fields: [...control('max-age=60, no-cache="set-cookie"'), 'Set-Cookie', 'a=b'] },
        gets: { 'Set-Cookie': 'a=b' },
      },
      { from: 'cache', gets: { 'Set-Cookie': null } },
    ],
  },
]

const forms: Behaviour[] = [
  notReused('private (RFC 9111 5.2.2.7)', control('private, max-age=60')),
  notReused('private with Expires (RFC 9111 5.2.2.7)', [...control('private'), 'Expires', date(60)]),
  notReused('private with Last-Modified (RFC 9111 5.2.2.7)', [
    ...control('private'),
    'Last-Modified',
    LAST_WEEK,
  ]),
  {
    name: 'private: no validator is kept (RFC 9111 5.2.2.7)',
    steps: [
      { from: 'origin', origin: { fields: tagged('private, max-age=60') } },
      { from: 'origin', sees: { 'If-None-Match': null } },
    ],
  },
  reused('public (RFC 9111 5.2.2.9)', control('public, max-age=60')),
  notReused('public alone is no lifetime (RFC 9111 5.2.2.9)', control('public')),
  reused('must-revalidate: fresh, reused (RFC 9111 5.2.2.2)', control('must-revalidate, max-age=60')),
  validated('must-revalidate: stale, validated (RFC 9111 5.2.2.2)', staleNow('must-revalidate')),
  validated('must-revalidate: max-stale does not help (RFC 9111 5.2.2.2)', staleNow('must-revalidate'), {
    request: control('max-stale'),
  }),
  validated(
    'must-revalidate in any case: max-stale does not help (RFC 9111 5.2.2.2)',
    staleNow('Must-Revalidate'),
    {
      request: control('max-stale=1000'),
    },
  ),
  reused('proxy-revalidate: fresh, reused (RFC 9111 5.2.2.8)', control('proxy-revalidate, max-age=60')),
  validated('proxy-revalidate: max-stale does not help (RFC 9111 5.2.2.8)', staleNow('proxy-revalidate'), {
    request: control('max-stale'),
  }),
  validated('s-maxage: max-stale does not help (RFC 9111 5.2.2.10)', staleNow('s-maxage=60'), {
    request: control('max-stale'),
  }),
  validated(
    'must-revalidate with Last-Modified alone: heuristics are not forbidden, staleness is (RFC 9111 5.2.2.2)',
    [...control('must-revalidate'), 'Last-Modified', date(-100), 'Age', 50],
  ),
  reused(
    'must-understand: a known status is stored (RFC 9111 5.2.2.3)',
    control('must-understand, max-age=60'),
  ),
  reused(
    'must-understand: no-store is ignored for a known status (RFC 9111 5.2.2.3)',
    control('must-understand, no-store, max-age=60'),
  ),
  reused(
    'must-understand after no-store, in any case (RFC 9111 5.2.2.3)',
    control('no-store, Must-Understand, max-age=60'),
  ),
  reused('must-understand: no-store is ignored for 404 (RFC 9111 5.2.2.3)', {
    status: 404,
    fields: control('must-understand, no-store, max-age=60'),
  }),
  ...[299, 499, 599].flatMap((status) => [
    notReused(`must-understand: status ${status} is not stored (5.2.2.3)`, {
      status,
      fields: control('must-understand, max-age=60'),
    }),
    notReused(`must-understand: status ${status} with no-store is not stored (5.2.2.3)`, {
      status,
      fields: control('must-understand, no-store, max-age=60'),
    }),
  ]),
  notReused(
    'must-understand does not replace private (RFC 9111 5.2.2.3)',
    control('must-understand, private, max-age=60'),
  ),
  reused(
    'no-transform: the bytes and the field are passed on (RFC 9111 5.2.2.6)',
    control('no-transform, max-age=60'),
    {
      gets: { 'Cache-Control': 'no-transform, max-age=60' },
    },
  ),
  reused('immutable: reused (RFC 8246 2)', control('immutable, max-age=60')),
  reused('immutable: fresh, a reload does not validate it (RFC 8246 2)', tagged('max-age=3600, immutable'), {
    request: control('max-age=0'),
  }),
  validated('without immutable a reload validates (RFC 9111 5.2.1.1)', tagged('max-age=3600'), {
    request: control('max-age=0'),
  }),
  validated(
    'immutable: no-cache of the request validates it (RFC 8246 2)',
    tagged('max-age=3600, immutable'),
    {
      request: control('no-cache'),
    },
  ),
  validated('immutable: stale, it is validated (RFC 8246 2)', staleNow('immutable')),
  validated('immutable alone is no lifetime (RFC 8246 2)', tagged('immutable')),
  {
    name: 'all of Cache-Control reaches clients, from the origin and from the cache (RFC 9111 5.2)',
    steps: [
      {
        from: 'origin',
        origin: { fields: control('max-age=60, s-maxage=70,unknown="a, b"') },
        gets: { 'Cache-Control': 'max-age=60, s-maxage=70,unknown="a, b"' },
      },
      { from: 'cache', gets: { 'Cache-Control': 'max-age=60, s-maxage=70,unknown="a, b"' } },
    ],
  },
  {
    name: 'directives of requests in a response mean nothing (RFC 9111 5.2.1)',
    steps: [
      {
        from: 'origin',
        origin: { fields: control('max-age=60, only-if-cached, min-fresh=100, max-stale=0') },
      },
      { from: 'cache' },
    ],
  },
  {
    name: 'another query is another response (RFC 9111 2)',
    steps: [
      { from: 'origin', target: '?a', origin: { fields: control('max-age=60') } },
      { from: 'origin', target: '?b', origin: { fields: control('max-age=60') } },
      { from: 'cache', target: '?a', bodyOf: 0 },
      { from: 'cache', target: '?b', bodyOf: 1 },
    ],
  },
]

conform('lifetimes of Cache-Control', lifetimes)
conform('no-store', noStore)
conform('no-cache', noCache)
conform('who may keep and reuse it', forms)
