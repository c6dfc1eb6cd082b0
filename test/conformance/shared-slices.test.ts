import t, { type Test } from 'tap'
import { bytesOf } from '../helpers/bytes.ts'
import { get, type RequestOptions, sendRaw } from '../helpers/client.ts'
import type { FileOptions } from '../helpers/file-response.ts'
import { startOrigin } from '../helpers/origin.ts'
import { startProxy } from '../helpers/proxy.ts'

const S = 65_536
const file = bytesOf(91, 4 * S)
const SECOND = `bytes=${S}-${S + 9}`

async function start(t: Test, options: FileOptions = {}) {
  const told: FileOptions = { ...options }
  const origin = await startOrigin(t, (_request, exchange) => exchange.respondFile(file, told))
  const proxy = await startProxy(t, { upstream: origin.url, cacheTtl: 0, sliceSize: S })
  const ask = (options: RequestOptions = {}) => get(`${proxy.url}/x`, options)
  return { origin, proxy, ask, told }
}

// Both were stored and served to everybody: the rules were kept for whole responses only.
for (const [what, headers] of [
  ['credentials (RFC 9111 section 3.5)', { Authorization: 'Basic x' }],
  ['no-store (RFC 9111 section 5.2.1.5)', { 'Cache-Control': 'no-store' }],
] as const) {
  t.test(`a slice that a request with ${what} fetched is for it alone`, async (t) => {
    const { origin, ask } = await start(t)
    await ask({ range: 'bytes=0-9' })
    const own = await ask({ range: `bytes=5-${3 * S + 4}`, headers })
    t.ok(own.body.equals(file.subarray(5, 3 * S + 5)), 'it may use what is stored')
    const asked = origin.requests.length
    for (const expected of ['MISS', 'HIT']) {
      const other = await ask({ range: SECOND })
      t.equal(other.header('x-cache'), expected)
      t.ok(other.body.equals(file.subarray(S, S + 10)))
    }
    t.equal(origin.requests.length, asked + 1)
  })
}

t.test('with credentials too, where the origin allows it', async (t) => {
  const { ask } = await start(t, { cacheControl: 'public, max-age=60' })
  await ask({ range: 'bytes=0-9' })
  await ask({ range: SECOND, headers: { Authorization: 'Basic x' } })
  t.equal((await ask({ range: SECOND })).header('x-cache'), 'HIT')
})

t.test('a part that forbids to store takes away what is stored, also without an ETag', async (t) => {
  for (const etag of ['"a"', null]) {
    const { ask, told } = await start(t, { etag })
    await ask({ range: 'bytes=0-9' })
    told.cacheControl = 'no-store'
    t.ok((await ask({ range: SECOND })).body.equals(file.subarray(S, S + 10)))
    for (const range of [SECOND, 'bytes=0-9'])
      t.not((await ask({ range })).header('x-cache'), 'HIT', `${etag}`)
  }
})

t.test('parts are not joined by a Last-Modified of the moment (RFC 9110 section 8.8.2.2)', async (t) => {
  const now = new Date().toUTCString()
  const { origin, ask } = await start(t, { etag: null, lastModified: now, fields: { Date: now } })
  await ask({ range: 'bytes=0-9' })
  t.ok((await ask({ range: `bytes=5-${S + 9}` })).body.equals(file.subarray(5, S + 10)))
  t.notOk(origin.requests.some((request) => request.header('if-range')))
})

t.test(
  'a digest of the whole is not sent with a part, nor that of a part with the whole (RFC 9530)',
  async (t) => {
    const digest = { 'Content-Digest': 'sha-256=:YQ==:', 'Repr-Digest': 'sha-256=:Yg==:' }
    for (const first of [undefined, 'bytes=0-9']) {
      const { ask } = await start(t, { fields: digest })
      await ask({ range: first })
      const part = await ask({ range: 'bytes=5-8' })
      t.equal(part.header('content-digest'), undefined)
      t.equal(part.header('repr-digest'), 'sha-256=:Yg==:')
      if (first) t.equal((await ask()).header('content-digest'), undefined)
      else t.equal((await ask()).header('content-digest'), 'sha-256=:YQ==:')
    }
  },
)

t.test('a 416 of ours says nothing that would make a cache in front keep it', async (t) => {
  const { ask } = await start(t)
  await ask()
  const refused = await ask({ range: 'bytes=999999999-' })
  t.match(refused, { status: 416, complete: true })
  t.equal(refused.header('content-range'), `bytes */${file.length}`)
  for (const name of ['cache-control', 'expires', 'etag', 'last-modified'])
    t.equal(refused.header(name), undefined, name)
})

t.test(
  'what must be revalidated is refused with 504 where the origin is away (RFC 9111 section 5.2.2.2)',
  async (t) => {
    for (const [directive, status] of [
      ['must-revalidate', 504],
      ['proxy-revalidate', 504],
      ['no-cache', 502],
    ] as const) {
      const { origin, ask } = await start(t, {
        cacheControl: `max-age=60, ${directive}`,
        fields: { Age: '61' },
      })
      await ask()
      origin.use((_request, exchange) => exchange.reset())
      t.equal((await ask()).status, status, directive)
    }
  },
)

t.test('Via names the protocol of the request (RFC 9110 section 7.6.3)', async (t) => {
  const { origin, proxy } = await start(t)
  for (const version of ['1.0', '1.1']) {
    await sendRaw(proxy.url, `GET /${version} HTTP/${version}\r\nHost: x\r\nConnection: close\r\n\r\n`)
    t.equal(origin.requests.at(-1)!.header('via'), `${version} slicestream`)
  }
})

t.test('a whole answer that began as a part says nothing of the part', async (t) => {
  const { ask } = await start(t, { fields: { 'Content-Digest': 'sha-256=:YQ==:' } })
  const answer = await ask({ range: 'bytes=0-9', headers: { 'If-Range': '"another"' } })
  t.match(answer, { status: 200, complete: true })
  t.ok(answer.body.equals(file))
  for (const name of ['content-range', 'content-digest']) t.equal(answer.header(name), undefined, name)
})
