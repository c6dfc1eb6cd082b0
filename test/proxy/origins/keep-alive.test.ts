import { setTimeout as wait } from 'node:timers/promises'
import t from 'tap'
import { get } from '../../helpers/client.ts'
import { startOrigin } from '../../helpers/origin.ts'
import { startProxy } from '../../helpers/proxy.ts'

t.test('connections to the origin are used again', async (t) => {
  const origin = await startOrigin(t, (_request, exchange) => exchange.respond({ body: 'x' }))
  const proxy = await startProxy(t, { upstream: origin.url })
  for (let i = 0; i < 20; i++) await get(`${proxy.url}/${i}`)
  t.equal(origin.requests.length, 20)
  t.ok(origin.connections <= 2, `${origin.connections} connections`)
})

t.test('no more connections than max_connections; the rest waits its turn', async (t) => {
  let most = 0
  const origin = await startOrigin(t, async (_request, exchange) => {
    most = Math.max(most, origin.open)
    await exchange.stall(5)
    await exchange.respond({ body: 'x' })
  })
  const proxy = await startProxy(t, { upstream: origin.url, maxConnections: 3 })
  const answers = await Promise.all(Array.from({ length: 40 }, (_, i) => get(`${proxy.url}/${i}`)))
  t.equal(answers.filter((answer) => answer.status === 200).length, 40)
  t.equal(most, 3)
})

t.test(
  'G55 the origin closes an idle connection as the next request is sent: the client does not notice',
  async (t) => {
    const origin = await startOrigin(t, async (request, exchange) => {
      if (request.turn > 0) return exchange.reset() // the request met a connection that was on its way out
      await exchange.respond({ fields: { 'Cache-Control': 'no-store' }, body: 'served' })
    })
    const proxy = await startProxy(t, { upstream: origin.url })
    for (let i = 0; i < 10; i++) {
      t.equal((await get(`${proxy.url}/${i}`)).body.toString(), 'served')
      await wait(5)
    }
    t.ok(proxy.counters.subrequestRetries >= 5)
  },
)

t.test('G55 the same by FIN, without a byte of answer', async (t) => {
  const origin = await startOrigin(t, async (request, exchange) => {
    if (request.turn > 0) return exchange.end()
    await exchange.respond({ fields: { 'Cache-Control': 'no-store' }, body: 'served' })
  })
  const proxy = await startProxy(t, { upstream: origin.url })
  for (let i = 0; i < 10; i++) t.equal((await get(`${proxy.url}/${i}`)).body.toString(), 'served')
})

t.test('G55 an origin that announces the end of its connection is believed', async (t) => {
  const origin = await startOrigin(t, async (_request, exchange) => {
    await exchange.respond({ fields: { Connection: 'close', 'Cache-Control': 'no-store' }, body: 'last' })
    await exchange.stall(10)
    exchange.end()
  })
  const proxy = await startProxy(t, { upstream: origin.url })
  for (let i = 0; i < 10; i++) {
    t.equal((await get(`${proxy.url}/${i}`, { method: 'POST' })).body.toString(), 'last')
  }
  t.equal(origin.connections, 10)
})

t.test('G55 a POST that meets a closing connection is not sent twice: the client is told', async (t) => {
  const origin = await startOrigin(t, async (request, exchange) => {
    if (request.turn > 0) return exchange.reset()
    await exchange.respond({ body: 'served' })
  })
  const proxy = await startProxy(t, { upstream: origin.url, maxConnections: 1 })
  t.equal((await get(`${proxy.url}/x`, { method: 'POST', body: 'b' })).status, 200)
  const second = await get(`${proxy.url}/x`, { method: 'POST', body: 'b' })
  t.equal(second.status, 502)
  t.match(second.header('proxy-status'), /connection_terminated/)
  t.equal(origin.requests.length, 2)
})
