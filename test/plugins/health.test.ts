import type { AddressInfo } from 'node:net'
import Fastify, { type FastifyInstance } from 'fastify'
import t from 'tap'
import { createCounters } from '../../lib/cache/counters.ts'
import { emptyStats } from '../../lib/stores/stats.ts'
import type { SliceStore } from '../../lib/stores/store.ts'
import health from '../../plugins/health.ts'
import { freePorts } from '../helpers/server.ts'
import { proxyWith } from './proxy-with.ts'

async function ask(base: string, path: string) {
  const response = await fetch(base + path)
  return [response.status, ((await response.json()) as { status: string }).status]
}

/** What the plugin looks at, to be set as the test likes. */
function surroundings(fastify: FastifyInstance, { store = true } = {}) {
  const counters = createCounters()
  const stats = emptyStats(0)
  fastify.decorate('sliceProxy', proxyWith(counters))
  if (store) fastify.decorate('l2', { stats: () => stats } as unknown as SliceStore)
  return { counters, stats }
}

t.test('on an address of its own: starting, ready, draining until the service has closed', async (t) => {
  const [port] = await freePorts(1)
  const base = `http://127.0.0.1:${port}`
  const fastify = Fastify({ forceCloseConnections: true })
  t.teardown(() => fastify.close())
  surroundings(fastify)
  const finish = Promise.withResolvers<void>()
  fastify.get('/slow', () => finish.promise.then(() => 'done'))
  await fastify.register(health, { address: `127.0.0.1:${port}` })

  await fastify.ready()
  t.same(await ask(base, '/ready'), [503, 'starting'])
  t.same(await ask(base, '/live'), [200, 'live'])

  await fastify.listen({ port: 0, host: '127.0.0.1' })
  t.same(await ask(base, '/ready'), [200, 'ready'])
  t.same(await ask(base, '/health'), [200, 'healthy'])
  t.same(await ask(base, '/health?x=1'), [200, 'healthy'])
  t.same(await ask(base, '/toString'), [404, 'not found'])

  fastify.health!.drain()
  t.equal(fastify.health!.draining, true)
  t.same(await ask(base, '/ready'), [503, 'draining'])
  t.same(await ask(base, '/health'), [200, 'healthy'], 'draining is no illness')
  await fastify.close()
  await t.rejects(ask(base, '/live'), 'the listener is closed with the service')
})

t.test('close() alone drains too', async (t) => {
  const [port] = await freePorts(1)
  const fastify = Fastify()
  const seen: unknown[] = []
  await fastify.register(health, { address: `127.0.0.1:${port}` })
  fastify.addHook(
    'preClose',
    async () => void seen.push(...(await ask(`http://127.0.0.1:${port}`, '/ready'))),
  )
  await fastify.listen({ port: 0, host: '127.0.0.1' })
  await fastify.close()
  t.same(seen, [503, 'draining'])
})

t.test('without an address its paths are routes of the service', async (t) => {
  const fastify = Fastify()
  t.teardown(() => fastify.close())
  const { counters } = surroundings(fastify)
  await fastify.register(health, {})
  await fastify.listen({ port: 0, host: '127.0.0.1' })
  const base = `http://127.0.0.1:${(fastify.server.address() as AddressInfo).port}`
  t.same(await ask(base, '/ready'), [200, 'ready'])
  Object.assign(counters, { originFailuresInARow: 3, originFailedAt: performance.now() })
  t.same(await ask(base, '/health'), [200, 'degraded'])
  t.same(await ask(base, '/ready'), [200, 'ready'], 'the cache still answers')
})

t.test('unhealthy and not ready when neither the origin nor a store can answer', async (t) => {
  const fastify = Fastify()
  t.teardown(() => fastify.close())
  const { counters } = surroundings(fastify, { store: false })
  await fastify.register(health, {})
  const status = async (path: string) => (await fastify.inject(path)).statusCode
  t.equal(await status('/ready'), 200)
  Object.assign(counters, { originFailuresInARow: 3, originFailedAt: performance.now() })
  t.same([await status('/health'), await status('/ready'), await status('/live')], [503, 503, 200])
  counters.originFailuresInARow = 0
  t.same([await status('/health'), await status('/ready')], [200, 200], 'it recovers with the origin')
  Object.assign(counters, { originFailuresInARow: 3, originFailedAt: performance.now() - 11_000 })
  t.equal(await status('/ready'), 200, 'nor for ever, where requests come only to what is ready')
})

t.test('a store that fails degrades', async (t) => {
  const fastify = Fastify()
  t.teardown(() => fastify.close())
  const { stats } = surroundings(fastify)
  stats.writeErrors = 5
  await fastify.register(health, {})
  const status = async () => (await fastify.inject('/health')).json().status
  t.equal(await status(), 'healthy', 'errors from before the start do not count')
  stats.writeErrors++
  t.equal(await status(), 'degraded')
})

t.test('a port in use fails listen() with the name of the endpoint', async (t) => {
  const blocker = Fastify()
  t.teardown(() => blocker.close())
  await blocker.listen({ port: 0, host: '127.0.0.1' })
  const { port } = blocker.server.address() as AddressInfo
  const fastify = Fastify()
  t.teardown(() => fastify.close())
  await fastify.register(health, { address: `127.0.0.1:${port}` })
  const listening = fastify.listen({ port: 0, host: '127.0.0.1' })
  await t.rejects(listening, {
    code: 'EADDRINUSE',
    message: new RegExp(`^health endpoint 127.0.0.1:${port}: `),
  })
})

t.test('an address that is none is refused', async (t) => {
  const fastify = Fastify()
  t.teardown(() => fastify.close())
  await t.rejects(async () => fastify.register(health, { address: '8081' }), {
    message: /8081 is not host:port/,
  })
})
