import { type Behaviour, conform, date, type Fields, notReused, reused, validated } from './behaviour.ts'

const CDN = 'CDN-Cache-Control'
const cdn = (...values: string[]): Fields => values.flatMap((value) => [CDN, value])
const shown = (values: string[]) => values.map((value) => JSON.stringify(value)).join(' + ')
const FRESH: Fields = ['Cache-Control', 'max-age=60']
const FORBIDDEN: Fields = ['Cache-Control', 'no-store']

const precedence: Behaviour[] = [
  reused('alone it is a lifetime (2.2)', cdn('max-age=60')),
  reused('the name in any case (RFC 9110 5.1)', ['cdn-CACHE-control', 'max-age=60']),
  reused('max-age wins over max-age=0 (2.2)', [...cdn('max-age=60'), 'Cache-Control', 'max-age=0']),
  reused('max-age wins over s-maxage=0 (2.2)', [...cdn('max-age=60'), 'Cache-Control', 's-maxage=0']),
  reused('max-age wins over no-store (2.2)', [...cdn('max-age=60'), ...FORBIDDEN]),
  reused('max-age wins over private (2.2)', [...cdn('max-age=60'), 'Cache-Control', 'private']),
  reused('max-age wins over no-cache (2.2)', [...cdn('max-age=60'), 'Cache-Control', 'no-cache']),
  reused('max-age wins over Expires in the past (2.2)', [...cdn('max-age=60'), 'Expires', date(-60)]),
  reused('max-age wins over an invalid Expires (2.2)', [...cdn('max-age=60'), 'Expires', '0']),
  reused('max-age wins over Pragma (2.2)', [...cdn('max-age=60'), 'Pragma', 'no-cache']),
  reused('max-age wins, the order of lines does not matter (2.2)', [...FORBIDDEN, ...cdn('max-age=60')]),
  notReused('max-age=0 wins over max-age (2.2)', [...cdn('max-age=0'), ...FRESH]),
  notReused('max-age=0 wins over Expires (2.2)', [...cdn('max-age=0'), 'Expires', date(60)]),
  validated('max-age=0 with a validator is validated (2.2)', [...cdn('max-age=0'), ...FRESH, 'ETag', '"a"']),
  notReused('no-store wins over max-age (2.2)', [...cdn('no-store'), ...FRESH]),
  notReused('private wins over max-age (2.2)', [...cdn('private'), ...FRESH]),
  // It was stored, but for a field that has no such name: Cache-Control knew better.
  notReused(
    'private with what is no list of names is private (RFC 9111 5.2.2.7)',
    cdn('private="a b", max-age=60'),
  ),
  notReused(
    'no-cache with what is no list of names is no-cache (RFC 9111 5.2.2.4)',
    cdn('no-cache="", max-age=60'),
  ),
  validated('no-cache wins over max-age (2.2)', [...cdn('no-cache, max-age=60'), ...FRESH, 'ETag', '"a"']),
  notReused('without a lifetime: that of Cache-Control does not count (2.2)', [...cdn('public'), ...FRESH]),
  notReused('without a lifetime: that of Expires does not count (2.2)', [
    ...cdn('public'),
    'Expires',
    date(60),
  ]),
  notReused('only unknown directives: nothing else counts (2.2)', [...cdn('unknown'), ...FRESH]),
  reused('only unknown directives: no-store does not count, a guess is made (2.2)', [
    ...cdn('unknown'),
    ...FORBIDDEN,
    'Last-Modified',
    date(-1_000_000),
  ]),
  validated(
    'must-revalidate is one of its directives (2.2)',
    [...cdn('max-age=60, must-revalidate'), 'Age', 61, 'ETag', '"a"'],
    {
      request: ['Cache-Control', 'max-stale'],
    },
  ),
  reused(
    'must-revalidate of Cache-Control does not count (2.2)',
    [...cdn('max-age=60'), 'Cache-Control', 'must-revalidate', 'Age', 61, 'ETag', '"a"'],
    {
      request: ['Cache-Control', 'max-stale'],
    },
  ),
  reused('s-maxage is one of its directives (2.2)', cdn('s-maxage=60')),
  notReused('s-maxage wins over max-age in it (RFC 9111 5.2.2.10)', cdn('s-maxage=0, max-age=60')),
  reused('public is one of its directives: 302 is guessed fresh', {
    status: 302,
    fields: [...cdn('public'), 'Last-Modified', date(-1_000_000)],
  }),
  reused('it is explicit freshness for any status (RFC 9111 3)', { status: 599, fields: cdn('max-age=60') }),
  notReused('Age counts (RFC 9111 4.2)', [...cdn('max-age=60'), 'Age', 61]),
  reused('immutable is one of its directives (RFC 8246)', [...cdn('max-age=60, immutable'), 'ETag', '"a"'], {
    request: ['Cache-Control', 'max-age=0'],
  }),
  reused('a request has none: it is not looked at', FRESH, { request: [CDN, 'no-cache, max-age=0'] }),
  reused('another targeted field is not ours', [...FRESH, 'Other-CDN-Cache-Control', 'no-store']),
  reused('Surrogate-Control is not ours', [...FRESH, 'Surrogate-Control', 'no-store']),
  notReused('another targeted field is not ours: no lifetime', ['Other-CDN-Cache-Control', 'max-age=60']),
  {
    name: 'clients get it, and Cache-Control unchanged (2.1)',
    steps: [
      {
        from: 'origin',
        origin: { fields: [...cdn('max-age=60'), ...FORBIDDEN] },
        gets: { [CDN]: 'max-age=60', 'Cache-Control': 'no-store' },
      },
      { from: 'cache', gets: { [CDN]: 'max-age=60', 'Cache-Control': 'no-store' } },
    ],
  },
  {
    name: 'a 304 renews it (RFC 9111 3.2)',
    steps: [
      { from: 'origin', origin: { fields: [...cdn('max-age=0'), 'ETag', '"a"', ...FRESH] } },
      { from: 'validated', origin: { fields: [...cdn('max-age=60'), 'ETag', '"a"'] } },
      { from: 'cache' },
    ],
  },
  {
    name: 'a 304 without it leaves it (RFC 9111 3.2)',
    steps: [
      { from: 'origin', origin: { fields: [...cdn('max-age=0'), 'ETag', '"a"'] } },
      { from: 'validated', origin: { fields: [...FRESH, 'ETag', '"a"'] } },
      { from: 'validated' },
    ],
  },
]

/** Read as a dictionary (RFC 9651 section 3.2): each beside a Cache-Control that forbids everything. */
const FRESH_VALUES: [what: string, ...values: string[]][] = [
  ['whitespace around members', '  max-age=60\t ,\t foo  '],
  ['no whitespace', 'foo,max-age=60'],
  [
    'unknown members of all types',
    'a, b=1, c=1.5, d="x, no-store", e=tok/en:*, f=:YQ==:, g=?0, h=(1 "a" b), max-age=60',
  ],
  ['a date and a display string', 'a=@1659578233, b=%"f%c3%bc", max-age=60'],
  ['keys of all signs', '*a_-.1=1, max-age=60'],
  ['parameters are ignored', 'max-age=60;a;b=1;c="no-store"'],
  ['parameters after whitespace', 'max-age=60; a=1;  b'],
  ['the last of two counts', 'max-age=0, max-age=60'],
  ['the last of two counts, over lines', 'max-age=0', 'max-age=60'],
  ['over several lines', 'foo', 'max-age=60', 'bar'],
  ['fifteen digits', 'max-age=999999999999999'],
  ['leading zeros', 'max-age=00060'],
]

const STALE_VALUES: typeof FRESH_VALUES = [
  ['zero', 'max-age=0'],
  ['minus zero', 'max-age=-0'],
  ['negative: zero', 'max-age=-60'],
  ['the last of two counts', 'max-age=60, max-age=0'],
  ['no-store with parameters', 'max-age=60, no-store;a=b'],
  ['no-store as the boolean it is', 'max-age=60, no-store=?1'],
  ['no-store on a second line', 'max-age=60', 'no-store'],
  ['private with a lifetime', 'private, max-age=60'],
]

/** Not a dictionary, or a known directive of the wrong type: as if the field were not there. */
const INVALID: typeof FRESH_VALUES = [
  ['empty', ''],
  ['only whitespace', '  '],
  ['a comma at the end', 'max-age=60,'],
  ['a comma at the beginning', ',max-age=60'],
  ['an empty member', 'max-age=60, , foo'],
  ['an empty line beside', '', 'max-age=60'],
  ['capitals in a key', 'Max-Age=60'],
  ['capitals in an unknown key', 'max-age=60, Foo'],
  ['a key that begins with a digit', 'max-age=60, 1a'],
  ['a space before the sign', 'max-age =60'],
  ['a space behind the sign', 'max-age= 60'],
  ['no value behind the sign', 'max-age='],
  ['two signs', 'max-age==60'],
  ['a semicolon at the end', 'max-age=60;'],
  ['a parameter in capitals', 'max-age=60;A'],
  ['a string that does not end', 'max-age=60, foo="a'],
  ['a bad escape', 'max-age=60, foo="a\\b"'],
  ['a byte sequence that does not end', 'max-age=60, foo=:YQ=='],
  ['an inner list that does not end', 'max-age=60, foo=(a b'],
  ['a boolean that is none', 'max-age=60, foo=?2'],
  ['a number with two dots', 'max-age=60, foo=1.2.3'],
  ['a plus sign', 'max-age=+60'],
  ['sixteen digits', 'max-age=9999999999999999'],
  ['letters behind a number', 'max-age=60x'],
  ['single quotes', "max-age='60'"],
  ['something behind', 'max-age=60 foo'],
  ['other than ASCII', 'max-age=60, foo="\xe9"'],
  ['an item, not a dictionary', '"max-age=60"'],
  ['invalid on a second line', 'max-age=60', '='],
  ['max-age as a string', 'max-age="60"'],
  ['max-age as a decimal', 'max-age=60.0'],
  ['max-age as a decimal', 'max-age=1.5'],
  ['max-age as a token', 'max-age=abc'],
  ['max-age as a boolean', 'max-age'],
  ['max-age as an inner list', 'max-age=(60)'],
  ['max-age as a byte sequence', 'max-age=:NjA=:'],
  ['s-maxage as a string', 'max-age=60, s-maxage="60"'],
]

const parsing: Behaviour[] = [
  ...FRESH_VALUES.map(([what, ...values]) =>
    reused(`${shown(values)} is fresh: ${what}`, [...cdn(...values), ...FORBIDDEN]),
  ),
  ...STALE_VALUES.map(([what, ...values]) =>
    notReused(`${shown(values)} is not reused: ${what}`, [...cdn(...values), ...FRESH]),
  ),
  ...INVALID.flatMap(([what, ...values]) => [
    notReused(`${shown(values)} leaves Cache-Control: no-store: ${what}`, [...cdn(...values), ...FORBIDDEN]),
    reused(`${shown(values)} leaves Cache-Control: max-age: ${what}`, [...cdn(...values), ...FRESH]),
  ]),
  ...[
    ['a comma at the end', 'no-store,'],
    ['capitals', 'No-Store'],
    ['a number', 'no-store=1'],
    ['an equals sign', 'no-store, ='],
    ['a string', 'private="x", no-store="x"'],
  ].map(([what, value]) =>
    reused(`${JSON.stringify(value)} forbids nothing, it is invalid: ${what}`, [...cdn(value), ...FRESH]),
  ),
  reused('an invalid one leaves Expires', [...cdn('max-age=x y'), 'Expires', date(60)]),
  notReused('an invalid one makes no lifetime', cdn('max-age="60"')),
]

const OURS = 'Slicestream-Cache-Control'

const ordered: Behaviour[] = [
  reused('the first of the list wins', [OURS, 'max-age=60', CDN, 'no-store', ...FORBIDDEN]),
  notReused('the first of the list wins: no-store', [CDN, 'max-age=60', OURS, 'no-store', ...FRESH]),
  reused('the second counts where the first is missing', [CDN, 'max-age=60', ...FORBIDDEN]),
  reused('the second counts where the first is empty', [OURS, '', CDN, 'max-age=60', ...FORBIDDEN]),
  reused('the second counts where the first is invalid', [
    OURS,
    'no-store,',
    CDN,
    'max-age=60',
    ...FORBIDDEN,
  ]),
  reused('neither: Cache-Control', FRESH),
  reused('both invalid: Cache-Control', [OURS, '=', CDN, '=', ...FRESH]),
  notReused('the second adds nothing to the first', [OURS, 'public', CDN, 'max-age=60', ...FRESH]),
]

const switchedOff: Behaviour[] = [
  reused('no targeted field is looked at', [...cdn('no-store'), ...FRESH]),
  notReused('no targeted field is looked at: no lifetime', [...cdn('max-age=60'), ...FORBIDDEN]),
]

conform('CDN-Cache-Control (RFC 9213)', precedence)
conform('CDN-Cache-Control is a structured field (RFC 9213 2.1, RFC 9651 3.2)', parsing)
conform('several targeted fields (RFC 9213 2.2)', ordered, { targetedCacheControl: [OURS, CDN] })
conform('no targeted fields', switchedOff, { targetedCacheControl: [] })
