import Fastify from 'fastify'
import t from 'tap'
import type { StatusReport } from '../../lib/status/status.ts'
import health from '../../plugins/health.ts'
import l1Cache from '../../plugins/l1-cache.ts'
import routeCache from '../../plugins/route-cache.ts'
import status from '../../plugins/status.ts'
import { get } from '../helpers/client.ts'
import { fileOrigin } from '../helpers/file-origin.ts'
import { freePorts, startServer } from '../helpers/server.ts'

t.test('page and figures are at the health port only, for reading only', async (t) => {
  const origin = await fileOrigin(t, {})
  const server = await startServer(t, { upstream_address: origin.url })
  const page = await get(`${server.health}/`)
  t.equal(page.status, 200)
  t.equal(page.header('content-type'), 'text/html; charset=utf-8')
  const files = [...String(page.body).matchAll(/(?:href|src)="(status\/[^"]+)"/g)].map(([, path]) => path)
  t.same(files, ['status/page.css', 'status/page.js'])

  for (const path of ['', 'status', 'status?range=1h', ...files]) {
    const answer = await get(`${server.health}/${path}`)
    t.equal(answer.status, 200, path)
    t.equal(answer.header('cache-control'), 'no-store')
    t.equal(answer.header('x-content-type-options'), 'nosniff')
    const policy = answer.header('content-security-policy')
    t.match(policy, /^default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';/)
    t.notMatch(policy, /unsafe|\*|http/)
    const head = await get(`${server.health}/${path}`, { method: 'HEAD' })
    t.match(head, { status: 200, length: 0 })
    for (const method of ['POST', 'PUT', 'DELETE', 'PURGE', 'OPTIONS']) {
      const refused = await get(`${server.health}/${path}`, { method })
      t.equal(refused.status, 405, `${method} ${path}`)
      t.equal(refused.header('allow'), 'GET, HEAD')
    }
  }
  const report = JSON.parse(String((await get(`${server.health}/status?range=24h`)).body))
  t.match(report.history, { range: '24h', stepSeconds: 300 })
  const wrong = await get(`${server.health}/status?range=2y`)
  t.equal(wrong.status, 400)
  t.same(JSON.parse(String(wrong.body)), { error: 'range: must be one of 5m, 1h, 24h' })
  t.equal((await get(`${server.health}/status/../package.json`)).status, 404)

  // To the proxy they are paths like any other.
  t.equal((await get(`${server.url}/status`)).status, 404)
  t.equal((await get(`${server.url}/`)).status, 404)
  t.same(
    origin.requests.map(({ target }) => target),
    ['/status', '/'],
  )
})

t.test('status_page: false leaves the port to the probes', async (t) => {
  const address = `127.0.0.1:${(await freePorts(1))[0]}`
  const health_endpoint = { address, status_page: false }
  const server = await startServer(t, { upstream_address: '127.0.0.1:9', health_endpoint })
  t.equal((await get(`${server.health}/live`)).status, 200)
  for (const path of ['/', '/status', '/status/page.js'])
    t.equal((await get(server.health + path)).status, 404)
})

t.test(
  'in a service of somebody else it has routes below a prefix, behind the guards of the service',
  async (t) => {
    const fastify = Fastify({ forceCloseConnections: true })
    t.teardown(() => fastify.close())
    await fastify.register(l1Cache, { maxBytes: 1024 * 1024 })
    await fastify.register(routeCache, {})
    fastify.addHook('onRequest', async (request, reply) => {
      if (request.url.startsWith('/admin') && request.headers.authorization !== 'Bearer me') {
        return reply.code(401).send()
      }
    })
    fastify.get('/cached', (_request, reply) => reply.header('cache-control', 'max-age=60').send('kept'))
    await fastify.register(status, { prefix: '/admin/cache' })
    const url = await fastify.listen({ port: 0, host: '127.0.0.1' })
    const headers = { authorization: 'Bearer me' }
    for (let i = 0; i < 3; i++) await get(`${url}/cached`)

    t.equal((await get(`${url}/admin/cache/`)).status, 401)
    const page = await get(`${url}/admin/cache/`, { headers })
    t.match(String(page.body), /<!doctype html>/)
    t.equal((await get(`${url}/admin/cache/status/page.js`, { headers })).status, 200)
    const report: StatusReport = JSON.parse(
      String((await get(`${url}/admin/cache/status`, { headers })).body),
    )
    t.match(report.totals, { requests: 3, l1Hits: 2, misses: 1 })
    t.equal(report.health, null)
    const posted = await get(`${url}/admin/cache/status`, { method: 'POST', headers, body: 'x' })
    t.equal(posted.status, 405)
  },
)

t.test('without a health port and without a prefix it says what is missing', async (t) => {
  for (const withHealth of [false, true]) {
    const fastify = Fastify()
    t.teardown(() => fastify.close())
    if (withHealth) await fastify.register(health, {})
    await t.rejects(async () => fastify.register(status, {}), {
      message: 'status: register health with an address before it, or give it a prefix',
    })
  }
})
