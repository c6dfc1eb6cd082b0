import t from 'tap'
import { bytesOf } from '../../helpers/bytes.ts'
import { get } from '../../helpers/client.ts'
import { type Origin, startOrigin } from '../../helpers/origin.ts'
import { startProxy } from '../../helpers/proxy.ts'
import { until } from '../../helpers/until.ts'

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
const TRACE = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
const SLICE = 64 * 1024

const idsOf = (origin: Origin) => origin.requests.map((request) => request.header('x-request-id'))

t.test(
  "a client's sane id goes to the origin, with every slice and with uploads; else one is made up",
  async (t) => {
    const file = bytesOf(1, 4 * SLICE)
    const origin = await startOrigin(t, (_request, exchange) => exchange.respondFile(file))
    const proxy = await startProxy(t, { upstream: origin.url, sliceSize: SLICE })
    await get(`${proxy.url}/a`, {
      headers: { 'X-Request-Id': 'one' },
      range: `bytes=0-9,${3 * SLICE}-${3 * SLICE + 9}`,
    })
    t.ok(origin.requests.length >= 2)
    t.same(new Set(idsOf(origin)), new Set(['one']))

    origin.requests.length = 0
    await get(`${proxy.url}/up`, { method: 'POST', body: 'x', headers: { 'x-request-id': 'two' } })
    await get(`${proxy.url}/b`)
    await get(`${proxy.url}/c`, { headers: { 'X-Request-Id': 'has spaces' } })
    await get(`${proxy.url}/d`, { headers: ['X-Request-Id', 'a', 'X-Request-Id', 'b'] })
    await get(`${proxy.url}/e`, { headers: { 'X-Request-Id': 'e', Connection: 'X-Request-Id' } })
    const [upload, ...others] = idsOf(origin)
    t.equal(upload, 'two')
    for (const id of others.slice(0, 3)) t.match(id, UUID)
    t.equal(others[3], 'e')
    t.equal(new Set(others).size, others.length)
  },
)

t.test('responses get none, hits least of all', async (t) => {
  const origin = await startOrigin(t, (_request, exchange) => exchange.respondFile(Buffer.from('x')))
  const proxy = await startProxy(t, { upstream: origin.url })
  for (const cache of ['MISS', 'HIT']) {
    const answer = await get(`${proxy.url}/a`, { headers: { 'X-Request-Id': 'mine', traceparent: TRACE } })
    t.equal(answer.header('x-cache'), cache)
    t.equal(answer.header('x-request-id'), undefined)
    t.equal(answer.header('traceparent'), undefined)
  }
  t.equal(origin.requests.length, 1, 'and they are no part of the key')
})

t.test('a valid trace context goes on unchanged, an invalid one not at all', async (t) => {
  const origin = await startOrigin(t, (_request, exchange) => exchange.respond({ body: 'x' }))
  const proxy = await startProxy(t, { upstream: origin.url })
  await get(`${proxy.url}/a`, { headers: ['TraceParent', TRACE, 'tracestate', 'a=1', 'tracestate', 'b=2'] })
  await get(`${proxy.url}/b`, { headers: { traceparent: TRACE.toUpperCase(), tracestate: 'a=1' } })
  const [valid, invalid] = origin.requests
  t.equal(valid.header('traceparent'), TRACE)
  t.equal(valid.header('tracestate'), 'a=1, b=2')
  t.equal(invalid.header('traceparent'), undefined)
  t.equal(invalid.header('tracestate'), undefined)
})

t.test("a refresh behind a stale answer is not the client's request", async (t) => {
  const origin = await startOrigin(t, (_request, exchange) =>
    exchange.respond({
      body: 'x',
      fields: { 'Cache-Control': 'max-age=0, stale-while-revalidate=60', ETag: '"1"' },
    }),
  )
  const proxy = await startProxy(t, { upstream: origin.url })
  await get(`${proxy.url}/a`, { headers: { 'X-Request-Id': 'first' } })
  const stale = await get(`${proxy.url}/a`, { headers: { 'X-Request-Id': 'second', traceparent: TRACE } })
  t.equal(stale.header('x-cache'), 'STALE')
  await until(() => origin.requests.length === 2)
  t.match(idsOf(origin)[1], UUID)
  t.equal(origin.requests[1].header('traceparent'), undefined)
})

t.test('of those who wait for one transfer the origin sees the first', async (t) => {
  const gate = Promise.withResolvers<void>()
  const origin = await startOrigin(t, async (_request, exchange) => {
    await exchange.stall(gate.promise)
    await exchange.respondFile(Buffer.from('x'))
  })
  const proxy = await startProxy(t, { upstream: origin.url })
  const first = get(`${proxy.url}/a`, { headers: { 'X-Request-Id': 'first' } })
  await until(() => origin.requests.length === 1)
  const second = get(`${proxy.url}/a`, { headers: { 'X-Request-Id': 'second' } })
  await until(() => proxy.counters.coalesced === 1)
  gate.resolve()
  await Promise.all([first, second])
  t.same(idsOf(origin), ['first'])
})

t.test('what varies on them is for nobody else, and piles up no variants', async (t) => {
  for (const name of ['X-Request-Id', 'traceparent', 'tracestate']) {
    const origin = await startOrigin(t, (request, exchange) =>
      exchange.respond({
        body: `for ${request.header('x-request-id')}`,
        fields: { 'Cache-Control': 'max-age=60', ETag: '"1"', Vary: name },
      }),
    )
    const proxy = await startProxy(t, { upstream: origin.url })
    for (const id of ['a', 'b', 'a']) {
      const answer = await get(`${proxy.url}/x`, { headers: { 'X-Request-Id': id } })
      t.equal(answer.body.toString(), `for ${id}`, name)
    }
    t.ok(proxy.l1!.stats().entries <= 2, `${proxy.l1!.stats().entries} entries`)
  }
})
