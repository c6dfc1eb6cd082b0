import t from 'tap'
import type { FieldList, Head } from '../../lib/semantics/types.ts'
import { conditionFields, conditionFor, confirmedBy } from '../../lib/semantics/validation.ts'
import { headOf, received } from './heads.ts'

const variant = (vary: string, etag: string, value: string, fields: FieldList = []): Head =>
  headOf(['Vary', vary, 'ETag', etag, ...fields], { request: { fields: [vary, value] } })

const asked = (heads: Head[], request: FieldList = []) =>
  conditionFields(conditionFor(undefined, heads, request))

t.test('where no variant is selected all with a strong ETag are offered', async (t) => {
  const heads = [variant('foo', '"a"', '1'), variant('foo', 'W/"b"', '2'), variant('foo', '"c"', '3')]
  t.same(asked(heads), ['If-None-Match', '"a", "c"'])
  const condition = conditionFor(undefined, heads, [])
  t.same(confirmedBy(condition, received(['ETag', '"c"'], 304)), { head: heads[2] })
  t.equal(confirmedBy(condition, received(['ETag', '"d"'], 304)), undefined)
  t.equal(confirmedBy(condition, received([], 304)), undefined)
})

t.test('not those for one user: an origin may give the pages of all users one ETag', async (t) => {
  for (const name of ['Cookie', 'Authorization', 'Foo, Cookie']) {
    t.same(
      asked([headOf(['Vary', name, 'ETag', '"a"'], { request: { fields: ['Cookie', 'u=1'] } })]),
      [],
      name,
    )
  }
})

t.test('not those in a coding that the client does not ask for', async (t) => {
  const gzip = [variant('Accept-Encoding', '"a"', 'gzip', ['Content-Encoding', 'gzip'])]
  t.same(asked(gzip, ['Accept-Encoding', 'br, gzip;q=0.5']), ['If-None-Match', '"a"'])
  for (const other of ['br', 'gzip;q=0', 'gzip; q=0.0', ''])
    t.same(asked(gzip, ['Accept-Encoding', other]), [], other)
})

t.test('what is stale is validated with what the client has too', async (t) => {
  const stale = headOf(['ETag', '"a"'])
  const request = ['If-None-Match', '"a", "b", W/"a"']
  const condition = conditionFor(stale, [], request)
  t.same(conditionFields(condition), ['If-None-Match', '"a", "b"'])
  t.same(confirmedBy(condition, received(['ETag', '"a"'], 304)), { head: stale })
  t.same(confirmedBy(condition, received(['ETag', '"b"'], 304)), { etag: '"b"' })
  t.equal(confirmedBy(condition, received([], 304)), undefined, 'nobody can tell which of them it means')
  const first = conditionFor(stale, [], [...request, 'If-Match', '"x"'])
  t.same(conditionFields(first), ['If-None-Match', '"a"'], 'another condition of the client comes first')
})
