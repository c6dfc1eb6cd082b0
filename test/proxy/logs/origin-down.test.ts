import type { AddressInfo } from 'node:net'
import t from 'tap'
import streamingProxy from '../../../plugins/streaming-proxy.ts'
import { get } from '../../helpers/client.ts'
import { createLogged } from '../../helpers/log-lines.ts'
import { startOrigin } from '../../helpers/origin.ts'
import { until } from '../../helpers/until.ts'

t.test('an origin that fails is told of once, and once when it is back', async (t) => {
  const origin = await startOrigin(t, (_request, exchange) => exchange.respond({ body: 'x' }))
  const log = createLogged()
  await log.fastify.register(streamingProxy, { upstream: origin.url, maxRetries: 0 })
  await log.fastify.listen({ port: 0, host: '127.0.0.1' })
  t.teardown(() => log.fastify.close())
  const url = `http://127.0.0.1:${(log.fastify.server.address() as AddressInfo).port}/`
  const times = async (count: number) => {
    for (let i = 0; i < count; i++) await get(url)
  }
  const told = () => [log.of('origin down').length, log.of('origin back').length]

  await origin.stop()
  await times(2)
  await origin.start()
  await times(1)
  t.same(told(), [0, 0], 'two connections that failed are no origin that is down')

  await origin.stop()
  await times(20)
  t.same(told(), [1, 0])
  const down = { level: 40, origin: origin.url, failures: 3, code: 'ECONNREFUSED', error: /ECONNREFUSED/ }
  t.match(log.of('origin down')[0], down)
  await origin.start()
  await times(5)
  t.same(told(), [1, 1])
  t.match(log.of('origin back')[0], { level: 30, origin: origin.url, failures: 20, seconds: Number })

  await origin.stop()
  await times(5)
  await origin.start()
  await times(5)
  t.same(told(), [1, 1], 'one that comes and goes is not told of again so soon')
})

t.test('failures of an origin that was replaced are none of the new one', async (t) => {
  const fail = Promise.withResolvers<void>()
  const old = await startOrigin(t, async (_request, exchange) => {
    await fail.promise
    await exchange.reset()
  })
  const good = await startOrigin(t, (_request, exchange) => exchange.respond({ body: 'good' }))
  const log = createLogged()
  await log.fastify.register(streamingProxy, { upstream: old.url, maxRetries: 0 })
  await log.fastify.listen({ port: 0, host: '127.0.0.1' })
  t.teardown(() => log.fastify.close())
  const url = `http://127.0.0.1:${(log.fastify.server.address() as AddressInfo).port}`
  const asked = Array.from({ length: 4 }, (_, i) => get(`${url}/${i}`))
  await until(() => old.requests.length === 4)
  log.fastify.sliceProxy!.configure({ upstream: good.url })
  t.equal((await get(url)).body.toString(), 'good')
  fail.resolve()
  for (const { status } of await Promise.all(asked)) t.equal(status, 502)
  const { counters } = log.fastify.sliceProxy!
  t.match(counters, { originFailuresInARow: 0, originFailedAt: -Infinity, subrequestFailures: 4 })
  t.same(log.of('origin down'), [])
})
