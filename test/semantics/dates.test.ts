import fc from 'fast-check'
import t from 'tap'
import { formatHttpDate, parseHttpDate } from '../../lib/semantics/dates.ts'

const THE_DATE = Date.UTC(1994, 10, 6, 8, 49, 37)
const NOW = Date.UTC(2026, 10, 6)

t.test('the three formats of RFC 9110 mean the same, in any case', async (t) => {
  for (const value of [
    'Sun, 06 Nov 1994 08:49:37 GMT',
    'Sunday, 06-Nov-94 08:49:37 GMT',
    'Sun Nov  6 08:49:37 1994',
    'SUN, 06 nov 1994 08:49:37 gmt',
  ]) {
    t.equal(parseHttpDate(value, NOW), THE_DATE, value)
  }
})

t.test('what differs from them is no date', async (t) => {
  for (const value of [
    '',
    '0',
    '-1',
    'Sun, 06 Nov 1994 08:49:37 UTC',
    'Sun, 06 Nov 1994 08:49:37 +0000',
    'Sun, 6 Nov 1994 08:49:37 GMT',
    'Sun, 06 Nov 94 08:49:37 GMT',
    'Sun 06 Nov 1994 08:49:37 GMT',
    'Sun,  06 Nov 1994 08:49:37 GMT',
    'Sun, 06-Nov-1994 08:49:37 GMT',
    'Sun, 06 Nov 1994 8:49:37 GMT',
    'Sun, 06 Nov 1994 08.49.37 GMT',
    'Sun, 06 Nov 1994 24:00:00 GMT',
    'Sun, 06 Nov 1994 08:60:37 GMT',
    'Sun, 06 Nov 1994 08:49:61 GMT',
    'Sun, 30 Feb 1994 08:49:37 GMT',
    'Sun, 00 Nov 1994 08:49:37 GMT',
    'Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT',
    '1994-11-06T08:49:37Z',
  ]) {
    t.equal(parseHttpDate(value), undefined, value)
  }
})

t.test('two digits of a year are at most 50 years ahead', async (t) => {
  t.equal(parseHttpDate('Friday, 01-Jan-76 00:00:00 GMT', NOW), Date.UTC(2076, 0, 1))
  t.equal(parseHttpDate('Friday, 31-Dec-76 00:00:00 GMT', NOW), Date.UTC(1976, 11, 31))
  t.equal(parseHttpDate('Tuesday, 29-Feb-00 00:00:00 GMT', NOW), Date.UTC(2000, 1, 29))
  t.equal(parseHttpDate('Friday, 01-Jan-10 00:00:00 GMT', Date.UTC(2090, 0, 1)), Date.UTC(2110, 0, 1))
})

t.test('early years and leap seconds are dates', async (t) => {
  t.ok((parseHttpDate('Mon, 01 Jan 0001 00:00:00 GMT') ?? 0) < Date.UTC(1, 0, 1))
  t.equal(parseHttpDate('Sat, 31 Dec 2016 23:59:60 GMT'), Date.UTC(2017, 0, 1))
})

t.test('every second comes back from its formatted date', async () => {
  fc.assert(
    fc.property(fc.integer({ min: -62135596800, max: 253402300799 }), (second) => {
      t.equal(parseHttpDate(formatHttpDate(second * 1000)), second * 1000)
    }),
  )
})

t.test('no text makes the parser throw', async () => {
  fc.assert(fc.property(fc.string(), (value) => void parseHttpDate(value)))
})
