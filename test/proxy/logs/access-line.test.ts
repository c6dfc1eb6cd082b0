import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import l1Cache from '../../../plugins/l1-cache.ts'
import l2File from '../../../plugins/l2-file.ts'
import streamingProxy, { type StreamingProxyOptions } from '../../../plugins/streaming-proxy.ts'
import { bytesOf } from '../../helpers/bytes.ts'
import { connect, get, stalledClient } from '../../helpers/client.ts'
import { createLogged } from '../../helpers/log-lines.ts'
import { type Origin, type Script, startOrigin } from '../../helpers/origin.ts'
import { tempDir } from '../../helpers/scope.ts'
import { until } from '../../helpers/until.ts'

const file = bytesOf(1, 100_000)
const cacheable: Script = (request, exchange) =>
  exchange.respondFile(request.target === '/tiny' ? file.subarray(0, 100) : file)

async function start(t: Test, script: Script, options: Partial<StreamingProxyOptions> = {}) {
  const origin = await startOrigin(t, script)
  const log = createLogged()
  await log.fastify.register(l1Cache, { maxBytes: 16 * 1024 * 1024 })
  await log.fastify.register(l2File, { dir: tempDir(t), maxBytes: 64 * 1024 * 1024 })
  await log.fastify.register(streamingProxy, { upstream: origin.url, accessLog: true, ...options })
  await log.fastify.listen({ port: 0, host: '127.0.0.1' })
  t.teardown(() => log.fastify.close())
  const { port } = log.fastify.server.address() as AddressInfo
  return { origin: origin as Origin, log, url: `http://127.0.0.1:${port}`, port }
}

t.test('a line has what operators look for', async (t) => {
  const { log, url, port } = await start(t, cacheable)
  const trace = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
  const headers = { Referer: 'http://r/', 'User-Agent': 'ua', 'X-Request-Id': 'mine', traceparent: trace }
  const connection = await connect(url)
  await connection.request('/a%20b?q=1', { headers })
  const { localPort } = connection.socket
  connection.close()
  const line = await log.line('access')
  t.match(line, {
    level: 30,
    remoteAddress: '127.0.0.1',
    peer: '127.0.0.1',
    remotePort: localPort,
    host: `127.0.0.1:${port}`,
    method: 'GET',
    url: '/a%20b?q=1',
    httpVersion: '1.1',
    status: 200,
    referer: 'http://r/',
    userAgent: 'ua',
    cache: 'MISS',
    tier: null,
    originStatus: 200,
    aborted: false,
    failure: null,
    requestId: 'mine',
    traceparent: trace,
  })
  for (const name of ['time', 'ttfbMs', 'durationMs', 'originMs']) t.type(line[name], 'number', name)
  t.ok(Number(line.durationMs) >= Number(line.ttfbMs) && Number(line.ttfbMs) >= Number(line.originMs))
  t.ok(Number(line.bytes) > file.length && Number(line.bytes) < file.length + 1000, 'head and body')
  t.notOk('cacheKey' in line, 'only where clients may see it')
})

t.test('of a hit it tells the tier, and that the origin was not asked', async (t) => {
  const { log, url } = await start(t, cacheable, { cacheStatusKey: true })
  await get(`${url}/a`)
  await get(`${url}/a`)
  const hit = await log.line('access', 2)
  t.match(hit, {
    cache: 'HIT',
    tier: 'l1',
    originMs: null,
    originStatus: null,
    traceparent: null,
    referer: null,
  })
  t.match(hit.cacheKey, '/a')
  t.match(hit.requestId, /^[0-9a-f-]{36}$/, 'made up for the line')

  await until(() => log.fastify.l2!.stats().entries === 2)
  await log.fastify.l1!.clear()
  await get(`${url}/a`)
  t.match(await log.line('access', 3), { cache: 'HIT', tier: 'l2' })

  for (let i = 0; i < 2; i++) await get(`${url}/tiny`)
  t.match(await log.line('access', 5), { cache: 'HIT', tier: 'l1', originMs: null }, 'on the fast path')
})

t.test('the bytes of a request are those of its head and its body, on one connection too', async (t) => {
  const { log, url } = await start(t, async (request, exchange) => {
    await request.body
    await exchange.respond({ status: 201 })
  })
  const connection = await connect(url)
  for (const length of [0, 70_000, 10]) {
    await connection.request('/up', { method: 'POST', body: Buffer.alloc(length) })
  }
  connection.close()
  await log.line('access', 3)
  const [head, large, small] = log.of('access').map((line) => Number(line.requestBytes))
  t.ok(head > 40 && head < 100, `${head}`)
  t.ok(large > 70_000 + 40 && large < 70_000 + 100, `${large}`)
  t.ok(small > head && small < head + 20, `${small}`)
})

t.test(
  'bytes that came before anybody logged are not those of the first request that is logged',
  async (t) => {
    const { log, url } = await start(
      t,
      async (request, exchange) => {
        await request.body
        await exchange.respond({ status: 201 })
      },
      { accessLog: false },
    )
    const connection = await connect(url)
    await connection.request('/up', { method: 'POST', body: Buffer.alloc(70_000) })
    log.fastify.sliceProxy!.configure({ accessLog: true })
    for (let i = 0; i < 2; i++) await connection.request('/up', { method: 'POST', body: Buffer.alloc(1000) })
    connection.close()
    await log.line('access', 2)
    const [first, second] = log.of('access').map((line) => Number(line.requestBytes))
    t.ok(first <= second, `${first}`)
    t.ok(second > 1000 && second < 1100, `${second}`)
  },
)

t.test('a client that leaves before there is an answer is 499, with nothing sent', async (t) => {
  const { log, url, origin } = await start(t, (_request, exchange) => exchange.stall(exchange.gone))
  const socket = await stalledClient(`${url}/slow`)
  await until(() => origin.requests.length === 1)
  socket.destroy()
  t.match(await log.line('access'), {
    status: 499,
    bytes: 0,
    ttfbMs: -1,
    aborted: true,
    cache: '',
    originMs: null,
  })
})

t.test('what went wrong with the origin is named', async (t) => {
  const { log, url, origin } = await start(t, cacheable, { maxRetries: 0 })
  await origin.stop()
  await get(`${url}/down`)
  t.match(await log.line('access'), {
    status: 502,
    failure: 'connection_refused',
    originStatus: null,
    aborted: false,
  })
  await origin.start()
  origin.use(async (_request, exchange) => {
    await exchange.head({ fields: ['Content-Length', '1000'] })
    await exchange.write('x')
    exchange.end()
  })
  await get(`${url}/cut`)
  t.match(await log.line('access', 2), { status: 200, aborted: true, originStatus: 200 })
  t.type((await log.line('access', 2)).failure, 'string')
})

t.test('the client is who proxies that are believed say it is', async (t) => {
  const fields = (forwarded: string) => ({ headers: { 'X-Forwarded-For': forwarded } })
  const { log, url } = await start(t, cacheable, { trustedProxies: ['127.0.0.0/8', '10.0.0.0/8'] })
  const cases: [string, string][] = [
    ['203.0.113.9', '203.0.113.9'],
    ['6.6.6.6, 203.0.113.9, 10.1.2.3', '203.0.113.9'],
    ['203.0.113.9:4711', '203.0.113.9'],
    ['[2001:db8::1]:80, 10.0.0.1', '2001:db8::1'],
    ['2001:db8::1', '2001:db8::1'],
    ['10.0.0.1', '10.0.0.1'],
    ['203.0.113.9, nonsense, 10.0.0.1', '10.0.0.1'],
    ['', '127.0.0.1'],
  ]
  for (const [i, [forwarded, client]] of cases.entries()) {
    await get(`${url}/a`, fields(forwarded))
    t.match(await log.line('access', i + 1), { remoteAddress: client, peer: '127.0.0.1' }, forwarded)
  }

  const stranger = await start(t, cacheable)
  await get(`${stranger.url}/a`, fields('203.0.113.9'))
  t.match(await stranger.log.line('access'), { remoteAddress: '127.0.0.1' }, 'a stranger is not believed')
})

t.test('requests for another protocol have a line when their connection closes', async (t) => {
  const { log, url, origin } = await start(t, async (_request, exchange) => {
    await exchange.head({ status: 101, fields: ['Upgrade', 'websocket', 'Connection', 'Upgrade'] })
    const wire = exchange.takeOver()
    await wire.some(100)
    await exchange.write('pong')
  })
  const connection = await connect(url)
  connection.write(
    'GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX-Request-Id: w\r\n\r\n',
  )
  await connection.wire.until('\r\n\r\n')
  connection.write('ping')
  t.equal((await connection.wire.until('pong'))?.toString(), 'pong')
  t.equal(log.of('access').length, 0, 'not yet')
  connection.close()
  t.match(await log.line('access'), {
    url: '/ws',
    status: 101,
    cache: 'BYPASS',
    originStatus: 101,
    requestId: 'w',
    host: 'h',
  })
  t.equal(origin.requests[0].header('x-request-id'), 'w')
})

t.test('without access_log there is no line', async (t) => {
  const { log, url } = await start(t, cacheable, { accessLog: false })
  await get(`${url}/a`)
  await until(() => log.fastify.sliceProxy!.counters.requestsNow === 0)
  t.same(log.of('access'), [])
})
