import { type Behaviour, conform, date, type Fields, notReused, reused, validated } from './behaviour.ts'

const FRESH: Fields = ['Cache-Control', 'max-age=3600', 'ETag', '"a"']
/** A minute of an hour is left. */
const OLD: Fields = ['Cache-Control', 'max-age=3600', 'ETag', '"a"', 'Age', '3540']
/** Stale for ten seconds. */
const STALE: Fields = ['Cache-Control', 'max-age=60', 'ETag', '"a"', 'Age', '70']
const UNTAGGED: Fields = ['Cache-Control', 'max-age=3600', 'Age', '100']

const asks = (...values: string[]) => ({ request: values.flatMap((value) => ['Cache-Control', value]) })

const maxAge: Behaviour[] = [
  validated('max-age=0 validates a fresh one (RFC 9111 5.2.1.1)', FRESH, asks('max-age=0')),
  validated('max-age="0" too (RFC 9111 5.2)', FRESH, asks('max-age="0"')),
  validated('Max-Age=0 too (RFC 9111 5.2)', FRESH, asks('Max-Age=0')),
  validated('max-age=0 among others (RFC 9111 5.2)', FRESH, asks('unknown="a, b", max-age=0')),
  validated('max-age=0 on a second line (RFC 9110 5.2)', FRESH, asks('unknown', 'max-age=0')),
  notReused('max-age=0 without a validator: fetched anew (RFC 9111 5.2.1.1)', UNTAGGED, asks('max-age=0')),
  reused('max-age above the age (RFC 9111 5.2.1.1)', OLD, asks('max-age=3600')),
  validated('max-age below the age (RFC 9111 5.2.1.1)', OLD, asks('max-age=3500')),
  notReused('max-age below the age, no validator (RFC 9111 5.2.1.1)', UNTAGGED, asks('max-age=99')),
  validated('max-age above the age makes no stale one fresh (RFC 9111 5.2.1.1)', STALE, asks('max-age=3600')),
  validated('max-age: the smallest counts (RFC 9111 4.2.1)', OLD, asks('max-age=3600, max-age=10')),
  validated('max-age: what is no number counts as 0 (RFC 9111 4.2.1)', FRESH, asks('max-age=abc')),
  validated('max-age: negative counts as 0 (RFC 9111 4.2.1)', FRESH, asks('max-age=-1')),
  reused('max-age: overflow (RFC 9111 1.2.2)', OLD, asks('max-age=99999999999999999999')),
  reused('max-age in a quoted string is none (RFC 9110 5.6.4)', FRESH, asks('unknown="max-age=0, no-cache"')),
  {
    name: 'what max-age=0 brought is stored and used for others (RFC 9111 3)',
    steps: [
      { from: 'origin', origin: { fields: UNTAGGED } },
      { from: 'origin', ...asks('max-age=0'), origin: { fields: UNTAGGED } },
      { from: 'cache', bodyOf: 1 },
    ],
  },
  {
    name: 'a 304 to max-age=0 renews the stored one (RFC 9111 4.3.4)',
    steps: [
      { from: 'origin', origin: { fields: OLD } },
      { from: 'validated', ...asks('max-age=0'), origin: { fields: [...FRESH, 'X-A', 'new'] } },
      { from: 'cache', ...asks('max-age=60'), gets: { 'X-A': 'new', Age: /^\d$/ } },
    ],
  },
]

const minFresh: Behaviour[] = [
  reused('min-fresh: enough is left (RFC 9111 5.2.1.3)', OLD, asks('min-fresh=30')),
  validated('min-fresh: not enough is left (RFC 9111 5.2.1.3)', OLD, asks('min-fresh=120')),
  notReused(
    'min-fresh: not enough is left, no validator (RFC 9111 5.2.1.3)',
    UNTAGGED,
    asks('min-fresh=3550'),
  ),
  validated('min-fresh: more than the whole lifetime (RFC 9111 5.2.1.3)', FRESH, asks('min-fresh=7200')),
  validated('min-fresh: the largest counts (RFC 9111 4.2.1)', OLD, asks('min-fresh=120, min-fresh=1')),
  validated('min-fresh in any case and quoted (RFC 9111 5.2)', OLD, asks('Min-Fresh="120"')),
  reused('min-fresh=0 (RFC 9111 5.2.1.3)', OLD, asks('min-fresh=0')),
  validated('min-fresh: overflow (RFC 9111 1.2.2)', OLD, asks('min-fresh=99999999999999999999')),
  validated('min-fresh wins over max-stale (RFC 9111 5.2.1.3)', OLD, asks('min-fresh=120, max-stale')),
]

const maxStale: Behaviour[] = [
  reused('max-stale without a number: however stale (RFC 9111 5.2.1.2)', STALE, asks('max-stale')),
  reused('max-stale above the staleness (RFC 9111 5.2.1.2)', STALE, {
    ...asks('max-stale=1000'),
    gets: { Age: /^7\d$/ },
  }),
  validated('max-stale below the staleness (RFC 9111 5.2.1.2)', STALE, asks('max-stale=5')),
  validated('max-stale=0 (RFC 9111 5.2.1.2)', STALE, asks('max-stale=0')),
  validated('max-stale: what is no number counts as 0 (RFC 9111 4.2.1)', STALE, asks('max-stale=abc')),
  validated('max-stale: the smallest counts (RFC 9111 4.2.1)', STALE, asks('max-stale=1000, max-stale=5')),
  reused('max-stale in any case and quoted (RFC 9111 5.2)', STALE, asks('Max-Stale="1000"')),
  reused('max-stale with a fresh one (RFC 9111 5.2.1.2)', FRESH, asks('max-stale=0')),
  validated('max-stale does not undo max-age (RFC 9111 5.2.1.1)', STALE, asks('max-stale, max-age=10')),
  {
    name: 'max-stale: what was fresh when it came and has no validator (RFC 9111 5.2.1.2)',
    steps: [
      { from: 'origin', origin: { fields: ['Cache-Control', 'max-age=1'] } },
      { from: 'cache', wait: 2, ...asks('max-stale=60') },
      { from: 'origin' },
    ],
  },
  ...['must-revalidate', 'proxy-revalidate', 's-maxage=60', 'no-cache', 'must-revalidate, immutable'].map(
    (directive) =>
      validated(
        `max-stale: ${directive} of the response wins (RFC 9111 4.2.4)`,
        ['Cache-Control', `max-age=60, ${directive}`, 'ETag', '"a"', 'Age', '70'],
        asks('max-stale'),
      ),
  ),
]

const noCache: Behaviour[] = [
  validated('no-cache validates a fresh one (RFC 9111 5.2.1.4)', FRESH, {
    ...asks('no-cache'),
    sees: { 'If-None-Match': '"a"' },
  }),
  validated(
    'no-cache validates by Last-Modified (RFC 9111 5.2.1.4)',
    ['Cache-Control', 'max-age=3600', 'Last-Modified', date(-86_400)],
    { ...asks('no-cache'), sees: { 'If-Modified-Since': true } },
  ),
  validated('No-Cache too (RFC 9111 5.2)', FRESH, asks('No-Cache')),
  validated('no-cache among others (RFC 9111 5.2)', FRESH, asks('max-age=3600, no-cache, max-stale')),
  validated(
    'no-cache with an argument that it should not have (RFC 9111 5.2.1.4)',
    FRESH,
    asks('no-cache="x"'),
  ),
  notReused('no-cache without a validator: fetched anew (RFC 9111 5.2.1.4)', UNTAGGED, asks('no-cache')),
  {
    name: 'what no-cache brought replaces the stored one (RFC 9111 3)',
    steps: [
      { from: 'origin', origin: { fields: UNTAGGED } },
      { from: 'origin', ...asks('no-cache'), origin: { fields: UNTAGGED } },
      { from: 'cache', bodyOf: 1 },
    ],
  },
  {
    name: 'no-cache of a HEAD is heard (RFC 9111 5.2.1.4)',
    steps: [
      { from: 'origin', origin: { fields: FRESH } },
      { from: 'origin', method: 'HEAD', ...asks('no-cache'), origin: { fields: FRESH } },
    ],
  },
]

const noStore: Behaviour[] = [
  {
    name: 'no-store: the answer is not stored (RFC 9111 5.2.1.5)',
    steps: [{ from: 'origin', ...asks('no-store'), origin: { fields: FRESH } }, { from: 'origin' }],
  },
  {
    name: 'no-store in any case, among others (RFC 9111 5.2)',
    steps: [
      { from: 'origin', ...asks('max-age=60, No-Store'), origin: { fields: FRESH } },
      { from: 'origin' },
    ],
  },
  {
    name: 'no-store on a second line (RFC 9110 5.2)',
    steps: [
      { from: 'origin', ...asks('max-age=60', 'no-store'), origin: { fields: FRESH } },
      { from: 'origin' },
    ],
  },
]

const onlyIfCached: Behaviour[] = [
  {
    name: 'only-if-cached: nothing is stored (RFC 9111 5.2.1.7)',
    steps: [{ from: 'proxy', ...asks('only-if-cached'), status: 504 }],
  },
  {
    name: 'only-if-cached for HEAD: nothing is stored (RFC 9111 5.2.1.7)',
    steps: [{ from: 'proxy', method: 'HEAD', ...asks('Only-If-Cached'), status: 504 }],
  },
  reused('only-if-cached: a fresh one is stored (RFC 9111 5.2.1.7)', FRESH, asks('only-if-cached')),
  {
    name: 'only-if-cached: a stale one is stored (RFC 9111 5.2.1.7)',
    steps: [
      { from: 'origin', origin: { fields: STALE } },
      { from: 'proxy', ...asks('only-if-cached'), status: 504 },
      { from: 'validated' },
    ],
  },
  reused(
    'only-if-cached: a stale one, and max-stale (RFC 9111 5.2.1.7)',
    STALE,
    asks('only-if-cached, max-stale'),
  ),
  {
    name: 'only-if-cached: another variant is stored (RFC 9111 5.2.1.7)',
    steps: [
      { from: 'origin', request: ['X-V', '1'], origin: { fields: [...FRESH, 'Vary', 'X-V'] } },
      { from: 'proxy', request: ['X-V', '2', 'Cache-Control', 'only-if-cached'], status: 504 },
      { from: 'cache', request: ['X-V', '1', 'Cache-Control', 'only-if-cached'] },
    ],
  },
  {
    name: 'only-if-cached with no-cache (RFC 9111 5.2.1.7)',
    steps: [
      { from: 'origin', origin: { fields: FRESH } },
      { from: 'proxy', ...asks('only-if-cached, no-cache'), status: 504 },
    ],
  },
  {
    name: 'only-if-cached and a response that must always be validated (RFC 9111 5.2.1.7)',
    steps: [
      { from: 'origin', origin: { fields: ['Cache-Control', 'no-cache', 'ETag', '"a"'] } },
      { from: 'proxy', ...asks('only-if-cached'), status: 504 },
    ],
  },
  reused('only-if-cached with a condition that holds (RFC 9111 4.3.2)', FRESH, {
    request: ['Cache-Control', 'only-if-cached', 'If-None-Match', '"a"'],
    status: 304,
  }),
]

const others: Behaviour[] = [
  reused('no-transform changes nothing (RFC 9111 5.2.1.6)', FRESH, asks('no-transform')),
  reused(
    'unknown directives change nothing (RFC 9111 5.2.3)',
    FRESH,
    asks('unknown, other=1, third="a, no-cache"'),
  ),
  reused(
    'directives of responses mean nothing in requests (RFC 9111 5.2.2)',
    FRESH,
    asks('private, must-revalidate, s-maxage=0'),
  ),
  reused('an empty Cache-Control (RFC 9110 5.6.1)', FRESH, asks('')),
  {
    name: 'Cache-Control of the request reaches the origin (RFC 9111 5.2)',
    steps: [
      {
        from: 'origin',
        ...asks('max-age=10, unknown="a"'),
        sees: { 'Cache-Control': 'max-age=10, unknown="a"' },
      },
    ],
  },
]

const pragma: Behaviour[] = [
  validated('Pragma: no-cache validates a fresh one (RFC 9111 5.4)', FRESH, {
    request: ['Pragma', 'no-cache'],
  }),
  validated('Pragma: No-Cache too (RFC 9111 5.4)', FRESH, { request: ['Pragma', 'No-Cache'] }),
  validated('Pragma: no-cache among others (RFC 9111 5.4)', FRESH, { request: ['Pragma', 'a=b, no-cache'] }),
  validated('Pragma: no-cache on a second line (RFC 9110 5.2)', FRESH, {
    request: ['Pragma', 'a', 'Pragma', 'no-cache'],
  }),
  notReused('Pragma: no-cache without a validator (RFC 9111 5.4)', UNTAGGED, {
    request: ['Pragma', 'no-cache'],
  }),
  reused('Pragma: no-cache beside Cache-Control is not heard (RFC 9111 5.4)', FRESH, {
    request: ['Pragma', 'no-cache', 'Cache-Control', 'max-age=3600'],
  }),
  reused('Pragma: no-cache beside an unknown Cache-Control is not heard (RFC 9111 5.4)', FRESH, {
    request: ['Pragma', 'no-cache', 'Cache-Control', 'unknown'],
  }),
  reused('another Pragma (RFC 9111 5.4)', FRESH, { request: ['Pragma', 'foo'] }),
  reused('a Pragma that only resembles it (RFC 9111 5.4)', FRESH, { request: ['Pragma', 'xno-cache'] }),
  reused('Pragma: no-store is none (RFC 9111 5.4)', FRESH, { request: ['Pragma', 'no-store, max-age=0'] }),
  reused('Pragma: no-cache of a response says nothing beside max-age (RFC 9111 5.4)', [
    ...FRESH,
    'Pragma',
    'no-cache',
  ]),
  reused('Pragma: no-cache of a response says nothing beside Expires (RFC 9111 5.4)', [
    'Expires',
    date(60),
    'Pragma',
    'no-cache',
  ]),
  validated('Pragma: no-cache of a response forbids a guessed lifetime (RFC 9111 4.2.2)', [
    'Last-Modified',
    date(-86_400),
    'Pragma',
    'no-cache',
  ]),
  reused(
    'another Pragma of a response does not (RFC 9111 5.4)',
    ['Last-Modified', date(-86_400), 'Pragma', 'foo'],
    {
      gets: { Pragma: 'foo' },
    },
  ),
  {
    name: 'Pragma: no-cache with nothing stored (RFC 9111 5.4)',
    steps: [
      {
        from: 'origin',
        request: ['Pragma', 'no-cache'],
        sees: { Pragma: 'no-cache' },
        origin: { fields: FRESH },
      },
      { from: 'cache' },
    ],
  },
]

conform('max-age of requests', maxAge)
conform('min-fresh', minFresh)
conform('max-stale', maxStale)
conform('no-cache of requests', noCache)
conform('no-store of requests', noStore)
conform('only-if-cached', onlyIfCached)
conform('other directives of requests', others)
conform('Pragma', pragma)
