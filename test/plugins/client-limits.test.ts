import type { AddressInfo, Socket } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import t, { type Test } from 'tap'
import clientLimits from '../../plugins/client-limits.ts'
import type { ClientLimitsOptions } from '../../plugins/decorators.ts'
import l1Cache from '../../plugins/l1-cache.ts'
import metrics from '../../plugins/metrics.ts'
import streamingProxy, { type StreamingProxyOptions } from '../../plugins/streaming-proxy.ts'
import { bytesOf } from '../helpers/bytes.ts'
import { connect, get, stalledClient } from '../helpers/client.ts'
import { createLogged } from '../helpers/log-lines.ts'
import { type Script, startOrigin } from '../helpers/origin.ts'
import { until } from '../helpers/until.ts'

const MiB = 1024 * 1024
/** More than the buffers of the system take. */
const LARGE = 64 * MiB
const large = bytesOf(1, LARGE)

async function start(
  t: Test,
  limits: ClientLimitsOptions,
  script: Script,
  options: Partial<StreamingProxyOptions> = {},
) {
  const origin = await startOrigin(t, script)
  const log = createLogged('debug')
  const { fastify } = log
  Object.assign(fastify.server, { connectionsCheckingInterval: 50 })
  await fastify.register(l1Cache, { maxBytes: 16 * MiB })
  await fastify.register(streamingProxy, { upstream: origin.url, accessLog: true, ...options })
  await fastify.register(clientLimits, limits)
  await fastify.register(metrics, {})
  await fastify.listen({ port: 0, host: '127.0.0.1' })
  t.teardown(() => fastify.close())
  const url = `http://127.0.0.1:${(fastify.server.address() as AddressInfo).port}`
  return { origin, log, fastify, url, counts: fastify.clientLimits!.counts }
}

const whole: Script = (_request, exchange) => exchange.respondFile(large)
const small: Script = (_request, exchange) => exchange.respond({ body: 'x' })
const upload: Script = async (request, exchange) => {
  await request.body
  await exchange.respond({ status: 201, body: 'taken' })
}

const closed = (socket: Socket) => new Promise<void>((resolve) => socket.once('close', () => resolve()))

t.test('connections above the limit are closed as they come; the others work', async (t) => {
  const { log, url, counts, fastify } = await start(t, { maxConnections: 2 }, small)
  const first = await connect(url)
  const second = await connect(url)
  t.equal((await first.request('/')).status, 200)
  t.equal((await second.request('/')).status, 200)
  for (let i = 0; i < 5; i++) {
    const refused = await connect(url)
    t.equal((await refused.request('/').catch(() => ({ status: 0 }))).status, 0)
    refused.close()
  }
  await until(() => counts.dropped === 5)
  t.equal(counts.connectionsNow, 2)
  const told = log.of('too many connections: new ones are closed as they come')
  t.match(told, [{ level: 40, dropped: 1, maxConnections: 2 }])
  t.equal(told.length, 1, 'one line, and not for each')
  t.equal((await first.request('/')).status, 200)
  const text = (await second.request('/metrics')).body.toString()
  t.match(text, /^client_connections 2$/m)
  t.match(text, /^client_connections_dropped_total 5$/m)

  fastify.clientLimits!.configure({ maxConnections: 0 })
  t.equal((await get(url)).status, 200, 'no limit')
  await until(() => counts.connectionsNow === 2)
  fastify.clientLimits!.configure({ maxConnections: 3 })
  const third = await connect(url)
  t.equal((await third.request('/')).status, 200)
  for (const connection of [first, second, third]) connection.close()
  await until(() => counts.connectionsNow === 0)
})

t.test('a head that comes too slowly is answered 408', async (t) => {
  const { url, counts, origin } = await start(t, { headerTimeout: 300 }, small)
  const connection = await connect(url)
  connection.write('GET / HTTP/1.1\r\nHost: h\r\n')
  const drip = setInterval(() => connection.write('X-A: b\r\n'), 50)
  t.teardown(() => clearInterval(drip))
  t.equal((await connection.answer({ timeout: 60_000 })).status, 408)
  clearInterval(drip)
  await until(() => connection.wire.ended !== null)
  t.equal(counts.headerTimeouts, 1)
  t.equal(origin.requests.length, 0)
})

t.test('an upload that pauses too long is answered 408, and the origin let go', async (t) => {
  const { log, url, counts, origin, fastify } = await start(t, { bodyTimeout: 300 }, upload)
  const connection = await connect(url)
  connection.write('POST /up HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\nbegin')
  const answer = await connection.answer({ method: 'POST' })
  t.equal(answer.status, 408)
  t.equal(answer.header('connection'), 'close')
  await until(() => connection.wire.ended !== null)
  t.equal(connection.wire.ended, 'fin', 'no reset, that could overtake the answer')
  await until(() => origin.open === 0)
  t.equal(counts.bodyTimeouts, 1)
  t.match(await log.line('access'), { status: 408, failure: 'body_timeout', aborted: true })
  t.equal(fastify.sliceProxy!.counters.clientAborts, 0, 'it did not leave')
})

t.test('an upload that comes slowly but does not pause is taken', async (t) => {
  const { url, counts } = await start(t, { bodyTimeout: 400 }, upload)
  const connection = await connect(url)
  connection.write('POST /up HTTP/1.1\r\nHost: h\r\nContent-Length: 20\r\n\r\n')
  for (let i = 0; i < 20; i++) {
    connection.write('x')
    await wait(60)
  }
  t.equal((await connection.answer({ method: 'POST' })).body.toString(), 'taken')
  t.equal(counts.bodyTimeouts, 0)
  connection.close()
})

t.test('an upload that the origin does not take is not the client pausing', async (t) => {
  const gate = Promise.withResolvers<void>()
  const { url, counts } = await start(t, { bodyTimeout: 100 }, async (request, exchange) => {
    exchange.socket.pause()
    await exchange.stall(gate.promise)
    exchange.socket.resume()
    await request.body
    await exchange.respond({ body: 'taken' })
  })
  const sent = get(`${url}/up`, { method: 'POST', body: large.subarray(0, 16 * MiB) })
  await wait(600)
  t.equal(counts.bodyTimeouts, 0)
  gate.resolve()
  t.equal((await sent).body.toString(), 'taken')
})

t.test('a body behind a response that is not yet taken may wait until it is', async (t) => {
  const { url, counts, fastify } = await start(t, { bodyTimeout: 200 }, async (request, exchange) => {
    if (request.method === 'POST') return upload(request, exchange)
    await exchange.respondFile(large)
  })
  const connection = await connect(url)
  connection.socket.pause()
  connection.write('GET /large HTTP/1.1\r\nHost: h\r\n\r\n')
  await until(() => fastify.sliceProxy!.counters.bytesToClients > MiB)
  connection.write('POST /up HTTP/1.1\r\nHost: h\r\nContent-Length: 4000000\r\n\r\n')
  connection.write(large.subarray(0, 4_000_000))
  await wait(800)
  connection.socket.resume()
  t.equal((await connection.answer({ timeout: 60_000 })).length, LARGE)
  t.equal((await connection.answer({ method: 'POST' })).body.toString(), 'taken')
  t.equal(counts.bodyTimeouts, 0)
  connection.close()
})

t.test('a body behind a response that the origin has not begun may come when it has', async (t) => {
  const gate = Promise.withResolvers<void>()
  const { url, counts } = await start(t, { bodyTimeout: 200 }, async (request, exchange) => {
    if (request.method === 'POST') return upload(request, exchange)
    await exchange.stall(gate.promise)
    await exchange.respond({ body: 'late' })
  })
  const connection = await connect(url)
  connection.write(
    'GET / HTTP/1.1\r\nHost: h\r\n\r\nPOST /up HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n',
  )
  await wait(800)
  gate.resolve()
  t.equal((await connection.answer()).body.toString(), 'late')
  connection.write('body')
  t.equal((await connection.answer({ method: 'POST' })).body.toString(), 'taken')
  t.equal(counts.bodyTimeouts, 0)
  connection.close()
})

t.test('one connection that cannot be ended does not keep the others', async (t) => {
  const { log, url, counts, fastify } = await start(t, { sendTimeout: 300 }, whole)
  fastify.server.once('connection', (socket: Socket) => {
    socket.resetAndDestroy = () => {
      throw new Error('odd')
    }
  })
  const odd = await stalledClient(`${url}/large`)
  const other = await stalledClient(`${url}/large`)
  await until(() => counts.sendTimeouts === 2)
  await until(() => counts.connectionsNow === 0)
  const told = log.of('could not end the connection of a client that stands still')
  t.match(told, [{ level: 50, err: { message: 'odd' } }])
  for (const socket of [odd, other]) socket.destroy()
})

t.test('a client that takes nothing is cut, and its connection to the origin freed', async (t) => {
  const { log, url, counts, origin, fastify } = await start(t, { sendTimeout: 300 }, whole, {
    maxConnections: 1,
  })
  const socket = await stalledClient(`${url}/large`)
  await until(() => fastify.sliceProxy!.counters.bytesToClients > MiB)
  // Its reset cannot be read while it does not read, but its other side is gone.
  await until(() => counts.sendTimeouts === 1)
  await until(() => counts.connectionsNow === 0)
  t.match(await log.line('access'), { aborted: true, failure: 'send_timeout', status: 200 })
  t.equal(fastify.sliceProxy!.counters.clientAborts, 0)
  origin.use(small)
  t.equal((await get(`${url}/other`)).status, 200, 'the only connection to the origin is free')
  const text = (await get(`${url}/metrics`)).body.toString()
  t.match(text, /^client_timeouts_total\{in="send"\} 1$/m)
  socket.destroy()
})

t.test('a hit in memory that is not taken is cut too', async (t) => {
  const file = large.subarray(0, 8 * MiB)
  const { url, counts } = await start(t, { sendTimeout: 300 }, (_request, exchange) =>
    exchange.respondFile(file),
  )
  t.equal((await get(`${url}/file`)).length, file.length)
  const socket = await stalledClient(`${url}/file`)
  await until(() => counts.sendTimeouts === 1)
  const gone = closed(socket)
  socket.resume()
  await gone
  t.ok(socket.bytesRead < file.length)
})

t.test('a slow client that takes something now and then is served to the end', async (t) => {
  // The system takes new bytes from us only when a third of its buffer is free: at this pace that takes far longer than the limit.
  const file = large.subarray(0, 16 * MiB)
  const { url, counts } = await start(t, { sendTimeout: 1600 }, (_request, exchange) =>
    exchange.respondFile(file),
  )
  let pieces = 0
  const answer = await get(`${url}/file`, {
    timeout: 60_000,
    onData: async () => void (++pieces <= 40 && (await wait(200))),
  })
  t.equal(answer.complete, true)
  t.equal(answer.length, file.length)
  t.equal(counts.sendTimeouts, 0)
})

t.test('a response that waits for the origin does not wait for its client', async (t) => {
  const gate = Promise.withResolvers<void>()
  const { url, counts } = await start(
    t,
    { sendTimeout: 100, bodyTimeout: 100 },
    async (_request, exchange) => {
      await exchange.head({ fields: ['Content-Length', '4'] })
      await exchange.stall(gate.promise)
      await exchange.write('done')
    },
  )
  const answer = get(`${url}/late`)
  await wait(500)
  gate.resolve()
  t.equal((await answer).body.toString(), 'done')
  t.equal(counts.sendTimeouts + counts.bodyTimeouts, 0)
})

t.test('idle connections are closed, those of WebSockets are not idle', async (t) => {
  const { url, fastify } = await start(
    t,
    { idleTimeout: 100, sendTimeout: 100, bodyTimeout: 100 },
    async (request, exchange) => {
      if (request.header('upgrade') === undefined) return exchange.respond({ body: 'x' })
      await exchange.head({ status: 101, fields: ['Upgrade', 'websocket', 'Connection', 'Upgrade'] })
      const wire = exchange.takeOver()
      await wire.some(100)
      await exchange.write('pong')
    },
  )
  const upgraded = await connect(url)
  upgraded.write('GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n')
  await upgraded.wire.until('\r\n\r\n')
  const idle = await connect(url)
  t.equal((await idle.request('/')).status, 200)
  await until(() => idle.wire.ended !== null)
  t.equal(idle.wire.ended, 'fin')
  upgraded.write('ping')
  t.equal((await upgraded.wire.until('pong'))?.toString(), 'pong')
  upgraded.close()
  fastify.clientLimits!.configure({ idleTimeout: 60_000 })
  t.equal(fastify.server.keepAliveTimeout, 60_000)
})

t.test('a client that ends its side after the request costs nothing more', async (t) => {
  const { url, origin, counts } = await start(t, {}, (_request, exchange) => exchange.stall(exchange.gone))
  const connection = await connect(url)
  connection.write('GET /half HTTP/1.1\r\nHost: h\r\n\r\n')
  await until(() => origin.requests.length === 1)
  connection.socket.end()
  await until(() => connection.wire.ended !== null)
  await until(() => origin.open === 0)
  await until(() => counts.connectionsNow === 0)
})
