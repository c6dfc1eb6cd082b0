import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import health from '../../plugins/health.ts'
import l1Cache from '../../plugins/l1-cache.ts'
import l2File from '../../plugins/l2-file.ts'
import metrics from '../../plugins/metrics.ts'
import pressure from '../../plugins/pressure.ts'
import purge from '../../plugins/purge.ts'
import streamingProxy from '../../plugins/streaming-proxy.ts'
import { bytesOf } from '../helpers/bytes.ts'
import { connect, get } from '../helpers/client.ts'
import { createLogged } from '../helpers/log-lines.ts'
import { type Script, startOrigin } from '../helpers/origin.ts'
import { tempDir } from '../helpers/scope.ts'
import { freePorts } from '../helpers/server.ts'
import { until } from '../helpers/until.ts'

const SLICE = 64 * 1024
const files: Record<string, Buffer> = {
  '/small': bytesOf(1, 1000),
  '/large': bytesOf(2, 5 * SLICE),
  // More than an eighth of memory: its head is there, its slices are on disk only.
  '/huge': bytesOf(3, 3 * 1024 * 1024),
}
const script: Script = (request, exchange) => exchange.respondFile(files[request.target] ?? Buffer.from('x'))

async function start(t: Test, answer: Script = script) {
  const origin = await startOrigin(t, answer)
  const [port] = await freePorts(1)
  const log = createLogged()
  const { fastify } = log
  await fastify.register(l1Cache, { maxBytes: 16 * 1024 * 1024 })
  await fastify.register(l2File, { dir: tempDir(t), maxBytes: 64 * 1024 * 1024 })
  await fastify.register(streamingProxy, { upstream: origin.url, sliceSize: SLICE, accessLog: true })
  await fastify.register(pressure, { maxEventLoopDelay: 0, maxEventLoopPercent: 0, retryAfter: 7 })
  await fastify.register(purge, {})
  await fastify.register(health, { address: `127.0.0.1:${port}` })
  await fastify.register(metrics, {})
  await fastify.listen({ port: 0, host: '127.0.0.1' })
  t.teardown(() => fastify.close())
  const url = `http://127.0.0.1:${(fastify.server.address() as AddressInfo).port}`
  /** Everything that memory cannot answer is refused from now on. */
  const press = async () => {
    await until(() => fastify.memoryUsage().rssBytes > 0)
    fastify.pressure!.configure({ maxRssBytes: 1 })
  }
  return { origin, log, fastify, url, probe: `http://127.0.0.1:${port}`, press }
}

t.test('what memory cannot answer at once is refused', async (t) => {
  const { origin, fastify, log, url, press } = await start(t)
  await press()
  t.same(fastify.pressure!.reasons(), ['rss'])
  const requests = [
    { method: 'GET' },
    { method: 'HEAD' },
    { method: 'POST', body: 'x' },
    { method: 'GET', range: 'bytes=0-0' },
  ]
  for (const request of requests) {
    const answer = await get(`${url}/small`, request)
    t.equal(answer.status, 503, request.method)
    t.equal(answer.header('retry-after'), '7')
    t.equal(answer.header('cache-control'), 'no-store')
    if (request.method !== 'HEAD') t.equal(answer.body.toString(), '503 too busy: try again later\n')
  }
  const upgrade = await connect(url)
  upgrade.write('GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n')
  t.match((await upgrade.wire.until('\r\n\r\n'))?.toString(), /^HTTP\/1.1 503 .*\r\nRetry-After: 7\r\n/)
  upgrade.close()

  t.equal(origin.requests.length, 0)
  t.equal(fastify.sliceProxy!.counters.refused.rss, 5)
  t.match(await log.line('access'), { status: 503, failure: 'rss' })
  const text = (await get(`${url}/metrics`)).body.toString()
  t.match(text, /^http_requests_refused_total\{reason="rss"\} 5$/m)
  t.match(text, /^pressure\{reason="rss"\} 1$/m)
  t.match(text, /^pressure\{reason="event_loop_delay"\} 0$/m)
})

t.test('what memory has is served on: small and large, ranges, conditions, HEAD', async (t) => {
  const { origin, fastify, url, press } = await start(t)
  for (const path of ['/small', '/large', '/huge']) await get(url + path)
  await get(`${url}/gone`)
  await until(() => fastify.l2!.stats().entries >= 9 && fastify.l2!.stats().pendingBytes === 0)
  const etag = (await get(`${url}/large`)).header('etag')!
  await press()
  const asked = origin.requests.length
  t.same((await get(`${url}/small`)).body, files['/small'])
  t.same((await get(`${url}/large`)).body, files['/large'])
  const part = await get(`${url}/large`, { range: `bytes=${SLICE}-${SLICE + 9}` })
  t.match(part, { status: 206, length: 10 })
  t.equal((await get(`${url}/large`, { headers: { 'If-None-Match': etag } })).status, 304)
  t.equal((await get(`${url}/large`, { method: 'HEAD' })).status, 200)
  t.equal(
    (await get(`${url}/large`, { headers: { 'Cache-Control': 'no-cache' } })).status,
    503,
    'it asks for the origin',
  )
  t.equal((await get(`${url}/small?other`)).status, 503)

  t.equal((await get(`${url}/huge`)).status, 503, 'the disk is asked for nothing')
  t.equal((await get(`${url}/huge`, { method: 'HEAD' })).status, 200)
  t.equal(origin.requests.length, asked)
})

t.test('probes and PURGE are exempt; /health tells', async (t) => {
  const { fastify, url, probe, press } = await start(t)
  await get(`${url}/small`)
  await press()
  const told = async (path: string) => {
    const answer = await get(probe + path)
    return [answer.status, JSON.parse(answer.body.toString()).status]
  }
  t.same(await told('/health'), [200, 'degraded'])
  t.same(await told('/ready'), [200, 'ready'])
  t.same(await told('/live'), [200, 'live'])
  t.equal((await get(`${url}/small`, { method: 'PURGE' })).status, 200)
  t.equal((await get(`${url}/small`)).status, 503, 'it was purged')
  fastify.pressure!.configure({ maxRssBytes: 0 })
  t.same(await told('/health'), [200, 'healthy'])
  t.equal((await get(`${url}/small`)).status, 200)
})

t.test('responses under way go on, and other limits end it', async (t) => {
  const gate = Promise.withResolvers<void>()
  const { fastify, log, url, press } = await start(t, async (_request, exchange) => {
    await exchange.head({ fields: ['Content-Length', '10'] })
    await exchange.write('first')
    await exchange.stall(gate.promise)
    await exchange.write('.last')
  })
  const underWay = get(`${url}/slow`)
  await until(() => fastify.sliceProxy!.counters.bytesFromOrigin === 5)
  await press()
  t.equal((await get(`${url}/other`)).status, 503)
  gate.resolve()
  t.equal((await underWay).body.toString(), 'first.last')
  fastify.pressure!.configure({ maxRssBytes: 0 })
  t.equal((await get(`${url}/other`)).status, 200)
  t.same(fastify.pressure!.reasons(), [])

  const [begin] = log.of('under pressure: refusing what memory cannot answer')
  t.match(begin, { level: 40, reasons: ['rss'], rssBytes: Number })
  t.match(log.of('the pressure is over'), [{ level: 30, seconds: Number }])
  fastify.pressure!.configure({ maxRssBytes: 1 })
  t.equal(log.of(String(begin.msg)).length, 1, 'what comes again so soon is not told again')
})

t.test('a large upload that is refused is not read', async (t) => {
  const { url, press } = await start(t)
  await press()
  const connection = await connect(url)
  connection.write('POST /up HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000000\r\n\r\nbegin')
  const answer = await connection.answer({ method: 'POST' })
  t.equal(answer.status, 503)
  t.equal(answer.header('connection'), 'close')
  await until(() => connection.wire.ended !== null)
})

function block(milliseconds: number): void {
  const end = performance.now() + milliseconds
  while (performance.now() < end) {
    // busy
  }
}

t.test('an event loop that is late is pressure', async (t) => {
  const { fastify, url } = await start(t)
  fastify.pressure!.configure({ maxEventLoopDelay: 30 })
  const timer = setInterval(block, 1, 100)
  t.teardown(() => clearInterval(timer))
  await until(() => fastify.pressure!.reasons().includes('event_loop_delay'))
  t.equal((await get(`${url}/small`)).status, 503)
  clearInterval(timer)
  await until(() => fastify.pressure!.reasons().length === 0)
  t.equal((await get(`${url}/small`)).status, 200)
})
