import Fastify from 'fastify'
import t from 'tap'
import l1Cache from '../../plugins/l1-cache.ts'
import purge from '../../plugins/purge.ts'
import routeCache from '../../plugins/route-cache.ts'
import streamingProxy from '../../plugins/streaming-proxy.ts'
import { get } from '../helpers/client.ts'
import { startOrigin } from '../helpers/origin.ts'

/** A service with routes of its own and a proxy for the rest, both cached. */
async function start(t: import('tap').Test) {
  const fields = { 'Cache-Control': 'max-age=60', 'Cache-Tag': 'both' }
  const origin = await startOrigin(t, (request, exchange) =>
    exchange.respond({ fields, body: request.target }),
  )
  const fastify = Fastify({ forceCloseConnections: true })
  t.teardown(() => fastify.close())
  await fastify.register(l1Cache, { maxBytes: 1e7 })
  await fastify.register(routeCache)
  await fastify.register(streamingProxy, { upstream: origin.url })
  await fastify.register(purge, { authToken: 'sesame' })
  fastify.get('/own/*', async (_request, reply) => reply.headers(fields).send('own'))
  const url = await fastify.listen({ port: 0, host: '127.0.0.1' })
  const paths = ['/own/1', '/own/2', '/far/1', '/far/2']
  const there = async () => {
    const found: string[] = []
    for (const path of paths) if ((await get(url + path)).header('x-cache') === 'HIT') found.push(path)
    return found
  }
  return { fastify, url, host: new URL(url).host, paths, there }
}

t.test('fastify.purge purges by URL, prefix, tag and all, in every cache of the service', async (t) => {
  const { fastify, url, host, paths, there } = await start(t)
  await there()
  for (const [what, left] of [
    [{ url: `${url}/own/1` }, ['/own/2', '/far/1', '/far/2']],
    [{ url: `${url}/far/1` }, ['/own/1', '/own/2', '/far/2']],
    [{ prefix: '/far/' }, ['/own/1', '/own/2']],
    [{ prefix: '/*1', host: host.toUpperCase() }, ['/own/2', '/far/2']],
    [{ prefix: '/', host: 'elsewhere' }, paths],
    [{ tag: 'both' }, []],
    [{ tag: ['other', 'none'] }, paths],
    [{ all: true }, []],
  ] as [Parameters<typeof fastify.purge>[0], string[]][]) {
    t.same(await there(), paths)
    const { purged } = await fastify.purge(what)
    t.equal(purged > 0, 'url' in what || 'all' in what)
    t.same(await there(), left, JSON.stringify(what))
  }
  t.equal(fastify.sliceProxy!.counters.purges.prefix.success, 3)
})

t.test('fastify.purge, soft: nothing is gone, all of it is validated', async (t) => {
  const { fastify, url, there, paths } = await start(t)
  await there()
  t.same(await there(), paths)
  await fastify.purge({ all: true }, { soft: true })
  for (const path of paths) t.equal((await get(url + path)).header('x-cache'), 'EXPIRED')
})

t.test('fastify.purge says what it does not understand', async (t) => {
  const { fastify, there, paths } = await start(t)
  await there()
  for (const [what, message] of [
    [{}, /name a url, a prefix, a tag, or all: true/],
    [{ all: false }, /name a url/],
    [{ url: '/own/1' }, /not an absolute http\(s\) URL: \/own\/1/],
    [{ prefix: 'own' }, /no path/],
    [{ tag: [] }, /no tag/],
  ] as [never, RegExp][]) {
    await t.rejects(fastify.purge(what), { message })
  }
  t.same(await there(), paths)
})

t.test('the settings of the method can be replaced while it serves', async (t) => {
  const { fastify, url } = await start(t)
  const status = async (token: string) =>
    (await get(`${url}/x`, { method: 'PURGE', headers: { 'x-purge-token': token } })).status
  t.same([await status('sesame'), await status('other')], [200, 401])
  fastify.purge.configure({ authToken: 'other' })
  t.same([await status('sesame'), await status('other')], [401, 200])
  fastify.purge.configure({ enabled: false })
  t.equal(await status('other'), 405)
})

t.test('a service that is ending takes no purge: who takes over would not hear of it', async (t) => {
  const { fastify, url } = await start(t)
  Object.assign(fastify, { health: { draining: true } })
  const answer = await get(`${url}/x`, { method: 'PURGE', headers: { 'x-purge-token': 'sesame' } })
  t.equal(answer.status, 503)
  t.equal(answer.header('retry-after'), '1')
})

t.test('a host may have the default port; an empty token is refused', async (t) => {
  const fields = { 'Cache-Control': 'max-age=60' }
  const origin = await startOrigin(t, (_request, exchange) => exchange.respond({ fields, body: 'x' }))
  const fastify = Fastify({ forceCloseConnections: true })
  t.teardown(() => fastify.close())
  await fastify.register(l1Cache, { maxBytes: 1e7 })
  await fastify.register(streamingProxy, { upstream: origin.url })
  await fastify.register(purge)
  const url = await fastify.listen({ port: 0, host: '127.0.0.1' })
  const ask = async () => (await get(`${url}/a`, { headers: { host: 'cdn.example' } })).header('x-cache')
  await ask()
  await fastify.purge({ prefix: '/', host: 'CDN.example:80' })
  t.equal(await ask(), 'MISS')
  await t.rejects(fastify.purge({ prefix: '/', host: 'a b' }), { message: /a b is no host/ })
  t.throws(() => fastify.purge.configure({ authToken: '' }), { message: /authToken is empty/ })
})

t.test('where keys lack parameters of the query, a pattern with a query means them all', async (t) => {
  for (const cacheKey of [{ ignoreQuery: true }, { queryAllowlist: ['v'] }]) {
    const fields = { 'Cache-Control': 'max-age=60' }
    const origin = await startOrigin(t, (_request, exchange) => exchange.respond({ fields, body: 'x' }))
    const fastify = Fastify({ forceCloseConnections: true })
    t.teardown(() => fastify.close())
    await fastify.register(l1Cache, { maxBytes: 1e7 })
    await fastify.register(streamingProxy, { upstream: origin.url, cacheKey })
    await fastify.register(purge)
    const url = await fastify.listen({ port: 0, host: '127.0.0.1' })
    const result = async (path: string) => (await get(url + path)).header('x-cache')
    for (const path of ['/a.js?x=1&v=2', '/b.js']) await result(path)
    await fastify.purge({ prefix: '/a*?x=1*' })
    t.equal(await result('/a.js?x=1&v=2'), 'MISS')
    t.equal(await result('/b.js'), 'HIT')
  }
})
