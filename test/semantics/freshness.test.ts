import t from 'tap'
import { ageAt, freshness, type ReceivedResponse } from '../../lib/semantics/freshness.ts'
import type { FieldList } from '../../lib/semantics/types.ts'
import { dateAt, headOf, NOW, OPTIONS, policyFor, received } from './heads.ts'

const DAY = 24 * 60 * 60

const judge = (response: ReceivedResponse, cacheTtl = 0) =>
  freshness(response, policyFor(response), { ...OPTIONS, cacheTtl })
const of = (fields: FieldList, cacheTtl = 0, status = 200) => judge(received(fields, status), cacheTtl)
/** In seconds, as the fields are written. */
const lifetime = (fields: FieldList, cacheTtl = 0, status = 200) =>
  of(fields, cacheTtl, status).lifetime / 1000

t.test('s-maxage wins over max-age, max-age over Expires, Expires over guesses', async (t) => {
  const modified = ['Last-Modified', dateAt(-1000)]
  const expires = ['Expires', dateAt(30)]
  t.equal(lifetime(['Cache-Control', 'max-age=10, s-maxage=20', ...expires, ...modified]), 20)
  t.equal(lifetime(['Cache-Control', 'max-age=10', ...expires, ...modified]), 10)
  t.equal(lifetime(['Cache-Control', 'max-age=0', ...expires]), 0)
  t.equal(lifetime([...expires, ...modified]), 30)
  t.equal(lifetime(modified), 100)
})

t.test('an Expires that is invalid, past or doubled is stale', async (t) => {
  for (const value of ['0', '-1', 'soon', dateAt(-5)]) t.equal(lifetime(['Expires', value], 9000), 0, value)
  t.equal(lifetime(['Expires', dateAt(30), 'Expires', dateAt(60)], 9000), 0)
})

t.test('Expires counts from Date, not from our clock', async (t) => {
  const response = { ...received([]), fields: ['Date', dateAt(-100), 'Expires', dateAt(-40)] }
  t.match(judge(response), {
    lifetime: 60_000,
    initialAge: 100_000,
    freshUntil: NOW - 40_000,
  })
})

t.test('a guess is a tenth of the time since the last change, a day at most', async (t) => {
  t.equal(lifetime(['Last-Modified', dateAt(-100 * DAY)]), DAY)
  t.equal(lifetime(['Last-Modified', dateAt(50)], 5000), 0, 'modified in the future')
  t.equal(lifetime(['Last-Modified', 'nonsense'], 5000), 5, 'as without one')
  t.equal(lifetime(['Last-Modified', dateAt(-1000), 'Pragma', 'no-cache'], 5000), 0)
})

t.test('an error page that somebody wrote may be guessed at, one made up for a request not', async (t) => {
  const modified = ['Last-Modified', dateAt(-1000)]
  for (const status of [405, 414, 501]) t.equal(lifetime(modified, 5000, status), 100, `${status}`)
  for (const status of [201, 403, 502, 599]) t.equal(lifetime(modified, 5000, status), 0, `${status}`)
  t.equal(lifetime(['Cache-Control', 'public', ...modified], 0, 599), 100)
})

t.test('a targeted field replaces Cache-Control and Expires whole', async (t) => {
  const target = (value: string) =>
    lifetime(['CDN-Cache-Control', value, 'Cache-Control', 's-maxage=9, max-age=9'])
  t.equal(target('max-age=60'), 60)
  t.equal(target('max-age=0'), 0)
  t.equal(target('foo'), 0, 'nothing said, and nothing to guess from')
  for (const ignored of ['', 'max-age=1.5', 'max-age="60"', 'MAX-AGE=60', 'max-age=60,', 'max-age=60, &'])
    t.equal(target(ignored), 9, ignored)
  t.equal(lifetime(['CDN-Cache-Control', 'max-age=5', 'Expires', dateAt(99)]), 5)
})

t.test('cacheTtl is for heuristically cacheable responses that say nothing', async (t) => {
  for (const status of [200, 203, 204, 206, 300, 301, 308, 404, 410])
    t.equal(lifetime([], 5000, status), 5, `${status}`)
  for (const status of [201, 302, 400, 403, 405, 414, 500, 501, 503])
    t.equal(lifetime([], 5000, status), 0, `${status}`)
  t.equal(lifetime(['Cache-Control', 'public'], 5000, 599), 0, 'public allows a guess, not this one')
  t.equal(lifetime([], 0), 0)
})

t.test('age starts with the largest of Date, Age and the time on the wire', async (t) => {
  t.equal(of([]).initialAge, 0)
  t.equal(of(['Age', '15']).initialAge, 15_000)
  t.equal(judge({ ...received(['Age', '15']), requestTime: NOW - 2000 }).initialAge, 17_000)
  t.equal(judge({ ...received([]), fields: ['Date', dateAt(-90), 'Age', '15'] }).initialAge, 90_000)
  t.equal(judge({ ...received([]), fields: ['Date', dateAt(90)] }).initialAge, 0, 'from the future')
  t.equal(judge({ ...received([]), fields: [] }).initialAge, 0, 'without Date')
})

t.test('of an Age only a number in the first member counts', async (t) => {
  t.equal(of(['Age', '7200, 0']).initialAge, 7_200_000)
  t.equal(of(['Age', '0', 'Age', '7200']).initialAge, 0)
  for (const value of ['abc', '-7200', '7200.0', '']) t.equal(of(['Age', value]).initialAge, 0, value)
})

t.test('stale windows begin where freshness ends, unless staleness is forbidden', async (t) => {
  const windows = 'stale-while-revalidate=10, stale-if-error=20'
  const until = { staleWhileRevalidateUntil: NOW + 15_000, staleIfErrorUntil: NOW + 25_000 }
  t.match(of(['Cache-Control', `max-age=5, ${windows}`]), { ...until, mustRevalidate: false })
  t.match(of(['Cache-Control', `s-maxage=5, ${windows}`]), { ...until, mustRevalidate: true })
  for (const directive of ['must-revalidate', 'proxy-revalidate', 'no-cache']) {
    const shut = { staleWhileRevalidateUntil: 0, staleIfErrorUntil: 0 }
    t.match(of(['Cache-Control', `max-age=5, ${windows}, ${directive}`]), shut, directive)
  }
})

t.test('no-cache with a list does not bind the whole response', async (t) => {
  t.equal(of(['Cache-Control', 'no-cache']).noCache, true)
  t.equal(of(['Cache-Control', 'no-cache="a"']).noCache, false)
})

t.test('age is in whole seconds and survives a clock set back', async (t) => {
  const head = headOf(['Age', '10'])
  t.equal(ageAt(head, NOW + 1999), 11)
  t.equal(ageAt(head, NOW - 3_600_000), 0)
})
