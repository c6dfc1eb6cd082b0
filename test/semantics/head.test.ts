import t from 'tap'
import { decide, staleOnError } from '../../lib/semantics/decide.ts'
import { confirms, createHead, describes, freshen, outdated } from '../../lib/semantics/head.ts'
import { storable } from '../../lib/semantics/storable.ts'
import type { FieldList } from '../../lib/semantics/types.ts'
import { dateAt, headOf, NOW, OPTIONS, policyFor, received } from './heads.ts'

const LATER = 3_600_000

/** A 304 that arrives an hour after NOW. */
function notModified(fields: FieldList) {
  return {
    status: 304,
    fields: ['Date', dateAt(LATER / 1000), ...fields],
    requestTime: NOW + LATER,
    responseTime: NOW + LATER,
    order: 0,
  }
}

t.test('a head keeps the end-to-end fields that are not computed anew', async (t) => {
  const head = headOf([
    ...[
      'Connection',
      'x-hop',
      'X-Hop',
      '1',
      'Content-Length',
      '1000',
      'Age',
      '5',
      'X-Cache',
      'HIT from elsewhere',
    ],
    ...['ETag', '"a"', 'Content-Type', 'text/plain', 'Cache-Control', 'max-age=60'],
  ])
  t.same(head.fields, [
    ...['Date', dateAt(0), 'ETag', '"a"', 'Content-Type', 'text/plain', 'Cache-Control', 'max-age=60'],
  ])
  t.match(head, {
    status: 200,
    etag: '"a"',
    lastModified: null,
    contentEncoding: '',
    length: 1000,
    generation: 1,
  })
  t.match(head, { initialAge: 5000, freshUntil: NOW + 55_000 })
})

t.test('a head is plain data', async (t) => {
  const head = headOf(['ETag', '"a"', 'Vary', 'Foo'], {
    request: { fields: ['Foo', '1', 'Accept-Encoding', 'br'] },
  })
  t.same(JSON.parse(JSON.stringify(head)), head)
  t.match(head, { vary: ['foo'], varyValues: ['1'], acceptEncoding: 'br' })
  t.notOk('lifetime' in head)
})

t.test('a part becomes the whole it belongs to', async (t) => {
  const response = received(['Content-Range', 'bytes 0-9/1000', 'Content-Length', '10', 'ETag', '"a"'], 206)
  const head = headOf([], { response })
  t.equal(head.status, 200)
  t.same(head.fields, ['Date', dateAt(0), 'ETag', '"a"'])
})

t.test('fields that private or no-cache list are not kept, but Vary counts all the same', async (t) => {
  const head = headOf([
    ...['Cache-Control', 'private="x-user, vary", no-cache=Set-Cookie', 'X-User', 'me', 'Set-Cookie', 'a=b'],
    ...['Vary', 'Foo', 'X', 'y'],
  ])
  t.same(head.fields.slice(4), ['X', 'y'])
  t.same(head.vary, ['foo'])
})

t.test('a response without a valid Date gets one', async (t) => {
  const response = {
    ...received([]),
    fields: ['Date', 'today', 'A', 'b'],
    responseTime: NOW + 1500,
    order: 0,
  }
  t.same(headOf([], { response }).fields, ['A', 'b', 'Date', dateAt(1)])
})

t.test('validators that are malformed are none', async (t) => {
  t.match(headOf(['ETag', 'a', 'Last-Modified', 'x']), { etag: null, lastModified: null })
})

t.test('a 304 confirms what has its validators', async (t) => {
  const modified = ['Last-Modified', dateAt(-9)]
  const check = (stored: FieldList, answer: FieldList) => confirms(headOf(stored), notModified(answer), false)
  t.ok(check(['ETag', '"a"'], ['ETag', '"a"']))
  t.ok(check(['ETag', '"a"'], ['ETag', 'W/"a"']), 'a server that weakens it on compression')
  t.ok(check(['ETag', 'W/"a"'], ['ETag', '"a"']))
  t.notOk(check(['ETag', '"a"'], ['ETag', '"b"']))
  t.notOk(check(modified, ['ETag', '"b"', ...modified]))
  t.ok(check(modified, modified))
  t.notOk(check(modified, ['Last-Modified', dateAt(-8)]))
  t.ok(check(['ETag', '"a"'], []))
  t.ok(
    confirms(headOf(['ETag', '"a"']), notModified(['ETag', '"a-gzip"']), true),
    'the only one that was asked for',
  )
})

t.test('a 200 to HEAD describes what has the same validators and length', async (t) => {
  const stored = headOf(['ETag', '"a"', 'Last-Modified', dateAt(-9)])
  const check = (fields: FieldList) => describes(stored, received(fields))
  const same = ['ETag', '"a"', 'Last-Modified', dateAt(-9)]
  t.ok(check(same))
  t.ok(check([...same, 'Content-Length', '1000']))
  t.notOk(check([...same, 'Content-Length', '999']))
  t.notOk(check(['ETag', '"b"', 'Last-Modified', dateAt(-9)]))
  t.notOk(check(['ETag', '"a"']), 'it lacks a validator that is stored')
  t.notOk(check([]))
  t.equal(describes(headOf([]), received([])), undefined, 'nothing tells')
  t.equal(
    describes(headOf([]), received(['Content-Length', '1000'])),
    undefined,
    'many bodies have one length',
  )
  t.equal(describes(headOf([]), received(['Content-Length', '999'])), false, 'another length is another body')
})

t.test(
  'what is outdated is stale at once, and stands in for an origin that fails as long as before',
  async (t) => {
    const fresh = headOf(['Cache-Control', 'max-age=60, stale-if-error=60, stale-while-revalidate=60'])
    const head = outdated(fresh, NOW + 1000)
    t.equal(decide(head, [], NOW + 1000), 'revalidate')
    t.equal(decide(outdated(head, NOW + 5000), ['Cache-Control', 'max-stale=3'], NOW + 5000), 'revalidate')
    t.ok(staleOnError(head, [], NOW + 119_000, 503))
    t.notOk(staleOnError(head, [], NOW + 120_000, 503))
  },
)

t.test('a Last-Modified of the moment stays weak, whatever Date a 304 has', async (t) => {
  const head = headOf(['Last-Modified', dateAt(0)])
  t.notOk(head.strongLastModified)
  t.notOk(freshen(head, notModified([]), { fields: [] }, OPTIONS).head.strongLastModified)
  t.ok(headOf(['Last-Modified', dateAt(-1)]).strongLastModified)
})

t.test('a Date from the future counts as that of receipt', async (t) => {
  t.equal(headOf([], { response: { ...received([]), fields: ['Date', dateAt(3600)] } }).date, NOW)
})

t.test('Set-Cookie can be left out; Warning and the Content-Range of a part always are', async (t) => {
  const fields = [
    'Cache-Control',
    'max-age=60',
    'Set-Cookie',
    'a=b',
    'Warning',
    '110 - stale',
    'Content-Range',
    'x',
  ]
  const kept = (setCookie: 'explicit' | 'strip') =>
    headOf(fields, { options: { ...OPTIONS, setCookie } }).fields.slice(4)
  t.same(kept('explicit'), ['Set-Cookie', 'a=b', 'Content-Range', 'x'])
  t.same(kept('strip'), ['Content-Range', 'x'])
})

t.test('a 304 replaces fields and freshness, not the identity of the bytes', async (t) => {
  const head = headOf([
    ...[
      'ETag',
      '"a"',
      'Last-Modified',
      dateAt(-9),
      'Content-Encoding',
      'gzip',
      'X',
      'old',
      'X',
      'older',
      'Y',
      'kept',
    ],
    ...['Cache-Control', 'max-age=60'],
  ])
  const answer = notModified([
    ...['ETag', 'W/"a"', 'Last-Modified', dateAt(-8), 'Content-Length', '0', 'Content-Encoding', 'br'],
    ...['x', 'new', 'Cache-Control', 'max-age=10', 'Age', '3', 'Connection', 'z', 'Z', '1'],
  ])
  const { head: fresh } = freshen(head, answer, { fields: [] }, OPTIONS)
  t.same(fresh.fields, [
    ...['ETag', '"a"', 'Last-Modified', dateAt(-9), 'Content-Encoding', 'gzip', 'Y', 'kept'],
    ...['Date', dateAt(LATER / 1000), 'x', 'new', 'Cache-Control', 'max-age=10'],
  ])
  t.match(fresh, { generation: 1, status: 200, length: 1000, etag: '"a"', contentEncoding: 'gzip' })
  t.match(fresh, { initialAge: 3000, freshUntil: NOW + LATER + 7000, responseTime: NOW + LATER, order: 0 })
})

t.test('a 304 without Cache-Control renews what is stored, from its own time', async (t) => {
  const head = headOf(['ETag', '"a"', 'Cache-Control', 'max-age=60'])
  const answer = { ...notModified([]), fields: [] }
  t.equal(freshen(head, answer, { fields: [] }, OPTIONS).head.freshUntil, NOW + LATER + 60_000)
})

t.test('a 304 may change what the response varies on', async (t) => {
  const head = headOf(['ETag', '"a"', 'Vary', 'Foo'], { request: { fields: ['Foo', '1'] } })
  const request = { fields: ['Foo', '1', 'Bar', '22'] }
  t.match(freshen(head, notModified(['Vary', 'Bar']), request, OPTIONS).head, {
    vary: ['bar'],
    varyValues: ['22'],
  })
  t.match(freshen(head, notModified([]), { fields: [] }, OPTIONS).head, { vary: ['foo'], varyValues: ['1'] })
})

t.test('a Vary that a 304 forbids to keep selects all the same', async (t) => {
  const head = headOf(['ETag', '"a"'])
  const fresh = freshen(
    head,
    notModified(['Vary', 'Foo', 'Cache-Control', 'private="vary"']),
    { fields: [] },
    OPTIONS,
  )
  t.same(fresh.head.vary, ['foo'])
  t.notOk(fresh.head.fields.includes('Vary'))
})

t.test('a 304 that forbids storing makes the freshened head not storable', async (t) => {
  const head = headOf(['ETag', '"a"', 'Cache-Control', 'max-age=60'])
  for (const news of [
    ['Cache-Control', 'no-store'],
    ['Vary', '*'],
  ]) {
    const fresh = freshen(head, notModified(news), { fields: [] }, OPTIONS)
    t.match(storable({ method: 'GET', fields: [] }, fresh.head, fresh.policy, OPTIONS), {
      store: false,
      byRequest: false,
    })
  }
})

t.test('createHead leaves what it is given as it was', async (t) => {
  const response = received(['Age', '5', 'Connection', 'close'])
  const before = structuredClone(response)
  createHead({
    key: 'k',
    generation: 1,
    sliceSize: 1,
    request: { fields: [] },
    response,
    policy: policyFor(response),
    length: 1,
    options: OPTIONS,
  })
  t.same(response, before)
})
