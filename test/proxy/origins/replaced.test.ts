import t from 'tap'
import { bytesOf } from '../../helpers/bytes.ts'
import { get } from '../../helpers/client.ts'
import { startOrigin } from '../../helpers/origin.ts'
import { startProxy } from '../../helpers/proxy.ts'
import { until } from '../../helpers/until.ts'

const SLICE = 65_536
const file = bytesOf(31, 6 * SLICE)
const other = bytesOf(32, 6 * SLICE)

t.test('a response under way stays with its origin, also for what it has yet to ask for', async (t) => {
  const { promise: released, resolve: release } = Promise.withResolvers<void>()
  let held = false
  const first = await startOrigin(t, async (_request, exchange) => {
    if (held) await exchange.stall(released)
    await exchange.respondFile(file)
  })
  const second = await startOrigin(t, (_request, exchange) => exchange.respondFile(other))
  const proxy = await startProxy(t, { upstream: first.url, sliceSize: SLICE, maxConcurrentSubrequests: 1 })
  for (const i of [1, 3]) await get(`${proxy.url}/a`, { range: `bytes=${i * SLICE}-${i * SLICE}` })

  held = true
  const before = first.requests.length
  const answer = get(`${proxy.url}/a`)
  await until(() => first.requests.length > before)
  proxy.fastify.sliceProxy!.configure({ upstream: second.url })
  release()
  t.ok((await answer).body.equals(file), 'of the first representation, whole')
  t.ok(first.requests.length >= before + 3, 'three holes, one after the other')
  for (const { header } of first.requests) t.equal(header('host'), new URL(first.url).host)
  t.equal(second.requests.length, 0)
  await until(() => first.open === 0)

  t.ok((await get(`${proxy.url}/b`)).body.equals(other))
  t.equal(second.requests[0].header('host'), new URL(second.url).host)
  t.equal(first.open, 0)
})

t.test('connections are kept when what they depend on is the same', async (t) => {
  const origin = await startOrigin(t, (_request, exchange) => exchange.respond({ body: 'x' }))
  const proxy = await startProxy(t, { upstream: origin.url })
  await get(`${proxy.url}/a`)
  proxy.fastify.sliceProxy!.configure({ upstream: origin.url, cacheTtl: 1, maxRetries: 1 })
  await get(`${proxy.url}/b`)
  t.equal(origin.connections, 1)
  proxy.fastify.sliceProxy!.configure({ bodyTimeout: 1000 })
  await get(`${proxy.url}/c`)
  t.equal(origin.connections, 2)
})

t.test('what is no origin is refused, and nothing has changed', async (t) => {
  const origin = await startOrigin(t, (_request, exchange) => exchange.respond({ body: 'x' }))
  const proxy = await startProxy(t, { upstream: origin.url })
  const { configure } = proxy.fastify.sliceProxy!
  t.throws(() => configure({ upstream: 'ftp://a', cacheTtl: 0 }), /upstream ftp:\/\/a is not http/)
  t.equal((await get(`${proxy.url}/a`)).status, 200)
  t.equal((await get(`${proxy.url}/a`)).header('x-cache'), 'HIT')
})

t.test('closing ends what an origin that was replaced still sends', async (t) => {
  const origin = await startOrigin(t, async (_request, exchange) => {
    await exchange.head({ fields: ['Content-Length', '10'] })
    await exchange.stall(exchange.gone)
  })
  const proxy = await startProxy(t, { upstream: origin.url })
  const answer = get(`${proxy.url}/a`)
  await until(() => origin.requests.length === 1)
  proxy.fastify.sliceProxy!.configure({ upstream: 'http://127.0.0.1:9' })
  await proxy.close()
  t.equal((await answer).complete, false)
  await until(() => origin.open === 0)
})
