import fc from 'fast-check'
import t from 'tap'
import { MAX_DELTA_SECONDS, parseCacheControl } from '../../lib/semantics/cache-control.ts'

const maxAge = (value: string) => parseCacheControl(value).maxAge

t.test('directives are read in any case, order and spacing', async (t) => {
  const parsed = parseCacheControl(
    'PUBLIC ,,max-Age = 60,s-maxage="30", Must-Revalidate, stale-if-error=5, foo=bar',
  )
  t.match(parsed, { public: true, maxAge: 60, sMaxAge: 30, mustRevalidate: true, staleIfError: 5 })
  t.match(parsed, { noStore: false, noCache: false, private: false, minFresh: null })
  t.match(parseCacheControl('min-fresh=5, max-stale, only-if-cached'), {
    minFresh: 5,
    maxStale: MAX_DELTA_SECONDS,
    onlyIfCached: true,
  })
})

t.test('nothing stated is nothing', async (t) => {
  t.same(parseCacheControl(undefined), parseCacheControl(' , foo, "no-store", =no-store'))
})

t.test('a duration that is no number counts as 0, a huge one is capped', async (t) => {
  for (const value of ['', '=', '=-5', '=1.5', '=a3600', '=3600a', "='3600'", '=""', '="3600']) {
    t.equal(maxAge(`max-age${value}`), 0, `max-age${value}`)
  }
  t.equal(maxAge('max-age=003600'), 3600)
  t.equal(maxAge('max-age=99999999999999999999999'), MAX_DELTA_SECONDS)
  t.equal(parseCacheControl('min-fresh=x').minFresh, null)
})

t.test('of several the strictest holds', async (t) => {
  t.equal(maxAge('max-age=60, max-age=5'), 5)
  t.equal(maxAge('max-age=5, max-age=60'), 5)
  t.equal(maxAge('max-age=5, max-age=x'), 0)
  t.equal(parseCacheControl('min-fresh=5, min-fresh=60').minFresh, 60)
  t.equal(parseCacheControl('min-fresh=60, min-fresh=x').minFresh, 60)
})

t.test('a quoted string holds no directives', async (t) => {
  t.equal(maxAge('extension="max-age=3600", max-age=1'), 1)
  t.equal(maxAge('extension="a, max-age=3600"'), null)
  t.equal(maxAge('extension="a\\", max-age=3600"'), null)
})

t.test('private and no-cache keep the fields they list, and restrict all where they list none', async (t) => {
  t.same(parseCacheControl('private="Set-Cookie, X-A"').private, ['set-cookie', 'x-a'])
  t.same(parseCacheControl('no-cache=Set-Cookie').noCache, ['set-cookie'])
  t.same(parseCacheControl('private=a, private="b"').private, ['a', 'b'])
  for (const value of [
    'private',
    'private=',
    'private=""',
    'private=" , "',
    'private=a, private',
    'private, private=a',
  ]) {
    t.equal(parseCacheControl(value).private, true, value)
  }
})

const unit = fc.constantFrom(
  'max-age',
  '=',
  '"',
  '\\',
  ',',
  ' ',
  'no-cache',
  'public',
  'private',
  '5',
  '\xff',
  ';',
)
const garbage = fc.oneof(fc.string({ unit }), fc.string({ unit: 'binary' }))

t.test('nothing that is appended loosens what stands there', async () => {
  fc.assert(
    fc.property(garbage, (tail) => {
      const parsed = parseCacheControl(`no-store, private, no-cache, must-revalidate, max-age=7, ${tail}`)
      t.ok(parsed.noStore && parsed.private === true && parsed.noCache === true && parsed.mustRevalidate)
      t.ok(parsed.maxAge !== null && parsed.maxAge <= 7)
    }),
  )
})

t.test('garbage with an open quote in front hides nothing', async () => {
  fc.assert(
    fc.property(garbage, (front) => {
      t.ok(parseCacheControl(`${front.replaceAll('"', '')}, no-store`).noStore)
      t.ok(parseCacheControl(`${front.replaceAll('"', '')}x="a, no-store`).noStore)
    }),
  )
})

t.test('a field of a million characters is read', async (t) => {
  t.ok(parseCacheControl(`${'x="\\",'.repeat(166_666)}, no-store`).noStore)
  t.ok(parseCacheControl(`${' '.repeat(1_000_000)}no-store`).noStore)
})
