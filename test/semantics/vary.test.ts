import fc from 'fast-check'
import t from 'tap'
import type { FieldList } from '../../lib/semantics/types.ts'
import { selectHead, selectingValues, variantKey, varyNames } from '../../lib/semantics/vary.ts'
import { headOf } from './heads.ts'

const varyKey = (vary: string[], request: FieldList) =>
  variantKey({ vary, varyValues: selectingValues(vary, request) })

t.test('Vary names are lower case, sorted and single', async (t) => {
  t.same(varyNames([]), [])
  t.same(varyNames(['Vary', 'Foo, Bar', 'vary', 'foo,, baz']), ['bar', 'baz', 'foo'])
  t.same(varyNames(['Vary', ' , ']), [])
})

t.test('* anywhere wins, and so does what is no field name', async (t) => {
  for (const value of ['*', '*, *', ', *', 'Foo, *', '*, Foo', 'a b', 'x-forwarded-for', '"a"']) {
    t.equal(varyNames(['Vary', 'A', 'Vary', value]), '*', value)
  }
})

t.test('requests that mean the same have the same key', async (t) => {
  const same = (name: string, a: string[], b: string[]) =>
    t.equal(varyKey([name], a), varyKey([name], b), `${a} = ${b}`)
  same('foo', ['Foo', '1', 'Foo', '2'], ['foo', ' 1 ,2'])
  same('accept-language', ['Accept-Language', 'en, de'], ['accept-language', ' De ,  eN'])
  same('accept-language', ['Accept-Language', 'de-at, de;q=1.0'], ['accept-language', 'de,de-at;q=1'])
  same('accept-encoding', ['Accept-Encoding', 'gzip, br;q=0.5'], ['accept-encoding', 'br; q=0.5,gzip'])
})

t.test('requests that may mean something else do not', async (t) => {
  const differ = (names: string[], a: string[], b: string[]) =>
    t.not(varyKey(names, a), varyKey(names, b), `${a} != ${b}`)
  differ(['foo'], [], ['Foo', ''])
  differ(['foo'], ['Foo', 'a'], ['Foo', 'A'])
  differ(['foo'], ['Foo', 'a,b'], ['Foo', 'b,a'])
  differ(['a', 'b'], ['A', '1'], ['B', '1'])
  differ(['a', 'b'], ['A', '1-'], ['A', '1', 'B', ''])
  differ(['a', 'b'], ['A', 'x', 'B', '1:y'], ['A', 'x1:y'])
})

t.test('values never run into each other', async (t) => {
  const value = fc.option(fc.string({ unit: fc.constantFrom('a', '1', ':', '-'), maxLength: 5 }), {
    nil: null,
  })
  const fieldsOf = (a: string | null, b: string | null) => [
    ...(a === null ? [] : ['a', a]),
    ...(b === null ? [] : ['b', b]),
  ]
  fc.assert(
    fc.property(value, value, value, value, (a, b, c, d) => {
      const equal = varyKey(['a', 'b'], fieldsOf(a, b)) === varyKey(['a', 'b'], fieldsOf(c, d))
      t.equal(equal, a === c && b === d)
    }),
  )
})

t.test('the latest of the matching heads is selected', async (t) => {
  const vary = ['Vary', 'Foo']
  const one = headOf(vary, { request: { fields: ['Foo', '1'] } })
  const two = headOf(vary, { request: { fields: ['Foo', '2'] } })
  const plain = headOf([])
  t.equal(selectHead([], []), undefined)
  t.equal(selectHead([plain], ['Foo', '1']), plain)
  t.equal(selectHead([one, two], ['foo', '2']), two)
  t.equal(selectHead([one, two], []), undefined)
  const later = { ...one, date: one.date + 5000 }
  t.equal(selectHead([later, one], ['Foo', '1']), later)
  const sameDate = { ...one, responseTime: one.responseTime + 1 }
  t.equal(selectHead([one, sameDate], ['Foo', '1']), sameDate)
  const sameMoment = { ...one, order: one.order + 1 }
  t.equal(selectHead([one, sameMoment], ['Foo', '1']), sameMoment)
  t.equal(selectHead([sameMoment, one], ['Foo', '1']), sameMoment)
})

t.test('a stored language is selected by a request that wants it most, and it alone', async (t) => {
  const request = { fields: ['Accept-Language', 'en, de'] }
  const german = headOf(['Vary', 'Accept-Language', 'Content-Language', 'DE'], { request })
  const selects = (value: string) => selectHead([german], ['Accept-Language', value]) === german
  for (const value of ['de, en', 'de', 'fr;q=0.5, de;q=1.0', 'de;q=0.8, fr;q=0.7'])
    t.ok(selects(value), value)
  for (const value of ['de, fr', 'fr, de;q=0.9', 'de-at', 'de;q=0', '*', '', 'de;q=0.5, fr;q=x'])
    t.notOk(selects(value), value)
  const two = headOf(['Vary', 'Accept-Language', 'Content-Language', 'de, en'], { request })
  t.equal(selectHead([two], ['Accept-Language', 'de']), undefined)
  const both = headOf(['Vary', 'Accept-Language, Foo', 'Content-Language', 'de'], { request })
  t.equal(selectHead([both], ['Accept-Language', 'de', 'Foo', '1']), undefined)
})
