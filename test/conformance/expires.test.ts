import { type Behaviour, conform, date, type Fields, notReused, reused, validated } from './behaviour.ts'

const DAY = 86_400
const YEAR = 365 * DAY

const lifetimes: Behaviour[] = [
  reused('Expires in the future (RFC 9111 5.3)', ['Expires', date(60)]),
  notReused('Expires in the past (RFC 9111 5.3)', ['Expires', date(-60)]),
  notReused('Expires now (RFC 9111 4.2)', ['Expires', date(0)]),
  validated('Expires in the past, with a validator (RFC 9111 5.3)', ['Expires', date(-60), 'ETag', '"a"']),
  reused('the name in any case (RFC 9110 5.1)', ['eXPIRES', date(60)]),
  reused('Expires is passed on (RFC 9111 5.3)', ['Expires', 'Fri, 31 Dec 2094 10:11:12 GMT'], {
    gets: { Expires: 'Fri, 31 Dec 2094 10:11:12 GMT' },
  }),
  validated('Expires in the past wins over a guess (RFC 9111 4.2.1)', [
    'Expires',
    date(-60),
    'ETag',
    '"a"',
    'Last-Modified',
    date(-30 * DAY),
  ]),
  reused('Expires in the future without Last-Modified on 302 (RFC 9111 4.2.1)', {
    status: 302,
    fields: ['Expires', date(60), 'Location', '/'],
  }),
  // The lifetime is Expires minus Date: what the two clocks have to do with each other does not matter.
  reused('a lifetime from a Date in the past, Age apart (RFC 9111 4.2.1)', [
    'Date',
    date(-30),
    'Expires',
    date(30),
  ]),
  notReused('Date and Expires both in the past (RFC 9111 4.2.1)', [
    'Date',
    date(-3600),
    'Expires',
    date(-1800),
  ]),
  notReused('Date and Expires the same, in the future (RFC 9111 4.2.1)', [
    'Date',
    date(3600),
    'Expires',
    date(3600),
  ]),
  notReused('Expires before Date, in the future (RFC 9111 4.2.1)', [
    'Date',
    date(3600),
    'Expires',
    date(1800),
  ]),
  reused('Date and Expires in the future (RFC 9111 4.2.1)', ['Date', date(3600), 'Expires', date(3660)]),
  notReused('Date and Expires in the future, Age more than their difference (RFC 9111 4.2.1)', [
    'Date',
    date(3600),
    'Expires',
    date(3660),
    'Age',
    61,
  ]),
  reused('Age less than the lifetime (RFC 9111 4.2)', ['Expires', date(3600), 'Age', 3500]),
  notReused('Age more than the lifetime (RFC 9111 4.2)', ['Expires', date(3600), 'Age', 3700]),
  reused('without Date: from when it came (RFC 9110 6.6.1)', ['Date', null, 'Expires', date(60)]),
  notReused('without Date, Expires in the past (RFC 9110 6.6.1)', ['Date', null, 'Expires', date(-60)]),
  reused('an invalid Date: from when it came (RFC 9110 6.6.1)', ['Date', 'foo', 'Expires', date(60)]),
  notReused('the first of two Expires, in the past (RFC 9111 4.2.1)', [
    'Expires',
    date(-60),
    'Expires',
    date(60),
  ]),
  reused('far in the future (RFC 9111 5.3)', ['Expires', 'Fri, 31 Dec 9999 23:59:59 GMT']),
  reused('after 2038 (RFC 9111 5.3)', ['Expires', date(20 * YEAR)]),
  reused('a year of four digits of another century (RFC 9111 5.3)', [
    'Expires',
    'Thu, 01 Jan 2150 00:00:00 GMT',
  ]),
  notReused('1970 (RFC 9111 5.3)', ['Expires', 'Thu, 01 Jan 1970 00:00:00 GMT']),
  notReused('before 1970 (RFC 9111 5.3)', ['Expires', 'Sun, 01 Jan 1950 00:00:00 GMT']),
  notReused('1601 (RFC 9111 5.3)', ['Expires', 'Mon, 01 Jan 1601 00:00:00 GMT']),
]

/** The formats that RFC 9110 section 5.6.7 obliges to read, and no others. */
const valid: [what: string, value: Fields[number]][] = [
  ['IMF-fixdate', date(DAY)],
  ['IMF-fixdate', 'Fri, 31 Dec 2094 10:11:12 GMT'],
  ['RFC 850', date(DAY, 'rfc850')],
  ['RFC 850, forty years on', date(40 * YEAR, 'rfc850')],
  ['asctime', date(DAY, 'asctime')],
  ['asctime', 'Fri Dec 31 10:11:12 2094'],
  ['asctime, a day of one digit', 'Wed Dec  1 10:11:12 2094'],
  ['a leap day', 'Sat, 29 Feb 2092 00:00:00 GMT'],
  ['the last second', 'Fri, 31 Dec 2094 23:59:59 GMT'],
  // RFC 9111 section 4.2: caches read them in any case, whatever RFC 9110 says.
  ['in any case', 'Fri, 31 Dec 2094 10:11:12 gmt'],
  ['in any case', 'fri, 31 Dec 2094 10:11:12 GMT'],
  ['in any case', 'Fri, 31 DEC 2094 10:11:12 GMT'],
  ['in any case', 'FRIDAY, 31-dec-40 10:11:12 gmt'],
  ['in any case', 'fri dec 31 10:11:12 2094'],
  ['whitespace around', '  Fri, 31 Dec 2094 10:11:12 GMT \t'],
]

const invalid: [what: string, value: string][] = [
  ['zero', '0'],
  ['minus one', '-1'],
  ['empty', ''],
  ['a word', 'never'],
  ['seconds', '3600'],
  ['seconds since the epoch', '4000000000'],
  ['ISO 8601', '2094-12-31T10:11:12Z'],
  ['ISO 8601', '2094-12-31'],
  ['RFC 5322 with a numeric zone', 'Fri, 31 Dec 2094 10:11:12 +0000'],
  ['UTC', 'Fri, 31 Dec 2094 10:11:12 UTC'],
  ['another zone', 'Fri, 31 Dec 2094 10:11:12 EST'],
  ['no zone', 'Fri, 31 Dec 2094 10:11:12'],
  ['no weekday', '31 Dec 2094 10:11:12 GMT'],
  ['a weekday in full', 'Friday, 31 Dec 2094 10:11:12 GMT'],
  ['a weekday that is none', 'Foo, 31 Dec 2094 10:11:12 GMT'],
  ['a month that is none', 'Fri, 31 Foo 2094 10:11:12 GMT'],
  ['a month in full', 'Fri, 31 December 2094 10:11:12 GMT'],
  ['a month as a number', 'Fri, 31 12 2094 10:11:12 GMT'],
  ['no comma', 'Fri 31 Dec 2094 10:11:12 GMT'],
  ['no space behind the comma', 'Fri,31 Dec 2094 10:11:12 GMT'],
  ['hyphens in IMF-fixdate', 'Fri, 31-Dec-2094 10:11:12 GMT'],
  ['several spaces', 'Fri,  31 Dec 2094 10:11:12 GMT'],
  ['several spaces', 'Fri, 31 Dec  2094 10:11:12 GMT'],
  ['a tab', 'Fri, 31\tDec 2094 10:11:12 GMT'],
  ['a day of one digit', 'Wed, 1 Dec 2094 10:11:12 GMT'],
  ['a year of two digits', 'Fri, 31 Dec 94 10:11:12 GMT'],
  ['a year of five digits', 'Fri, 31 Dec 20940 10:11:12 GMT'],
  ['an hour of one digit', 'Fri, 31 Dec 2094 1:11:12 GMT'],
  ['no seconds', 'Fri, 31 Dec 2094 10:11 GMT'],
  ['fractions of seconds', 'Fri, 31 Dec 2094 10:11:12.5 GMT'],
  ['dots in the time', 'Fri, 31 Dec 2094 10.11.12 GMT'],
  ['hour 24', 'Fri, 31 Dec 2094 24:00:00 GMT'],
  ['hour 25', 'Fri, 31 Dec 2094 25:11:12 GMT'],
  ['minute 60', 'Fri, 31 Dec 2094 10:60:12 GMT'],
  ['second 61', 'Fri, 31 Dec 2094 10:11:61 GMT'],
  ['day 32', 'Fri, 32 Dec 2094 10:11:12 GMT'],
  ['day 0', 'Fri, 00 Dec 2094 10:11:12 GMT'],
  ['30 February', 'Sat, 30 Feb 2092 00:00:00 GMT'],
  ['something behind', 'Fri, 31 Dec 2094 10:11:12 GMT foo'],
  ['something before', 'foo Fri, 31 Dec 2094 10:11:12 GMT'],
  ['in quotes', '"Fri, 31 Dec 2094 10:11:12 GMT"'],
  ['two of them', 'Fri, 31 Dec 2094 10:11:12 GMT, Fri, 31 Dec 2094 10:11:12 GMT, foo'],
  ['RFC 850 with four digits', 'Friday, 31-Dec-2094 10:11:12 GMT'],
  ['RFC 850 with a short weekday', 'Fri, 31-Dec-40 10:11:12 GMT'],
  ['asctime with a zone', 'Fri Dec 31 10:11:12 2094 GMT'],
  ['asctime, a day of one digit without its space', 'Wed Dec 1 10:11:12 2094'],
  ['a date of JavaScript', 'Fri Dec 31 2094 10:11:12 GMT+0000 (UTC)'],
]

const formats: Behaviour[] = [
  ...valid.map(([what, value]) =>
    reused(`Expires ${typeof value === 'string' ? JSON.stringify(value) : ''}: ${what} (RFC 9110 5.6.7)`, [
      'Expires',
      value,
    ]),
  ),
  ...invalid.map(([what, value]) =>
    notReused(`Expires ${JSON.stringify(value)} is a date in the past: ${what} (RFC 9111 5.3)`, [
      'Expires',
      value,
    ]),
  ),
  notReused('RFC 850: a year more than fifty years on is one of the past (RFC 9110 5.6.7)', [
    'Expires',
    date(60 * YEAR, 'rfc850'),
  ]),
  validated('an invalid Expires forbids a guess (RFC 9111 5.3)', [
    'Expires',
    '0',
    'Last-Modified',
    date(-30 * DAY),
  ]),
  validated('an empty Expires forbids a guess (RFC 9111 5.3)', [
    'Expires',
    '',
    'Last-Modified',
    date(-30 * DAY),
  ]),
  ...(['imf', 'rfc850', 'asctime'] as const).flatMap((format) => [
    reused(
      `Date as ${format}: its age (RFC 9110 5.6.7)`,
      ['Cache-Control', 'max-age=60', 'Date', date(-30, format)],
      {
        gets: { Age: /^3\d$/ },
      },
    ),
    notReused(`Date as ${format}: too old (RFC 9110 5.6.7)`, [
      'Cache-Control',
      'max-age=60',
      'Date',
      date(-70, format),
    ]),
    reused(`Last-Modified as ${format}: a guess (RFC 9110 5.6.7)`, [
      'Last-Modified',
      date(-30 * DAY, format),
    ]),
  ]),
  ...['Fri, 31 Dec 2004 10:11:12 UTC', '2004-12-31', 'Fri, 31 Dec 04 10:11:12 GMT', '1000000000', ''].map(
    (value) =>
      notReused(`Last-Modified ${JSON.stringify(value)} is none (RFC 9110 5.6.7)`, ['Last-Modified', value]),
  ),
]

conform('Expires', lifetimes)
conform('the formats of dates', formats)
