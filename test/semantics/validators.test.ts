import fc from 'fast-check'
import t from 'tap'
import type { FieldList } from '../../lib/semantics/types.ts'
import {
  combinable,
  ifRangeAllows,
  parseEtag,
  preconditions,
  sameRepresentation,
  strongMatch,
  validatorsOf,
  weakMatch,
} from '../../lib/semantics/validators.ts'
import { dateAt, headOf, received } from './heads.ts'

const ETAG = ['ETag', '"a"']
const WEAK = ['ETag', 'W/"a"']
const MODIFIED = ['Last-Modified', dateAt(-100)]

t.test('an entity-tag needs its quotes, and W/ its case', async (t) => {
  t.same(parseEtag('"a"'), { weak: false, opaque: 'a' })
  t.same(parseEtag('W/"a,b"'), { weak: true, opaque: 'a,b' })
  t.same(parseEtag('""'), { weak: false, opaque: '' })
  for (const value of ['', 'a', '"a', 'a"', 'w/"a"', '"a b"', '"a""b"', "'a'"])
    t.equal(parseEtag(value), undefined, value)
})

t.test('the comparisons of RFC 9110 section 8.8.3.2', async (t) => {
  const table: [string, string, boolean, boolean][] = [
    ['W/"1"', 'W/"1"', false, true],
    ['W/"1"', 'W/"2"', false, false],
    ['W/"1"', '"1"', false, true],
    ['"1"', '"1"', true, true],
    ['x', 'x', false, false],
  ]
  for (const [a, b, strong, weak] of table) {
    t.equal(strongMatch(a, b), strong, `${a} ${b} strong`)
    t.equal(weakMatch(a, b), weak, `${a} ${b} weak`)
  }
})

t.test('If-None-Match answers 304 by weak comparison, in lists and for *', async (t) => {
  const check = (fields: FieldList, value: string) =>
    preconditions(headOf(fields), 'GET', ['If-None-Match', value])
  t.equal(check(ETAG, '"a"'), 'not-modified')
  t.equal(check(ETAG, 'W/"a"'), 'not-modified')
  t.equal(check(WEAK, '"x", "y,z" ,"a"'), 'not-modified')
  t.equal(check(ETAG, '*'), 'not-modified')
  t.equal(check(ETAG, '"b"'), 'proceed')
  t.equal(check(ETAG, 'a'), 'proceed')
  t.equal(check(ETAG, 'b, W/b, "a"'), 'not-modified', 'garbage in front hides no match')
  t.equal(check(MODIFIED, '"a"'), 'proceed', 'nothing to match')
  t.equal(check([], '*'), 'not-modified')
})

t.test('If-Modified-Since compares dates, and Date or receipt where there is no Last-Modified', async (t) => {
  const check = (fields: FieldList, value: string) =>
    preconditions(headOf(fields), 'GET', ['If-Modified-Since', value])
  t.equal(check(MODIFIED, dateAt(-100)), 'not-modified')
  t.equal(check(MODIFIED, dateAt(-99)), 'not-modified')
  t.equal(check(MODIFIED, dateAt(-101)), 'proceed')
  t.equal(check(MODIFIED, 'yesterday'), 'proceed')
  t.equal(check([], dateAt(0)), 'not-modified')
  t.equal(check([], dateAt(-1)), 'proceed')
})

t.test('preconditions are taken in the order of RFC 9110 section 13.2.2', async (t) => {
  const head = headOf([...ETAG, ...MODIFIED])
  const check = (...request: string[]) => preconditions(head, 'GET', request)
  t.equal(check('If-None-Match', '"b"', 'If-Modified-Since', dateAt(0)), 'proceed', 'If-None-Match wins')
  t.equal(check('If-Match', '"b"', 'If-None-Match', '"a"'), 'precondition-failed')
  t.equal(check('If-Match', '"b", "a"', 'If-None-Match', '"a"'), 'not-modified')
  t.equal(check('If-Match', 'W/"a"'), 'precondition-failed', 'strong comparison')
  t.equal(check('If-Match', '*'), 'proceed')
  t.equal(check('If-Unmodified-Since', dateAt(-101)), 'precondition-failed')
  t.equal(check('If-Unmodified-Since', dateAt(-100)), 'proceed')
  t.equal(check('If-Unmodified-Since', 'never'), 'proceed')
  t.equal(check('If-Match', '"a"', 'If-Unmodified-Since', dateAt(-101)), 'proceed', 'If-Match wins')
})

t.test('preconditions count only for GET and HEAD and where the answer is a success', async (t) => {
  const request = ['If-None-Match', '"a"']
  t.equal(preconditions(headOf(ETAG), 'HEAD', request), 'not-modified')
  t.equal(preconditions(headOf(ETAG), 'POST', request), 'proceed')
  t.equal(preconditions(headOf([], { response: received(ETAG, 404) }), 'GET', request), 'proceed')
})

t.test('If-Range allows the range for the same strong validator only', async (t) => {
  const allows = (fields: FieldList, value: string) => ifRangeAllows(headOf(fields), ['If-Range', value])
  t.ok(ifRangeAllows(headOf([]), []))
  t.ok(allows(ETAG, '"a"'))
  t.notOk(allows(ETAG, '"b"'))
  t.notOk(allows(WEAK, 'W/"a"'))
  t.ok(allows(MODIFIED, dateAt(-100)))
  t.notOk(allows(MODIFIED, dateAt(-99)), 'later is not the same')
  t.notOk(allows(['Last-Modified', dateAt(0)], dateAt(0)), 'modified in the second of its Date: weak')
  t.notOk(allows(ETAG, 'nonsense'))
})

t.test('parts may be joined under a strong ETag or Last-Modified, of known length', async (t) => {
  t.ok(combinable(headOf(ETAG)))
  t.ok(combinable(headOf(MODIFIED)))
  t.ok(combinable(headOf([...WEAK, ...MODIFIED])))
  t.notOk(combinable(headOf(WEAK)))
  t.notOk(combinable(headOf([])))
  t.notOk(combinable(headOf(ETAG, { length: null })))
  t.notOk(combinable(headOf([], { response: received(ETAG, 404) })))
})

t.test('representations are the same only if everything known says so', async (t) => {
  const of = (fields: FieldList, length: number | null = 9) => validatorsOf(fields, length)
  t.ok(sameRepresentation(of(ETAG), of([...ETAG, ...MODIFIED])))
  t.ok(sameRepresentation(of(ETAG), of(ETAG, null)))
  t.notOk(sameRepresentation(of(ETAG), of(ETAG, 8)))
  t.notOk(sameRepresentation(of(ETAG), of(['ETag', '"b"'])))
  t.notOk(sameRepresentation(of([...ETAG, ...MODIFIED]), of(MODIFIED)))
  t.notOk(sameRepresentation(of([...WEAK, ...MODIFIED]), of([...ETAG, ...MODIFIED])))
  t.notOk(sameRepresentation(of(ETAG), of([...ETAG, 'Content-Encoding', 'gzip'])))
  t.ok(sameRepresentation(of([...ETAG, 'Content-Encoding', 'identity']), of(ETAG)))
  t.ok(sameRepresentation(of(MODIFIED), of(MODIFIED)))
  t.ok(sameRepresentation(of([...WEAK, ...MODIFIED]), of([...WEAK, ...MODIFIED])))
  t.notOk(sameRepresentation(of([...WEAK, ...MODIFIED]), of(['ETag', 'W/"b"', ...MODIFIED])))
  t.notOk(sameRepresentation(of(MODIFIED), of(MODIFIED, null)))
  t.notOk(sameRepresentation(of(MODIFIED), of(['Last-Modified', dateAt(-99)])))
  t.notOk(sameRepresentation(of([]), of([])))
  t.notOk(sameRepresentation(of(WEAK), of(WEAK)))
})

t.test('no text makes a condition throw', async () => {
  const head = headOf([...ETAG, ...MODIFIED])
  const alphabet = fc.string({ unit: fc.constantFrom('"', 'W/', 'a', ',', ' ', '*', '\\') })
  fc.assert(
    fc.property(alphabet, (value) => {
      for (const name of [
        'If-Match',
        'If-None-Match',
        'If-Modified-Since',
        'If-Unmodified-Since',
        'If-Range',
      ]) {
        preconditions(head, 'GET', [name, value])
        ifRangeAllows(head, [name, value])
      }
    }),
  )
})
