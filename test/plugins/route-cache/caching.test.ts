import { setTimeout as wait } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { bytesOf } from '../../helpers/bytes.ts'
import { get } from '../../helpers/client.ts'
import { tempDir } from '../../helpers/scope.ts'
import { startService } from '../../helpers/service.ts'
import { until } from '../../helpers/until.ts'

const MIB = 1024 * 1024

/** One GET route that answers with the given fields and the number of its run. */
function counted(fields: Record<string, string>) {
  const route = {
    runs: 0,
    add(fastify: FastifyInstance) {
      fastify.get('/it', (_request, reply) => reply.headers(fields).send(`run ${++route.runs}`))
    },
  }
  return route
}

t.test('what must not be shared, or says nothing of caching, is never stored', async (t) => {
  const cases: Record<string, Record<string, string>> = {
    'no Cache-Control': {},
    'Last-Modified alone': { 'last-modified': 'Mon, 01 Jan 2024 00:00:00 GMT' },
    'ETag alone': { etag: '"a"' },
    private: { 'cache-control': 'private, max-age=60' },
    'no-store': { 'cache-control': 'no-store, max-age=60' },
    'Vary: *': { 'cache-control': 'max-age=60', vary: '*' },
  }
  for (const [name, fields] of Object.entries(cases)) {
    const route = counted(fields)
    const { url, fastify } = await startService(t, route.add)
    for (const run of [1, 2]) {
      const answer = await get(`${url}/it`)
      t.equal(answer.body.toString(), `run ${run}`, name)
      t.not(answer.header('x-cache'), 'HIT')
    }
    t.equal(fastify.l1!.stats().entries, 0, name)
  }
})

t.test('a request with Authorization shares only what the route calls public', async (t) => {
  for (const [control, hit] of Object.entries({ 'max-age=60': false, 'max-age=60, public': true })) {
    const route = counted({ 'cache-control': control })
    const { url } = await startService(t, route.add)
    await get(`${url}/it`, { headers: { Authorization: 'Basic YTpi' } })
    const answer = await get(`${url}/it`)
    t.equal(answer.header('x-cache'), hit ? 'HIT' : 'MISS', control)
  }
})

t.test('conditions are answered from the cache, and the route never sees those of clients', async (t) => {
  const seen: unknown[] = []
  const { url } = await startService(t, (fastify) => {
    fastify.get('/it', (request, reply) => {
      seen.push(request.headers['if-none-match'], request.headers.range)
      return reply.headers({ 'cache-control': 'max-age=60', etag: '"one"' }).send('0123456789')
    })
  })
  const first = await get(`${url}/it`, { headers: { 'If-None-Match': '"one"' } })
  t.equal(first.status, 304)
  t.equal(first.header('x-cache'), 'MISS')
  t.same(seen, [undefined, undefined])
  const second = await get(`${url}/it`, { headers: { 'If-None-Match': 'W/"one"' } })
  t.equal(second.status, 304)
  t.equal(second.header('x-cache'), 'HIT')
  const whole = await get(`${url}/it`, { headers: { 'If-None-Match': '"other"' } })
  t.equal(whole.status, 200)
  t.equal(whole.header('x-cache'), 'HIT')
  t.equal(seen.length, 2)
})

t.test('what is stale is validated: the route may answer 304', async (t) => {
  const conditions: unknown[] = []
  const { url } = await startService(t, (fastify) => {
    fastify.get('/it', (request, reply) => {
      const condition = request.headers['if-none-match']
      conditions.push(condition)
      reply.headers({ 'cache-control': 'no-cache', etag: '"one"' })
      return condition === '"one"' ? reply.code(304).send() : reply.send('the body')
    })
  })
  await get(`${url}/it`)
  const answer = await get(`${url}/it`)
  t.equal(answer.status, 200)
  t.equal(answer.body.toString(), 'the body')
  t.equal(answer.header('x-cache'), 'REVALIDATED')
  t.same(conditions, [undefined, '"one"'])
})

t.test('a cold range: a route that ignores Range and one that answers 206 give the same', async (t) => {
  const body = bytesOf(1, 3 * MIB + 7)
  const asked: unknown[] = []
  const { url } = await startService(t, (fastify) => {
    const fields = { 'cache-control': 'max-age=60', etag: '"one"', 'accept-ranges': 'bytes' }
    fastify.get('/ignores', (_request, reply) => reply.headers(fields).send(body))
    fastify.get('/honours', (request, reply) => {
      asked.push(request.headers.range)
      reply.headers(fields)
      const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? []
      if (from === undefined) return reply.send(body)
      const last = Math.min(Number(to), body.length - 1)
      reply.code(206).header('content-range', `bytes ${from}-${last}/${body.length}`)
      return reply.send(body.subarray(Number(from), last + 1))
    })
  })
  for (const path of ['/ignores', '/honours']) {
    const ranges = [
      [MIB + 100, MIB + 199],
      [0, 9],
      [MIB - 10, 2 * MIB + 10],
      [3 * MIB, 3 * MIB + 6],
    ]
    for (const [from, to] of ranges) {
      const part = await get(`${url}${path}`, { range: `bytes=${from}-${to}` })
      t.equal(part.status, 206)
      t.equal(part.header('content-range'), `bytes ${from}-${to}/${body.length}`)
      t.ok(part.complete && part.body.equals(body.subarray(from, to + 1)), `${path} ${from}-${to}`)
    }
    const again = await get(`${url}${path}`, { range: 'bytes=5-6' })
    t.equal(again.header('x-cache'), 'HIT')
    const whole = await get(`${url}${path}`)
    t.ok(whole.complete && whole.body.equals(body), path)
  }
  t.equal(asked[0], `bytes=${MIB}-${2 * MIB - 1}`, 'whole slices were asked of the route')
})

t.test('Vary keeps variants apart', async (t) => {
  let runs = 0
  const { url } = await startService(t, (fastify) => {
    fastify.get('/it', (request, reply) => {
      runs++
      const language = request.headers['accept-language'] ?? 'none'
      return reply.headers({ 'cache-control': 'max-age=60', vary: 'Accept-Language' }).send(language)
    })
  })
  for (const result of ['MISS', 'HIT']) {
    for (const language of ['fi', 'pt']) {
      const answer = await get(`${url}/it`, { headers: { 'Accept-Language': language } })
      t.equal(answer.body.toString(), language)
      t.equal(answer.header('x-cache'), result)
    }
  }
  t.equal(runs, 2)
})

t.test('an unsafe method on the same target forgets what is stored', async (t) => {
  const route = counted({ 'cache-control': 'max-age=60' })
  const bodies: unknown[] = []
  const { url } = await startService(t, (fastify) => {
    route.add(fastify)
    fastify.post('/it', (request, reply) => {
      bodies.push(request.body)
      return reply.code(request.headers['x-fail'] ? 400 : 201).send({ done: true })
    })
  })
  const post = (headers: Record<string, string> = {}) =>
    get(`${url}/it`, {
      method: 'POST',
      body: '{"a":1}',
      headers: { 'Content-Type': 'application/json', ...headers },
    })
  await get(`${url}/it`)
  t.equal((await post({ 'X-Fail': '1' })).status, 400)
  t.equal((await get(`${url}/it`)).header('x-cache'), 'HIT', 'an error changes nothing')
  const posted = await post()
  t.equal(posted.status, 201)
  t.equal(posted.body.toString(), '{"done":true}')
  t.same(bodies, [{ a: 1 }, { a: 1 }], 'the body was parsed as ever')
  t.equal((await get(`${url}/it`)).body.toString(), 'run 2')
})

t.test('stale-while-revalidate: the stale answer at once, one run of the route behind it', async (t) => {
  let runs = 0
  const seen: unknown[] = []
  let go = Promise.resolve()
  const { url } = await startService(t, (fastify) => {
    fastify.get('/it', async (request, reply) => {
      const run = ++runs
      seen.push(request.ip, request.headers['x-mine'], request.headers.cookie, request.url)
      await go
      const control = run === 1 ? 'max-age=0, stale-while-revalidate=60' : 'max-age=60'
      return reply.header('cache-control', control).send(`run ${run}`)
    })
  })
  await get(`${url}/it?q=%7e`)
  let proceed!: () => void
  go = new Promise((resolve) => (proceed = resolve))
  const stale = await get(`${url}/it?q=%7e`, { headers: { 'X-Mine': 'yes', Cookie: 'a=1' } })
  t.equal(stale.body.toString(), 'run 1')
  t.equal(stale.header('x-cache'), 'STALE')
  t.equal((await get(`${url}/it?q=%7e`)).body.toString(), 'run 1')
  await until(() => runs === 2)
  t.same(seen.slice(4), ['127.0.0.1', 'yes', 'a=1', '/it?q=%7e'], 'the same request as its client’s')
  proceed()
  let fresh = await get(`${url}/it?q=%7e`)
  // The refresh may take a while yet.
  for (const end = performance.now() + 60_000; fresh.body.toString() === 'run 1' && performance.now() < end; )
    fresh = await get(`${url}/it?q=%7e`)
  t.equal(fresh.body.toString(), 'run 2')
  t.equal(fresh.header('x-cache'), 'HIT')
  t.equal(runs, 2)
})

t.test('a handler that throws: its error reply reaches the client and is not stored', async (t) => {
  let runs = 0
  const { url } = await startService(t, (fastify) => {
    fastify.get('/default', () => {
      runs++
      throw new Error('the handler broke')
    })
    fastify.get('/later', async (_request, reply) => {
      runs++
      reply.header('cache-control', 'max-age=60')
      await wait(5)
      throw Object.assign(new Error('teapot'), { statusCode: 418 })
    })
    fastify.register(async (scope) => {
      scope.setErrorHandler((error, _request, reply) =>
        reply
          .code(503)
          .header('cache-control', 'no-store')
          .send((error as Error).message),
      )
      scope.get('/own', (_request, reply) => {
        runs++
        reply.header('cache-control', 'max-age=60')
        throw new Error('mine')
      })
    })
  })
  for (const run of [1, 2]) {
    const plain = await get(`${url}/default`)
    t.equal(plain.status, 500)
    t.equal(JSON.parse(plain.body.toString()).message, 'the handler broke')
    t.equal((await get(`${url}/later`)).status, 418)
    const own = await get(`${url}/own`)
    t.equal(own.status, 503)
    t.equal(own.body.toString(), 'mine')
    t.equal(runs, 3 * run, 'asked anew')
  }
})

t.test('HEAD runs the route’s HEAD, and is a hit where a GET is stored', async (t) => {
  const methods: string[] = []
  const { url } = await startService(t, (fastify) => {
    fastify.get('/it', (request, reply) => {
      methods.push(request.method)
      return reply.headers({ 'cache-control': 'max-age=60', etag: '"e"' }).send('0123456789')
    })
  })
  const cold = await get(`${url}/it`, { method: 'HEAD' })
  t.equal(cold.status, 200)
  t.equal(cold.header('content-length'), '10')
  t.equal(cold.header('etag'), '"e"')
  await get(`${url}/it`)
  const hit = await get(`${url}/it`, { method: 'HEAD' })
  t.equal(hit.header('x-cache'), 'HIT')
  t.equal(hit.header('content-length'), '10')
  t.same(methods, ['HEAD', 'GET'])
})

t.test('from the file tier, after a restart of the service', async (t) => {
  const body = bytesOf(9, 2 * MIB + 1)
  const dir = tempDir(t)
  let runs = 0
  const routes = (fastify: FastifyInstance) =>
    fastify.get('/it', (_request, reply) => {
      runs++
      return reply.headers({ 'cache-control': 'max-age=60', etag: '"e"' }).send(body)
    })
  const options = { l1: 0, l2: 64 * MIB, dir, cacheKey: { includeHost: false } }
  const first = await startService(t, routes, options)
  await get(`${first.url}/it`)
  await first.fastify.close()
  const second = await startService(t, routes, options)
  const hit = await get(`${second.url}/it`)
  t.equal(hit.header('x-cache'), 'HIT')
  t.match(hit.header('cache-status'), /detail=l2/)
  t.ok(hit.body.equals(body))
  t.equal(runs, 1)
})

t.test(
  'a cookie that a session sets behind the back of a route keeps its answer from the others',
  async (t) => {
    let sessions = 0
    const { url } = await startService(
      t,
      (fastify) => {
        for (const [path, control] of Object.entries({
          '/page': 'max-age=60',
          '/shared': 'public, max-age=60',
        })) {
          fastify.get(path, (_request, reply) => reply.header('cache-control', control).send('page'))
        }
      },
      {
        before: (fastify) =>
          fastify.addHook('onSend', async (_request, reply) => {
            reply.header('set-cookie', `session=${++sessions}`)
          }),
      },
    )
    const cookies = async (path: string) => (await get(`${url}${path}`)).header('set-cookie')
    t.not(await cookies('/page'), await cookies('/page'))
    t.equal(await cookies('/shared'), await cookies('/shared'), 'unless the route says so')
  },
)

t.test(
  'Set-Cookie of a route reaches its client and, without word that it is shared, nobody else',
  async (t) => {
    let runs = 0
    const { url } = await startService(t, (fastify) => {
      fastify.get('/it', (_request, reply) =>
        reply
          .headers({ 'set-cookie': ['a=1', 'b=2'], 'cache-control': 'no-cache, private' })
          .send(`run ${++runs}`),
      )
    })
    const answer = await get(`${url}/it`)
    t.same(
      answer.fields.filter((_, i, all) => /^set-cookie$/i.test(all[i - 1] ?? '')),
      ['a=1', 'b=2'],
    )
    t.equal((await get(`${url}/it`)).body.toString(), 'run 2')
  },
)

t.test('purge by URL, and all', async (t) => {
  const route = counted({ 'cache-control': 'max-age=60' })
  const { url, fastify } = await startService(t, route.add)
  await get(`${url}/it`)
  t.ok((await fastify.routeCache!.purge(`${url}/it`)) > 0)
  t.equal((await get(`${url}/it`)).body.toString(), 'run 2')
  await fastify.routeCache!.purgeAll()
  t.equal((await get(`${url}/it`)).body.toString(), 'run 3')
})
