import t from 'tap'
import { bytesOf } from '../../helpers/bytes.ts'
import { get } from '../../helpers/client.ts'
import { type Script, startOrigin } from '../../helpers/origin.ts'
import { startProxy } from '../../helpers/proxy.ts'

const SLICE = 65_536
const reset: Script = (_request, exchange) => exchange.reset()

t.test('G53 a request that has no answer is sent max_retries + 1 times, and no more', async (t) => {
  for (const maxRetries of [0, 1, 3]) {
    for (const method of ['GET', 'HEAD', 'DELETE', 'OPTIONS']) {
      const origin = await startOrigin(t, reset)
      const proxy = await startProxy(t, { upstream: origin.url, maxRetries })
      const answer = await get(`${proxy.url}/x`, { method })
      t.equal(answer.status, 502)
      t.match(answer.header('proxy-status'), /connection_terminated/)
      t.equal(origin.requests.length, maxRetries + 1, `${method}, max_retries ${maxRetries}`)
      t.equal(proxy.counters.subrequestRetries, maxRetries)
    }
  }
})

t.test('G53 a retry that is answered is all the client sees', async (t) => {
  const body = bytesOf(1, 3 * SLICE)
  const origin = await startOrigin(t, async (_request, exchange) => {
    if (origin.requests.length <= 3) return exchange.reset()
    await exchange.respondFile(body)
  })
  const proxy = await startProxy(t, { upstream: origin.url, sliceSize: SLICE, maxRetries: 3 })
  const answer = await get(`${proxy.url}/x`)
  t.equal(answer.status, 200)
  t.ok(answer.body.equals(body))
})

t.test('G53 no retry of what may have had an effect: POST, PATCH, anything with a body', async (t) => {
  const origin = await startOrigin(t, reset)
  const proxy = await startProxy(t, { upstream: origin.url, maxRetries: 3 })
  let sent = 0
  for (const [method, body] of [
    ['POST', undefined],
    ['POST', 'b'],
    ['PATCH', undefined],
    ['PUT', 'b'],
    ['GET', 'b'],
    ['MKCOL', undefined],
  ] as const) {
    t.equal((await get(`${proxy.url}/x`, { method, body })).status, 502)
    t.equal(origin.requests.length, ++sent, `${method} ${body}`)
  }
})

t.test('G53 no retry of an answer: 5xx, 429 and 408 are passed on', async (t) => {
  const origin = await startOrigin(t, (request, exchange) =>
    exchange.respond({ status: Number(request.target.slice(1)), fields: { 'Retry-After': '1' }, body: 'no' }),
  )
  const proxy = await startProxy(t, { upstream: origin.url, maxRetries: 3 })
  const statuses = [408, 429, 500, 502, 503, 504]
  for (const status of statuses) t.equal((await get(`${proxy.url}/${status}`)).status, status)
  t.equal(origin.requests.length, statuses.length)
})

t.test('G53 after the first body byte nothing is sent again that the client would get twice', async (t) => {
  const origin = await startOrigin(t, async (_request, exchange) => {
    await exchange.head({ fields: { 'Content-Length': '100', 'Cache-Control': 'max-age=60' } })
    await exchange.write('some')
    await exchange.reset()
  })
  const proxy = await startProxy(t, { upstream: origin.url, maxRetries: 3 })
  for (const method of ['GET', 'POST']) {
    const seen = origin.requests.length
    t.match(await get(`${proxy.url}/x`, { method }), { complete: false, length: 4 })
    t.equal(origin.requests.length, seen + 1, `${method}: without a validator there is no going on`)
  }
})

t.test('G53 a storm: retries stay within a tenth of the requests, beyond a small reserve', async (t) => {
  const origin = await startOrigin(t, reset)
  const proxy = await startProxy(t, { upstream: origin.url, maxRetries: 3 })
  const count = 300
  for (let i = 0; i < count; i += 20) {
    await Promise.all(Array.from({ length: 20 }, (_, j) => get(`${proxy.url}/${i + j}`)))
  }
  const retries = origin.requests.length - count
  t.equal(retries, proxy.counters.subrequestRetries)
  t.ok(retries <= 20 + count / 10, `${retries} retries of ${count} requests`)
  t.ok(retries >= 20)
})

t.test(
  'G53 the budget fills again: after a storm a healthy origin is asked twice where it must be',
  async (t) => {
    const origin = await startOrigin(t, reset)
    const proxy = await startProxy(t, { upstream: origin.url, maxRetries: 1 })
    for (let i = 0; i < 60; i++) await get(`${proxy.url}/${i}`)
    origin.use((_request, exchange) =>
      exchange.respond({ fields: { 'Cache-Control': 'no-store' }, body: 'well' }),
    )
    for (let i = 0; i < 20; i++) t.equal((await get(`${proxy.url}/well`)).status, 200)
    let first = true
    origin.use(async (_request, exchange) => {
      if (!first) return exchange.respond({ body: 'well' })
      first = false
      await exchange.reset()
    })
    t.equal((await get(`${proxy.url}/last`)).status, 200)
  },
)
