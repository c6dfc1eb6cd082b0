import t from 'tap'
import type { SetCookiePolicy } from '../../lib/semantics/freshness.ts'
import { storable } from '../../lib/semantics/storable.ts'
import type { FieldList } from '../../lib/semantics/types.ts'
import { dateAt, OPTIONS, policyFor, received } from './heads.ts'

const FRESH = ['Cache-Control', 'max-age=60']

function judge(
  fields: FieldList,
  {
    status = 200,
    request = [] as FieldList,
    method = 'GET',
    cacheTtl = 1000,
    setCookie = 'explicit' as SetCookiePolicy,
  } = {},
) {
  const response = received(fields, status)
  const options = { ...OPTIONS, cacheTtl, setCookie }
  const result = storable({ method, fields: request }, response, policyFor(response), options)
  return result.store ? 'stored' : `${result.byRequest ? 'request' : 'response'}: ${result.reason}`
}

t.test('explicit freshness makes any final status storable', async (t) => {
  for (const status of [
    200, 203, 204, 299, 301, 302, 303, 307, 308, 400, 404, 410, 499, 500, 502, 503, 504, 599,
  ]) {
    t.equal(judge(FRESH, { status }), 'stored', `${status}`)
    t.equal(judge(['Expires', dateAt(60)], { status }), 'stored', `${status}`)
  }
})

t.test('without it only what may be guessed at', async (t) => {
  for (const status of [200, 203, 204, 300, 301, 308, 404, 410])
    t.equal(judge([], { status }), 'stored', `${status}`)
  for (const status of [201, 202, 302, 400, 403, 405, 414, 500, 501, 502, 503, 504, 599]) {
    t.match(judge([], { status }), /^response/, `${status}`)
  }
  const modified = ['Last-Modified', dateAt(-1000)]
  t.match(judge(['Cache-Control', 'public'], { status: 599 }), /^response: stale on arrival/)
  t.equal(judge(['Cache-Control', 'public', ...modified], { status: 599 }), 'stored')
  for (const status of [405, 414, 501]) t.equal(judge(modified, { status }), 'stored', `${status}`)
})

t.test('answers to what the key does not hold are never stored', async (t) => {
  for (const status of [101, 103]) t.match(judge(FRESH, { status }), /^response/, `${status}`)
  for (const status of [304, 412, 413, 416, 417, 431])
    t.match(judge(FRESH, { status }), /^request/, `${status}: nothing follows for the next request`)
})

t.test('a part is judged as the 200 it belongs to', async (t) => {
  t.equal(judge(['Content-Range', 'bytes 0-9/10', ...FRESH], { status: 206 }), 'stored')
  t.equal(judge(['Content-Range', 'bytes 0-9/10'], { status: 206 }), 'stored')
  t.match(judge(FRESH, { status: 206 }), /^response: partial/, 'multipart/byteranges, or nonsense')
})

t.test('no-store, private and Vary: * are obeyed', async (t) => {
  t.match(judge(['Cache-Control', 'max-age=60, No-Store']), /^response: no-store/)
  t.match(judge(['Cache-Control', 'private, max-age=60']), /^response: private/)
  t.match(judge(['Cache-Control', 'private="", max-age=60']), /^response: private/)
  t.equal(judge(['Cache-Control', 'private="x-user", max-age=60']), 'stored')
  t.match(judge([...FRESH, 'Vary', 'Foo', 'Vary', ', *']), /^response: Vary/)
})

t.test('must-understand replaces no-store where the status is understood', async (t) => {
  const fields = ['Cache-Control', 'max-age=60, no-store, must-understand']
  t.equal(judge(fields), 'stored')
  t.match(judge(fields, { status: 599 }), /^response: must-understand/)
  t.match(judge(['Cache-Control', 'max-age=60, must-understand'], { status: 599 }), /^response/)
})

t.test(
  'an authorised response is shared only on the word of the origin, and refused for that request only',
  async (t) => {
    const request = ['Authorization', 'Basic x']
    t.match(judge(['Expires', dateAt(60)], { request }), /^request: Authorization/)
    for (const directive of ['public', 'must-revalidate', 's-maxage=60']) {
      t.equal(judge(['Cache-Control', `max-age=60, ${directive}`], { request }), 'stored', directive)
    }
    t.match(judge(['Cache-Control', 'proxy-revalidate, max-age=60'], { request }), /^request/)
  },
)

t.test('no-store of a request and other methods concern that request only', async (t) => {
  t.match(judge(FRESH, { request: ['Cache-Control', 'no-store'] }), /^request: no-store/)
  t.match(judge(FRESH, { method: 'POST' }), /^request: method/)
  t.match(
    judge(['Cache-Control', 'no-store'], { request: ['Authorization', 'x'] }),
    /^response/,
    'nobody may store it',
  )
})

t.test('a cookie is shared only on the word of the origin', async (t) => {
  const cookie = ['Set-Cookie', 'a=b']
  t.equal(judge([...FRESH, ...cookie]), 'stored')
  t.match(judge([...FRESH, ...cookie], { setCookie: 'shared' }), /^response: Set-Cookie/)
  t.match(judge(cookie), /^response: Set-Cookie/)
  t.equal(judge(cookie, { setCookie: 'strip' }), 'stored')
  for (const directive of ['public', 's-maxage=60', 'private="set-cookie"', 'no-cache="Set-Cookie"']) {
    const fields = ['Cache-Control', `max-age=60, ${directive}`, ...cookie]
    for (const setCookie of ['explicit', 'shared'] as const) t.equal(judge(fields, { setCookie }), 'stored')
  }
})

t.test('what could never be used again is not stored', async (t) => {
  const etag = ['ETag', '"a"']
  t.match(judge([], { cacheTtl: 0 }), /^response: stale on arrival/)
  t.equal(judge(etag, { cacheTtl: 0 }), 'stored')
  t.match(judge(['Cache-Control', 'max-age=0']), /^response: stale on arrival/)
  t.match(judge(['Cache-Control', 'max-age=60', 'Age', '61']), /^response: stale on arrival/)
  t.equal(judge(['Cache-Control', 'max-age=0, stale-while-revalidate=60']), 'stored')
  t.match(judge(['Cache-Control', 'no-cache, max-age=60']), /^response: no-cache/)
  t.equal(judge(['Cache-Control', 'no-cache', ...etag]), 'stored')
})
