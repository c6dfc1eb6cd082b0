import { Readable } from 'node:stream'
import { setTimeout as wait } from 'node:timers/promises'
import Fastify from 'fastify'
import t from 'tap'
import l1Cache from '../../../plugins/l1-cache.ts'
import routeCache from '../../../plugins/route-cache.ts'
import { bytesOf } from '../../helpers/bytes.ts'
import { connect, get, stalledClient } from '../../helpers/client.ts'
import { startService } from '../../helpers/service.ts'
import { until } from '../../helpers/until.ts'

const FRESH = { 'cache-control': 'max-age=60', etag: '"e"' }

t.test('clients that ask at once for what is each one’s own never get each other’s', async (t) => {
  for (const fields of [{}, { 'cache-control': 'private, max-age=60' }, { etag: '"same"' }]) {
    const { url } = await startService(t, (fastify) => {
      fastify.get('/me', async (request, reply) => {
        await wait(5)
        return reply.headers(fields).send(`you are ${request.headers.cookie}`)
      })
    })
    for (let round = 0; round < 3; round++) {
      const answers = await Promise.all(
        Array.from({ length: 20 }, (_, i) => get(`${url}/me`, { headers: { Cookie: `user=${i}` } })),
      )
      t.same(
        answers.map((answer) => answer.body.toString()),
        answers.map((_, i) => `you are user=${i}`),
      )
    }
  }
})

t.test('the one who runs the route leaves before it has answered; the others get its answer', async (t) => {
  let runs = 0
  let answer!: () => void
  const { url, counters } = await startService(t, (fastify) => {
    fastify.get('/', async (_request, reply) => {
      runs++
      await new Promise<void>((resolve) => (answer = resolve))
      return reply.headers(FRESH).send('for all')
    })
  })
  const leader = await stalledClient(`${url}/`)
  await until(() => runs === 1)
  const followers = [get(`${url}/`), get(`${url}/`)]
  await until(() => counters.requestsNow === 3)
  leader.destroy()
  await until(() => counters.requestsNow === 2)
  answer()
  for (const { body } of await Promise.all(followers)) t.equal(body.toString(), 'for all')
  t.equal(runs, 1)
})

t.test(
  'what is missing of a stored representation is asked of the route in the middle of a response',
  async (t) => {
    const size = 64 * 1024
    const body = bytesOf(3, 8 * size)
    const ranges: unknown[] = []
    const { url } = await startService(
      t,
      (fastify) => {
        fastify.get('/it', (request, reply) => {
          ranges.push(request.headers.range)
          const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? []
          reply.headers(FRESH)
          if (from === undefined) return reply.send(body)
          const last = Math.min(Number(to), body.length - 1)
          reply.code(206).header('content-range', `bytes ${from}-${last}/${body.length}`)
          return reply.send(body.subarray(Number(from), last + 1))
        })
      },
      { sliceSize: size },
    )
    for (const slice of [0, 2, 5]) await get(`${url}/it`, { range: `bytes=${slice * size}-${slice * size}` })
    const whole = await get(`${url}/it`)
    t.match(whole.header('cache-status'), /fwd=partial/)
    t.ok(whole.complete && whole.body.equals(body))
    t.same(ranges.slice(3), [
      `bytes=${size}-${2 * size - 1}`,
      `bytes=${3 * size}-${5 * size - 1}`,
      `bytes=${6 * size}-${8 * size - 1}`,
    ])
    t.equal((await get(`${url}/it`)).header('x-cache'), 'HIT')
  },
)

t.test('a representation that changes between two of its slices is never mixed', async (t) => {
  const size = 64 * 1024
  let version = 1
  const { url } = await startService(
    t,
    (fastify) => {
      fastify.get('/it', (_request, reply) =>
        reply
          .headers({ ...FRESH, etag: `"v${version}"` })
          .send(Buffer.alloc(4 * size, `version ${version} `)),
      )
    },
    { sliceSize: size },
  )
  await get(`${url}/it`, { abortAfter: 1000 })
  await get(`${url}/it`, { range: 'bytes=0-10' })
  version = 2
  const answer = await get(`${url}/it`)
  if (answer.complete) {
    const text = answer.body.toString()
    t.equal(new Set(text.match(/version \d/g)).size, 1, 'one version')
  }
  t.equal((await get(`${url}/it`)).complete, true)
})

t.test('Fastify finds nothing to complain of, and tells each request as it ended', async (t) => {
  const lines: { level: number; msg: string; res?: { statusCode: number } }[] = []
  const stream = { write: (line: string) => void lines.push(JSON.parse(line)) }
  const { url } = await startService(
    t,
    (fastify) => {
      fastify.get('/async', async (_request, reply) => {
        reply.headers(FRESH).send(Readable.from(['0123', '456789']))
        return reply
      })
      fastify.get('/sync', (_request, reply) => void reply.headers(FRESH).send('0123456789'))
      fastify.get('/late', async (_request, reply) => {
        reply.headers({ 'cache-control': 'max-age=0, stale-while-revalidate=60' }).send('soon')
        await wait(20)
      })
    },
    { fastify: { logger: { stream, level: 'info' } } },
  )
  const client = await connect(url)
  t.teardown(() => client.close())
  const statuses: number[] = []
  for (const path of ['/async', '/sync', '/late']) {
    for (const headers of [{}, { Range: 'bytes=1-2' }, { 'If-None-Match': '"e"' }, { Range: 'bytes=99-' }]) {
      statuses.push((await client.request(path, { headers: headers as Record<string, string> })).status)
      await wait(30)
    }
  }
  t.same(statuses.slice(0, 4), [200, 206, 304, 416])
  t.same(
    lines.filter(({ level }) => level > 30),
    [],
    'no warning',
  )
  const told = lines.filter(({ msg }) => msg === 'request completed').map(({ res }) => res!.statusCode)
  t.same(told.slice(0, 8), statuses.slice(0, 8))
  t.equal(lines.filter(({ msg }) => msg === 'incoming request').length, told.length)
})

t.test('a service that is tested by inject() behaves as over the network', async (t) => {
  let runs = 0
  const fastify = Fastify()
  t.teardown(() => fastify.close())
  await fastify.register(l1Cache, { maxBytes: 8 * 1024 * 1024 })
  await fastify.register(routeCache)
  fastify.get('/it', async (_request, reply) => {
    reply.headers(FRESH)
    return `run ${++runs}`
  })
  fastify.post('/it', async (request) => request.body)
  const get = (headers = {}) => fastify.inject({ url: '/it', headers })
  t.match(await get(), { statusCode: 200, payload: 'run 1', headers: { 'x-cache': 'MISS' } })
  t.match(await get(), { statusCode: 200, payload: 'run 1', headers: { 'x-cache': 'HIT' } })
  t.match(await get({ range: 'bytes=0-2' }), { statusCode: 206, payload: 'run' })
  t.match(await get({ 'if-none-match': '"e"' }), { statusCode: 304, payload: '' })
  t.match(await fastify.inject({ method: 'POST', url: '/it', payload: { a: 1 } }), { payload: '{"a":1}' })
  t.match(await get(), { payload: 'run 2' })
})
