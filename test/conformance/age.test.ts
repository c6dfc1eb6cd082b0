import { type Behaviour, conform, date, type Fields, notReused, reused } from './behaviour.ts'

const shown = (values: string[]) => values.map((value) => JSON.stringify(value)).join(' + ')

/** Each: the values of one Age line after the other, in a response that is fresh for an hour. */
const young: [section: string, ...values: string[]][] = [
  ['5.1', '0'],
  ['5.1', '3500'],
  ['5.1: leading zeros', '0003500'],
  ['4.2.1: equal to what is left', '3590'],
  // Invalid ones are ignored.
  ['5.1: invalid, ignored', 'abc'],
  ['5.1: invalid, ignored', '-7200'],
  ['5.1: invalid, ignored', '+7200'],
  ['5.1: invalid, ignored', '7200.0'],
  ['5.1: invalid, ignored', '7200;a=b'],
  ['5.1: invalid, ignored', '"7200"'],
  ['5.1: invalid, ignored', '7200abc'],
  ['5.1: invalid, ignored', 'abc7200'],
  ['5.1: invalid, ignored', '72 00'],
  ['5.1: invalid, ignored', '0x1c20'],
  ['5.1: invalid, ignored', '7e3'],
  ['5.1: empty, ignored', ''],
  // Of several the first counts.
  ['5.1: the first of several', '0, 7200'],
  ['5.1: the first of several', '0,7200'],
  ['5.1: the first of several', '0', '7200'],
  ['5.1: the first of several, invalid', 'abc, 7200'],
  ['5.1: the first of several, invalid', 'abc', '7200'],
]

const old: typeof young = [
  ['4.2: equal to the lifetime', '3600'],
  ['5.1', '7200'],
  ['5.1: leading zeros', '007200'],
  ['1.2.2: overflow', '2147483648'],
  ['1.2.2: overflow', '99999999999999999999999999'],
  ['5.1: the first of several', '7200, 0'],
  ['5.1: the first of several', '7200,0'],
  ['5.1: the first of several', '7200 , 0'],
  ['5.1: the first of several', '7200', '0'],
  ['5.1: the first of several', '7200, abc'],
  ['5.1: the first of several', '7200', 'abc'],
  ['5.1: twice the same', '7200', '7200'],
]

const withAge = (values: string[]): Fields => [
  'Cache-Control',
  'max-age=3600',
  ...values.flatMap((value) => ['Age', value]),
]

const parsing: Behaviour[] = [
  ...young.map(([section, ...values]) =>
    reused(`Age ${shown(values)}: fresh (RFC 9111 ${section})`, withAge(values)),
  ),
  ...old.map(([section, ...values]) =>
    notReused(`Age ${shown(values)}: stale (RFC 9111 ${section})`, withAge(values)),
  ),
]

const calculating: Behaviour[] = [
  reused('a stored response is sent with its Age (RFC 9111 5.1)', ['Cache-Control', 'max-age=60'], {
    gets: { Age: /^\d$/ },
  }),
  reused('Age goes on from what came (RFC 9111 4.2.3)', ['Cache-Control', 'max-age=3600', 'Age', 1000], {
    gets: { Age: /^100\d$/ },
  }),
  {
    name: 'Age of the origin reaches the client that caused the request (RFC 9111 5.1)',
    steps: [
      {
        from: 'origin',
        origin: { fields: ['Cache-Control', 'max-age=3600', 'Age', 1000] },
        gets: { Age: /^100\d$/ },
      },
    ],
  },
  {
    name: 'Age grows while it is stored (RFC 9111 4.2.3)',
    steps: [
      { from: 'origin', origin: { fields: ['Cache-Control', 'max-age=3600', 'Age', 30] } },
      { from: 'cache', wait: 2, gets: { Age: 32 } },
    ],
  },
  {
    name: 'an Age is sent to HEAD, in a 304 and in a 206 (RFC 9111 5.1)',
    steps: [
      {
        from: 'origin',
        origin: { fields: ['Cache-Control', 'max-age=3600', 'Age', 100, 'ETag', '"a"'], body: 'abcdef' },
      },
      { from: 'cache', method: 'HEAD', gets: { Age: /^10\d$/ } },
      { from: 'cache', request: ['If-None-Match', '"a"'], status: 304, gets: { Age: /^10\d$/ } },
      {
        from: 'proxy',
        request: ['Range', 'bytes=1-2'],
        status: 206,
        gets: { Age: /^10\d$/, 'Content-Length': 2 },
      },
    ],
  },
  reused(
    'a Date in the past: apparent age (RFC 9111 4.2.3)',
    ['Cache-Control', 'max-age=3600', 'Date', date(-100)],
    {
      gets: { Age: /^10\d$/ },
    },
  ),
  notReused('a Date further in the past than the lifetime (RFC 9111 4.2.3)', [
    'Cache-Control',
    'max-age=60',
    'Date',
    date(-61),
  ]),
  reused(
    'the larger of Age and apparent age: Age (RFC 9111 4.2.3)',
    ['Cache-Control', 'max-age=3600', 'Date', date(-100), 'Age', 200],
    { gets: { Age: /^20\d$/ } },
  ),
  reused(
    'the larger of Age and apparent age: apparent age (RFC 9111 4.2.3)',
    ['Cache-Control', 'max-age=3600', 'Date', date(-200), 'Age', 100],
    { gets: { Age: /^20\d$/ } },
  ),
  reused(
    'a Date in the future is no age (RFC 9111 4.2.3)',
    ['Cache-Control', 'max-age=60', 'Date', date(1000)],
    { gets: { Age: /^\d$/ } },
  ),
  notReused('a Date in the future makes no old one young (RFC 9111 4.2.3)', [
    'Cache-Control',
    'max-age=60',
    'Date',
    date(1000),
    'Age',
    61,
  ]),
  {
    name: 'the time that the origin took counts (RFC 9111 4.2.3)',
    steps: [
      {
        from: 'origin',
        origin: { takes: 2, fields: ['Cache-Control', 'max-age=3600', 'Age', 10] },
      },
      { from: 'cache', gets: { Age: 12 } },
    ],
  },
  {
    name: 'an origin that takes longer than the lifetime: stale when it comes (RFC 9111 4.2.3)',
    steps: [
      { from: 'origin', origin: { takes: 2, fields: ['Cache-Control', 'max-age=1'] } },
      { from: 'origin' },
    ],
  },
  {
    name: 'a 304 begins the age anew (RFC 9111 4.3.4)',
    steps: [
      { from: 'origin', origin: { fields: ['Cache-Control', 'max-age=60', 'Age', 100, 'ETag', '"a"'] } },
      { from: 'validated', gets: { Age: /^\d?$/ } },
      { from: 'cache', gets: { Age: /^\d$/ } },
    ],
  },
  {
    name: 'Age of a 304 is the age of what it validated (RFC 9111 4.3.4)',
    steps: [
      { from: 'origin', origin: { fields: ['Cache-Control', 'max-age=60', 'Age', 100, 'ETag', '"a"'] } },
      { from: 'validated', origin: { fields: ['Age', '50'] } },
      { from: 'cache', gets: { Age: /^5\d$/ } },
    ],
  },
  {
    name: 'Age of a 304 above the lifetime: still stale (RFC 9111 4.3.4)',
    steps: [
      { from: 'origin', origin: { fields: ['Cache-Control', 'max-age=60', 'Age', 100, 'ETag', '"a"'] } },
      { from: 'validated', origin: { fields: ['Age', '61'] } },
      { from: 'validated' },
    ],
  },
  reused(
    'without a Date it counts from when it came (RFC 9110 6.6.1)',
    ['Cache-Control', 'max-age=60', 'Date', null],
    {
      gets: { Age: /^\d$/ },
    },
  ),
  reused('an invalid Date is none (RFC 9110 6.6.1)', ['Cache-Control', 'max-age=60', 'Date', 'yesterday'], {
    gets: { Age: /^\d$/ },
  }),
]

conform('how Age is read', parsing)
conform('how age is calculated', calculating)
