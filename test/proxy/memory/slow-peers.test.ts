import { setTimeout as wait } from 'node:timers/promises'
import Fastify from 'fastify'
import t from 'tap'
import { options as appOptions } from '../../../app.ts'
import streamingProxy from '../../../plugins/streaming-proxy.ts'
import { bytesOf } from '../../helpers/bytes.ts'
import { connect, get } from '../../helpers/client.ts'
import { fileOrigin } from '../../helpers/file-origin.ts'
import { etagOf } from '../../helpers/file-response.ts'
import { startOrigin } from '../../helpers/origin.ts'
import { startProxy } from '../../helpers/proxy.ts'
import { until } from '../../helpers/until.ts'

const SLICE = 65_536
const file = bytesOf(40, 3 * SLICE + 1)

t.test('E40 clients that send their request a byte at a time do not hold up others', async (t) => {
  const origin = await fileOrigin(t, { '/file': file })
  const proxy = await startProxy(t, { upstream: origin.url, sliceSize: SLICE })
  const slow = await Promise.all(Array.from({ length: 200 }, () => connect(proxy.url)))
  const request = `GET /file HTTP/1.1\r\nHost: 127.0.0.1:${proxy.port}\r\n\r\n`
  for (const byte of request) {
    for (const connection of slow) connection.write(byte)
    if (byte === '\n') t.ok((await get(`${proxy.url}/file`)).body.equals(file))
  }
  const answers = await Promise.all(slow.map((connection) => connection.answer()))
  for (const answer of answers) if (!answer.body.equals(file)) t.fail('a slow one got wrong bytes')
  for (const connection of slow) connection.close()
  t.equal(origin.requests.length, 1)
})

t.test('E40 a request head that does not end is given up, by a limit that the app sets', async (t) => {
  const { http } = appOptions
  t.ok(http.headersTimeout > 0 && http.headersTimeout <= 30_000)
  t.equal(appOptions.requestTimeout, 0, 'a whole upload has no limit: its pauses have')
  const origin = await fileOrigin(t, { '/file': file })
  const quick = { ...http, headersTimeout: 200, connectionsCheckingInterval: 50 }
  const fastify = Fastify({ ...appOptions, http: quick })
  await fastify.register(streamingProxy, { upstream: origin.url })
  const url = await fastify.listen({ port: 0, host: '127.0.0.1' })
  t.teardown(() => fastify.close())
  const connection = await connect(url)
  connection.write('GET /file HTTP/1.1\r\nHost: x\r\nX-Endless: ')
  t.match(await connection.answer(), { status: 408 })
  connection.close()
  t.equal(origin.requests.length, 0)
})

t.test('a steady upload may take as long as it does, while the head of a request may not', async (t) => {
  const origin = await startOrigin(t, async (request, exchange) => {
    await exchange.respond({ body: `${await request.body}` })
  })
  const quick = { ...appOptions.http, headersTimeout: 200, connectionsCheckingInterval: 50 }
  const fastify = Fastify({ ...appOptions, http: quick })
  await fastify.register(streamingProxy, { upstream: origin.url })
  const url = await fastify.listen({ port: 0, host: '127.0.0.1' })
  t.teardown(() => fastify.close())
  t.equal(fastify.server.requestTimeout, 0)
  t.equal(fastify.server.headersTimeout, 200)
  const connection = await connect(url)
  connection.write('POST /up HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\n')
  for (let i = 0; i < 20; i++) {
    connection.write('x')
    await wait(50)
  }
  t.equal((await connection.answer({ method: 'POST' })).body.toString(), 'x'.repeat(20))
  connection.close()
})

t.test('E40 an upload that stands still holds nobody else up, and its end frees all', async (t) => {
  const origin = await startOrigin(t, async (request, exchange) => {
    await request.body
    await exchange.respond({ body: 'done' })
  })
  const proxy = await startProxy(t, { upstream: origin.url })
  const slow = await Promise.all(Array.from({ length: 50 }, () => connect(proxy.url)))
  for (const connection of slow)
    connection.write('POST /up HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nsome')
  await until(() => proxy.counters.requestsNow === 50)
  t.equal((await get(`${proxy.url}/other`)).body.toString(), 'done')
  for (const connection of slow) connection.close()
  await until(() => proxy.counters.requestsNow === 0)
})

t.test('E40 an origin that sends a byte now and then is waited for as long as it does', async (t) => {
  const small = bytesOf(41, 15)
  const origin = await startOrigin(t, async (_request, exchange) => {
    await exchange.head({
      fields: { 'Content-Length': '15', ETag: etagOf(small), 'Cache-Control': 'max-age=60' },
    })
    await exchange.drip(small, 1, 200)
  })
  const proxy = await startProxy(t, { upstream: origin.url, bodyTimeout: 1500 })
  const [first, second] = await Promise.all([get(`${proxy.url}/x`), get(`${proxy.url}/x`)])
  t.ok(first.body.equals(small))
  t.ok(second.body.equals(small))
  t.equal(origin.requests.length, 1)
})

t.test('E40 a client that ends its side after the request gets the whole answer or a cut one', async (t) => {
  const origin = await fileOrigin(t, { '/file': file })
  const proxy = await startProxy(t, { upstream: origin.url, sliceSize: SLICE })
  for (const state of ['cold', 'warm']) {
    const connection = await connect(proxy.url)
    connection.write(`GET /file HTTP/1.1\r\nHost: 127.0.0.1:${proxy.port}\r\n\r\n`)
    connection.socket.end()
    const answer = await connection.answer()
    if (answer.complete) t.ok(answer.body.equals(file), state)
    else t.ok(file.subarray(0, answer.length).equals(answer.body), state)
    connection.close()
  }
  await until(() => proxy.counters.requestsNow === 0)
  t.ok((await get(`${proxy.url}/file`)).body.equals(file))
})

t.test('a client that stalls and then reads on gets all its bytes, long after the transfer', async (t) => {
  const large = bytesOf(42, 24 * 1024 * 1024)
  const origin = await fileOrigin(t, { '/large': large })
  const proxy = await startProxy(t, { upstream: origin.url, l1: 4 * 1024 * 1024, l2: 64 * 1024 * 1024 })
  const connection = await connect(proxy.url)
  connection.write(`GET /large HTTP/1.1\r\nHost: 127.0.0.1:${proxy.port}\r\n\r\n`)
  t.ok((await get(`${proxy.url}/large`)).body.equals(large))
  await wait(200)
  const answer = await connection.answer()
  connection.close()
  t.ok(answer.body.equals(large))
})
