import { AsyncLocalStorage } from 'node:async_hooks'
import { Readable } from 'node:stream'
import { setTimeout as wait } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import Fastify, { type FastifyInstance } from 'fastify'
import t from 'tap'
import l1Cache from '../../../plugins/l1-cache.ts'
import metrics from '../../../plugins/metrics.ts'
import purge from '../../../plugins/purge.ts'
import routeCache from '../../../plugins/route-cache.ts'
import streamingProxy from '../../../plugins/streaming-proxy.ts'
import { bytesOf } from '../../helpers/bytes.ts'
import { connect, get } from '../../helpers/client.ts'
import { startOrigin } from '../../helpers/origin.ts'
import { startService } from '../../helpers/service.ts'
import { until } from '../../helpers/until.ts'

const FRESH = { 'cache-control': 'max-age=60', etag: '"e"' }

t.test(
  'hooks: what is before the cache runs for hits too, the handler and what makes its answer once',
  async (t) => {
    const ran: Record<string, number> = {}
    const count = (name: string) => (ran[name] = (ran[name] ?? 0) + 1)
    const results: unknown[] = []
    const { url } = await startService(
      t,
      (fastify) => {
        fastify.addHook('onRequest', async () => void count('onRequest after'))
        fastify.addHook('preHandler', async () => void count('preHandler'))
        fastify.addHook('onSend', async () => void count('onSend'))
        fastify.addHook('onResponse', async (request, reply) => {
          count('onResponse')
          results.push([reply.statusCode, request.headers.range, reply.sent])
        })
        fastify.get(
          '/it',
          { onRequest: async () => void count('onRequest of the route') },
          (_request, reply) => {
            count('handler')
            return reply.headers(FRESH).send('0123456789')
          },
        )
      },
      { before: (fastify) => fastify.addHook('onRequest', async () => void count('onRequest before')) },
    )
    const first = await get(`${url}/it`, { range: 'bytes=2-3' })
    t.equal(first.body.toString(), '23')
    await until(() => ran.onResponse === 1)
    t.same(
      results,
      [[206, 'bytes=2-3', true]],
      'onResponse sees the client’s request and what it was answered',
    )
    const before = { ...ran }
    t.equal((await get(`${url}/it`)).header('x-cache'), 'HIT')
    await until(() => ran.onResponse === 2)
    t.same(before, {
      'onRequest before': 1,
      'onRequest after': 1,
      'onRequest of the route': 1,
      preHandler: 1,
      handler: 1,
      onSend: 1,
      onResponse: 1,
    })
    t.same(ran, {
      ...before,
      'onRequest before': 2,
      'onRequest after': 2,
      'onRequest of the route': 2,
      onResponse: 2,
    })
  },
)

t.test(
  'a guard in any onRequest hook guards what is stored; one in preHandler with that option',
  async (t) => {
    for (const hook of ['onRequest', 'preHandler'] as const) {
      const { url } = await startService(
        t,
        (fastify) => {
          fastify.get('/it', (_request, reply) => reply.headers(FRESH).send('secret'))
          fastify.addHook(hook, async (request, reply) => {
            if (request.headers['x-key'] !== 'open') return reply.code(401).send('closed')
          })
        },
        { hook },
      )
      const headers = { 'X-Key': 'open' }
      await get(`${url}/it`, { headers })
      t.equal((await get(`${url}/it`, { headers })).header('x-cache'), 'HIT')
      const refused = await get(`${url}/it`)
      t.equal(refused.status, 401)
      t.equal(refused.body.toString(), 'closed')
    }
  },
)

t.test('what others do to the payload in onSend is stored, whenever they were registered', async (t) => {
  const text = 'a text that is sent again and again. '.repeat(200)
  let packed = 0
  /** Does in principle what @fastify/compress does. */
  const compress = (fastify: FastifyInstance) =>
    fastify.addHook('onSend', async (request, reply, payload) => {
      reply.header('vary', 'accept-encoding')
      if (!request.headers['accept-encoding']?.includes('gzip')) return payload
      packed++
      reply.header('content-encoding', 'gzip').removeHeader('content-length')
      return Readable.from([gzipSync(payload as string)])
    })
  for (const [before, after] of [
    [compress, undefined],
    [undefined, compress],
  ]) {
    const { url } = await startService(
      t,
      (fastify) => {
        after?.(fastify)
        fastify.get('/it', (_request, reply) => reply.headers(FRESH).send(text))
      },
      { before },
    )
    const headers = { 'Accept-Encoding': 'gzip' }
    const miss = await get(`${url}/it`, { headers })
    t.equal(miss.header('content-encoding'), 'gzip')
    t.equal((await get(`${url}/it`)).body.toString(), text, 'another variant')
    const hit = await get(`${url}/it`, { headers })
    t.equal(hit.header('x-cache'), 'HIT')
    t.ok(hit.body.equals(gzipSync(text)))
  }
  t.equal(packed, 2)
})

t.test('only routes registered after it, in its scope, that do not say cache: false', async (t) => {
  const fields = { 'cache-control': 'max-age=60' }
  const { url } = await startService(
    t,
    async (fastify) => {
      fastify.get('/after', (_request, reply) => reply.headers(fields).send('x'))
      fastify.get('/not', { config: { cache: false } }, (_request, reply) => reply.headers(fields).send('x'))
      await fastify.register(async (scope) => {
        scope.get('/inner', (_request, reply) => reply.headers(fields).send('x'))
      })
    },
    {
      before: (fastify) => fastify.get('/before', (_request, reply) => reply.headers(fields).send('x')),
    },
  )
  const results: Record<string, unknown> = {}
  for (const path of ['/before', '/after', '/not', '/inner', '/unknown']) {
    await get(`${url}${path}`)
    results[path] = (await get(`${url}${path}`)).header('x-cache')
  }
  t.same(results, {
    '/before': undefined,
    '/after': 'HIT',
    '/not': undefined,
    '/inner': 'HIT',
    '/unknown': undefined,
  })
})

t.test('it says what it needs', async (t) => {
  await t.rejects(async () => void (await Fastify().register(routeCache)), /l1-cache or l2-file/)
  await t.rejects(
    async () =>
      void (await (Fastify({ http2: true }) as never as FastifyInstance)
        .register(l1Cache)
        .register(routeCache)),
    /HTTP\/2/,
  )
})

t.test('beside the proxy on the same stores; PURGE reaches both', async (t) => {
  const origin = await startOrigin(t, (_request, exchange) =>
    exchange.respond({ fields: { 'Cache-Control': 'max-age=60' }, body: 'far' }),
  )
  let runs = 0
  const { url, fastify } = await startService(t, async (fastify) => {
    fastify.get('/near', (_request, reply) => reply.headers(FRESH).send(`near ${++runs}`))
    await fastify.register(streamingProxy, { upstream: origin.url })
    await fastify.register(purge)
  })
  for (const [path, body] of [
    ['/near', 'near 1'],
    ['/far', 'far'],
  ]) {
    t.equal((await get(`${url}${path}`)).header('x-cache'), 'MISS')
    const hit = await get(`${url}${path}`)
    t.equal(hit.header('x-cache'), 'HIT', path)
    t.equal(hit.body.toString(), body)
    t.equal(hit.header('via')?.match(/slicestream/g)?.length, 1, 'cached once')
  }
  t.equal(fastify.routeCache!.counters.requests, 2)
  t.equal(fastify.sliceProxy!.counters.requests, 2)
  t.equal((await get(`${url}/near`, { method: 'PURGE' })).status, 200)
  t.equal((await get(`${url}/near`)).body.toString(), 'near 2')
  await get(`${url}/`, { method: 'PURGE', headers: { 'X-Purge-All': 'true' } })
  t.equal((await get(`${url}/near`)).body.toString(), 'near 3')
  t.equal((await get(`${url}/far`)).header('x-cache'), 'MISS')
})

t.test('without a proxy the metrics are those of the route cache', async (t) => {
  const { url } = await startService(t, async (fastify) => {
    fastify.get('/it', (_request, reply) => reply.headers(FRESH).send('x'))
    await fastify.register(metrics)
  })
  await get(`${url}/it`)
  await get(`${url}/it`)
  const text = String((await get(`${url}/metrics`)).body)
  t.match(text, /http_requests_total 3$/m, 'the scrape is one')
  t.match(text, /subrequests_total 2$/m)
})

t.test('fields that are not in the key cannot poison it', async (t) => {
  const page = (fastify: FastifyInstance) =>
    fastify.get('/it', (request, reply) =>
      reply.headers(FRESH).send(`${request.protocol}://${request.host} ${request.headers['x-original-url']}`),
    )
  const lies = {
    'X-Forwarded-Host': 'evil.example',
    'X-Forwarded-Proto': 'https',
    'X-Original-URL': '/admin',
  }
  const direct = await startService(t, page)
  const answer = await get(`${direct.url}/it`, { headers: lies })
  t.equal(answer.body.toString(), `${direct.url} undefined`)

  // Behind a proxy that the service believes, scheme and host are what it says, and belong to the key.
  const behind = await startService(t, page, { fastify: { trustProxy: true } })
  const from = (host: string, proto: string) =>
    get(`${behind.url}/it`, {
      headers: { 'X-Forwarded-For': '192.0.2.1', 'X-Forwarded-Host': host, 'X-Forwarded-Proto': proto },
    })
  for (const result of ['MISS', 'HIT']) {
    for (const [host, proto] of [
      ['one.example', 'https'],
      ['two.example', 'https'],
      ['two.example', 'http'],
    ]) {
      const answer = await from(host, proto)
      t.equal(answer.body.toString(), `${proto}://${host} undefined`)
      t.equal(answer.header('x-cache'), result)
    }
  }
})

t.test('a rewritten URL is refreshed under the same URL', async (t) => {
  let runs = 0
  const { url } = await startService(
    t,
    (fastify) => {
      fastify.get('/v1/it', (request, reply) => {
        runs++
        return reply
          .headers({ 'cache-control': 'max-age=0, stale-while-revalidate=60' })
          .send(`${request.originalUrl} ${request.url}`)
      })
    },
    { fastify: { rewriteUrl: (req) => `/v1${req.url}` } },
  )
  await get(`${url}/it`)
  t.equal((await get(`${url}/it`)).header('x-cache'), 'STALE')
  await until(() => runs === 2)
  await wait(20)
  t.equal((await get(`${url}/it`)).body.toString(), '/it /v1/it')
})

t.test(
  'a request that the router would read otherwise than the key is refreshed as it was sent',
  async (t) => {
    const seen: string[] = []
    const { url } = await startService(t, (fastify) => {
      for (const path of ['/a/*', '/b']) {
        fastify.get(path, (request, reply) => {
          seen.push(`${path} ${request.raw.url}`)
          return reply.headers({ 'cache-control': 'max-age=0, stale-while-revalidate=60' }).send(path)
        })
      }
    })
    const client = await connect(url)
    t.teardown(() => client.close())
    await client.request('/a/../b')
    const again = await client.request('/a/../b')
    t.equal(again.header('x-cache'), 'STALE')
    await until(() => seen.length === 2)
    t.same(seen, ['/a/* /a/../b', '/a/* /a/../b'])
  },
)

t.test('a time limit of a route ends its handler, and not a hit that takes longer', async (t) => {
  const body = bytesOf(1, 12 * 1024 * 1024)
  const { url } = await startService(t, (fastify) => {
    fastify.get('/slow', { handlerTimeout: 50 }, async () => {
      await wait(1000)
      return 'late'
    })
    fastify.get('/big', { handlerTimeout: 1500 }, (_request, reply) => reply.headers(FRESH).send(body))
  })
  t.equal((await get(`${url}/slow`)).status, 503)
  await get(`${url}/big`)
  let held = false
  const hit = await get(`${url}/big`, {
    async onData() {
      if (!held) await wait(2500)
      held = true
    },
  })
  t.equal(hit.header('x-cache'), 'HIT')
  t.ok(hit.complete)
  t.equal(hit.length, body.length)
})

t.test('early hints reach the client whose request ran the route', async (t) => {
  const { url } = await startService(t, (fastify) => {
    fastify.post('/it', async (_request, reply) => {
      reply.writeEarlyHints({ link: '</style.css>; rel=preload' })
      return 'x'
    })
    fastify.get('/film', async (_request, reply) => {
      reply.writeEarlyHints({ link: ['</a.css>; rel=preload', '</b.css>; rel=preload'] })
      reply.headers(FRESH)
      return 'made'
    })
  })
  const answer = await get(`${url}/it`, { method: 'POST' })
  t.same(answer.interim, [103])
  t.equal(answer.body.toString(), 'x')
  const cold = await get(`${url}/film`)
  t.same([cold.interim, cold.status, cold.body.toString()], [[103], 200, 'made'])
  const hit = await get(`${url}/film`)
  t.same([hit.interim, hit.header('x-cache')], [[], 'HIT'])
})

t.test('what is bound to a request by AsyncLocalStorage is there in the handler', async (t) => {
  const storage = new AsyncLocalStorage<string>()
  const { url } = await startService(
    t,
    (fastify) => {
      fastify.get('/it/:id', (_request, reply) => reply.headers(FRESH).send(storage.getStore() ?? 'nothing'))
    },
    {
      before: (fastify) =>
        fastify.addHook('onRequest', (request, _reply, done) => storage.run(request.url, done)),
    },
  )
  const answers = await Promise.all([1, 2, 3].map((id) => get(`${url}/it/${id}`)))
  t.same(
    answers.map((answer) => answer.body.toString()),
    ['/it/1', '/it/2', '/it/3'],
  )
})

t.test('fields that hooks set on the raw response, or by the reply, are the route’s', async (t) => {
  let number = 0
  const { url } = await startService(
    t,
    (fastify) => {
      fastify.get('/it', (_request, reply) => reply.headers(FRESH).send('x'))
    },
    {
      before: (fastify) =>
        fastify.addHook('onRequest', async (_request, reply) => {
          reply.header('x-by-reply', String(++number))
          reply.raw.setHeader('X-By-Raw', 'yes')
        }),
    },
  )
  await get(`${url}/it`)
  const hit = await get(`${url}/it`)
  t.equal(hit.header('x-cache'), 'HIT')
  t.equal(hit.header('x-by-raw'), 'yes')
  t.equal(hit.header('x-by-reply'), '1', 'as stored')
})
