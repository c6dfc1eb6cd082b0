import { type Behaviour, conform, date, notReused, reused, validated } from './behaviour.ts'

const DAY = 86_400

const behaviours: Behaviour[] = [
  reused('a tenth of the time since the last change (RFC 9111 4.2.2)', [
    'Last-Modified',
    date(-1000),
    'Age',
    50,
  ]),
  validated('and no more (RFC 9111 4.2.2)', ['Last-Modified', date(-1000), 'Age', 101]),
  validated('a moment ago: stale at once (RFC 9111 4.2.2)', ['Last-Modified', date(0)]),
  validated('Last-Modified in the future: stale (RFC 9111 4.2.2)', ['Last-Modified', date(1000)]),
  reused('at most a day: within it (RFC 9111 4.2.2)', ['Last-Modified', date(-1000 * DAY), 'Age', DAY - 60]),
  validated('at most a day (RFC 9111 4.2.2)', ['Last-Modified', date(-1000 * DAY), 'Age', DAY + 1]),
  // Since the change until the Date of the response: our clock has nothing to do with it.
  reused('a Date in the past: its age is less than the tenth (RFC 9111 4.2.2)', [
    'Date',
    date(-100),
    'Last-Modified',
    date(-2100),
  ]),
  validated('a Date in the past: its age is more than the tenth (RFC 9111 4.2.2)', [
    'Date',
    date(-300),
    'Last-Modified',
    date(-2300),
  ]),
  validated('Last-Modified after a Date in the past (RFC 9111 4.2.2)', [
    'Date',
    date(-1000),
    'Last-Modified',
    date(-500),
  ]),
  reused('without Date (RFC 9110 6.6.1)', ['Date', null, 'Last-Modified', date(-30 * DAY)]),
  {
    name: 'a query makes no difference (RFC 9111 4.2.2)',
    steps: [
      { from: 'origin', target: '?a=b', origin: { fields: ['Last-Modified', date(-30 * DAY)] } },
      { from: 'cache', target: '?a=b' },
    ],
  },
  reused('directives that say nothing of it (RFC 9111 4.2.2)', [
    'Last-Modified',
    date(-30 * DAY),
    'Cache-Control',
    'public, no-transform, must-revalidate, unknown',
  ]),
  validated('max-age=0 is explicit (RFC 9111 4.2.1)', [
    'Last-Modified',
    date(-30 * DAY),
    'Cache-Control',
    'max-age=0',
  ]),
  validated('s-maxage=0 is explicit (RFC 9111 4.2.1)', [
    'Last-Modified',
    date(-30 * DAY),
    'Cache-Control',
    's-maxage=0',
  ]),
  validated('no-cache (RFC 9111 5.2.2.4)', ['Last-Modified', date(-30 * DAY), 'Cache-Control', 'no-cache']),
  notReused('no-store (RFC 9111 5.2.2.5)', ['Last-Modified', date(-30 * DAY), 'Cache-Control', 'no-store']),
  notReused('private (RFC 9111 5.2.2.7)', ['Last-Modified', date(-30 * DAY), 'Cache-Control', 'private']),
  validated('Expires in the past is explicit (RFC 9111 4.2.1)', [
    'Last-Modified',
    date(-30 * DAY),
    'Expires',
    date(-1),
  ]),
  reused('Expires in the future is explicit (RFC 9111 4.2.1)', [
    'Last-Modified',
    date(-1),
    'Expires',
    date(60),
  ]),
  validated('Expires in the future is explicit, and its lifetime shorter (RFC 9111 4.2.1)', [
    'Last-Modified',
    date(-30 * DAY),
    'Expires',
    date(60),
    'Age',
    61,
  ]),
  validated('an ETag alone says nothing of freshness (RFC 9111 4.2.2)', ['ETag', '"a"']),
  {
    name: 'a guess after a 304 counts from its Date (RFC 9111 4.3.4)',
    steps: [
      {
        from: 'origin',
        origin: { fields: ['Last-Modified', 'Thu, 01 Jan 2015 00:00:00 GMT', 'Age', DAY + 1] },
      },
      { from: 'validated' },
      { from: 'cache' },
    ],
  },
  reused(
    'max-stale makes a guessed one last longer (RFC 9111 5.2.1.2)',
    ['Last-Modified', date(-1000), 'Age', 101],
    {
      request: ['Cache-Control', 'max-stale=1000'],
    },
  ),
]

conform('guessed lifetimes', behaviours)
