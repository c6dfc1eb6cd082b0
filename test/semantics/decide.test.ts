import t from 'tap'
import { decide, onlyIfCached, requestIsNoStore, staleOnError } from '../../lib/semantics/decide.ts'
import { headOf, NOW } from './heads.ts'

const of = (cacheControl: string) => headOf(['Cache-Control', cacheControl, 'ETag', '"a"'])
/** @param seconds since the response was received */
const at = (seconds: number) => NOW + seconds * 1000

t.test('fresh until the last millisecond, then to be validated', async (t) => {
  const head = of('max-age=60')
  t.equal(decide(head, [], at(0)), 'fresh')
  t.equal(decide(head, [], at(60) - 1), 'fresh')
  t.equal(decide(head, [], at(60)), 'revalidate')
})

t.test('a clock that was set back behind the time of storing makes the age unknowable', async (t) => {
  t.equal(decide(of('max-age=60'), [], at(-1)), 'fresh', 'clocks are corrected in small steps')
  t.equal(decide(of('max-age=60'), [], at(-1) - 1), 'revalidate')
})

t.test('no-cache is always validated', async (t) => {
  t.equal(decide(of('max-age=60, no-cache'), [], at(0)), 'revalidate')
  t.equal(decide(of('max-age=60, no-cache'), ['Cache-Control', 'max-stale'], at(0)), 'revalidate')
})

t.test('stale-while-revalidate serves within its window', async (t) => {
  const head = of('max-age=60, stale-while-revalidate=30')
  t.equal(decide(head, [], at(60)), 'stale-while-revalidate')
  t.equal(decide(head, [], at(90) - 1), 'stale-while-revalidate')
  t.equal(decide(head, [], at(90)), 'revalidate')
  t.equal(decide(of('max-age=60, stale-while-revalidate=30, must-revalidate'), [], at(61)), 'revalidate')
})

t.test('a request may want it fresher', async (t) => {
  const head = of('max-age=60')
  const ask = (directive: string, seconds: number) => decide(head, ['Cache-Control', directive], at(seconds))
  t.equal(ask('no-cache', 0), 'revalidate')
  t.equal(ask('max-age=0', 1), 'revalidate')
  t.equal(ask('max-age=10', 10), 'fresh')
  t.equal(ask('max-age=10', 10.001), 'revalidate')
  t.equal(ask('max-age=x', 1), 'revalidate')
  t.equal(ask('min-fresh=20', 40), 'fresh')
  t.equal(ask('min-fresh=20', 40.001), 'revalidate')
  t.equal(ask('no-transform', 10), 'fresh')
})

t.test('a request may take it staler, unless the response forbids it', async (t) => {
  const ask = (head: string, directive: string) => decide(of(head), ['Cache-Control', directive], at(70))
  t.equal(ask('max-age=60', 'max-stale=10'), 'stale')
  t.equal(ask('max-age=60', 'max-stale=9'), 'revalidate')
  t.equal(ask('max-age=60', 'max-stale'), 'stale')
  t.equal(ask('max-age=60', 'max-stale, max-age=5'), 'revalidate')
  t.equal(ask('max-age=60, must-revalidate', 'max-stale'), 'revalidate')
  t.equal(ask('s-maxage=60', 'max-stale'), 'revalidate')
})

t.test('Pragma: no-cache counts only without Cache-Control', async (t) => {
  const head = of('max-age=60')
  t.equal(decide(head, ['Pragma', 'No-Cache'], at(0)), 'revalidate')
  t.equal(decide(head, ['Pragma', 'no-cache', 'Cache-Control', 'max-age=99'], at(0)), 'fresh')
  t.equal(decide(head, ['Pragma', 'other'], at(0)), 'fresh')
})

t.test('no-store and only-if-cached of a request are seen', async (t) => {
  t.ok(requestIsNoStore(['cache-control', 'foo, NO-STORE']))
  t.notOk(requestIsNoStore([]))
  t.ok(onlyIfCached(['Cache-Control', 'only-if-cached']))
  t.notOk(onlyIfCached(['Cache-Control', 'max-age=0']))
})

t.test('what is immutable is not asked for again by a reload', async (t) => {
  const head = of('max-age=60, immutable')
  t.equal(decide(head, ['Cache-Control', 'max-age=0'], at(30)), 'fresh')
  t.equal(decide(head, ['Cache-Control', 'no-cache'], at(30)), 'revalidate')
  t.equal(decide(head, ['Cache-Control', 'max-age=0'], at(60)), 'revalidate')
})

t.test('a stale response stands in for a lost origin unless that is forbidden', async (t) => {
  t.ok(staleOnError(of('max-age=60'), [], at(1000), 'disconnected'))
  t.notOk(staleOnError(of('max-age=60'), [], at(1000), 503))
  for (const directive of ['must-revalidate', 'proxy-revalidate', 'no-cache', 's-maxage=60']) {
    t.notOk(staleOnError(of(`max-age=60, ${directive}`), [], at(1000), 'disconnected'), directive)
  }
})

t.test('stale-if-error opens a window for both failures, and closes it', async (t) => {
  const head = of('max-age=60, stale-if-error=30')
  for (const failure of ['disconnected', 500, 502, 503, 504] as const) {
    t.ok(staleOnError(head, [], at(89), failure))
    t.notOk(staleOnError(head, [], at(90), failure))
    t.notOk(staleOnError(of('max-age=60, stale-if-error=30, must-revalidate'), [], at(61), failure))
  }
  for (const status of [200, 404, 501, 505, 599]) t.notOk(staleOnError(head, [], at(61), status), `${status}`)
})

t.test('a request may ask for stale-if-error too', async (t) => {
  const request = ['Cache-Control', 'stale-if-error=30']
  t.ok(staleOnError(of('max-age=60'), request, at(89), 503))
  t.notOk(staleOnError(of('max-age=60'), request, at(90), 503))
  t.ok(staleOnError(of('max-age=60, stale-if-error=5'), request, at(89), 'disconnected'))
  t.notOk(staleOnError(of('s-maxage=60'), request, at(61), 503))
})
