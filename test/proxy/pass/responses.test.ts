import { setTimeout as wait } from 'node:timers/promises'
import t from 'tap'
import { bytesOf } from '../../helpers/bytes.ts'
import { connect, get, stalledClient } from '../../helpers/client.ts'
import { startOrigin } from '../../helpers/origin.ts'
import { startProxy } from '../../helpers/proxy.ts'
import { until } from '../../helpers/until.ts'

const MiB = 1024 * 1024
/** A passed method, and a GET of something that may not be stored: two ways through the proxy. */
const METHODS = ['POST', 'GET'] as const

t.test('hop-by-hop response fields stay behind, those that Connection names too', async (t) => {
  const origin = await startOrigin(t, (_request, exchange) =>
    exchange.respond({
      fields: [
        ...['Connection', 'keep-alive, X-Hop', 'X-Hop', '1', 'Keep-Alive', 'timeout=9'],
        ...[
          'Proxy-Authenticate',
          'Basic',
          'Upgrade',
          'h2c',
          'X-Cache',
          'from the origin',
          'Via',
          '1.1 inner',
        ],
        ...['Cache-Control', 'no-store', 'Set-Cookie', 'a=1', 'Set-Cookie', 'b=2', 'X-End', 'caf\xe9'],
      ],
      body: 'body',
    }),
  )
  const proxy = await startProxy(t, { upstream: origin.url })
  for (const method of METHODS) {
    const answer = await get(`${proxy.url}/`, { method })
    t.equal(answer.body.toString(), 'body', method)
    t.equal(answer.header('x-hop'), undefined)
    t.not(answer.header('keep-alive'), 'timeout=9')
    t.equal(answer.header('proxy-authenticate'), undefined)
    t.equal(answer.header('upgrade'), undefined)
    t.not(answer.header('x-cache'), 'from the origin')
    t.equal(answer.header('via'), '1.1 inner, 1.1 slicestream')
    t.equal(answer.header('x-end'), 'caf\xe9', 'latin1 values keep their bytes')
    const cookies = answer.fields.filter((_, i, all) => all[i - (i % 2)] === 'Set-Cookie' && i % 2 === 1)
    t.same(cookies, ['a=1', 'b=2'], 'fields of one name are not joined')
  }
})

t.test('a head that comes before its body keeps its bytes', async (t) => {
  let goOn = Promise.withResolvers<void>()
  const origin = await startOrigin(t, async (_request, exchange) => {
    await exchange.head({ fields: ['Cache-Control', 'no-store', 'X-End', 'caf\xe9', 'Content-Length', '4'] })
    await exchange.stall(goOn.promise)
    await exchange.write('body')
  })
  const proxy = await startProxy(t, { upstream: origin.url })
  for (const method of ['GET', 'POST']) {
    goOn = Promise.withResolvers<void>()
    const connection = await connect(proxy.url)
    connection.write(`${method} / HTTP/1.1\r\nHost: x\r\n\r\n`)
    const head = await connection.wire.until('\r\n\r\n')
    t.match(head?.toString('latin1'), /\r\nX-End: caf\xe9\r\n/, method)
    goOn.resolve()
    t.equal((await connection.wire.some(10))?.toString(), 'body')
    connection.close()
  }
})

t.test('statuses come as they are, 204 and 304 without a body', async (t) => {
  const origin = await startOrigin(t, (request, exchange) =>
    exchange.respond({ status: Number(request.target.slice(1)), fields: { 'Cache-Control': 'no-store' } }),
  )
  const proxy = await startProxy(t, { upstream: origin.url })
  const connection = await connect(proxy.url)
  t.teardown(() => connection.close())
  for (const method of METHODS) {
    for (const status of [200, 204, 301, 304, 400, 404, 418, 429, 500, 503, 599]) {
      const answer = await connection.request(`/${status}`, { method })
      t.match(answer, { status, complete: true, length: 0 }, `${method} ${status}`)
    }
  }
  t.equal(origin.requests.length, 22, 'errors of the origin are answers: they are not retried')
})

t.test('trailers are passed on', async (t) => {
  const origin = await startOrigin(t, async (_request, exchange) => {
    await exchange.head({ fields: { 'Transfer-Encoding': 'chunked', Trailer: 'X-Sum' } })
    await exchange.chunk('abc')
    await exchange.write('0\r\nX-Sum: 6\r\n\r\n')
  })
  const proxy = await startProxy(t, { upstream: origin.url })
  const answer = await get(`${proxy.url}/`, { method: 'POST' })
  t.equal(answer.body.toString(), 'abc')
  t.same(answer.trailers, ['X-Sum', '6'])
})

t.test('an interim 103 is not taken for the answer', async (t) => {
  const origin = await startOrigin(t, async (_request, exchange) => {
    await exchange.head({ status: 103, fields: { Link: '</a.css>; rel=preload' } })
    await exchange.respond({ fields: { 'Cache-Control': 'max-age=60' }, body: 'final' })
  })
  const proxy = await startProxy(t, { upstream: origin.url })
  for (const method of METHODS) {
    const answer = await get(`${proxy.url}/`, { method })
    t.equal(answer.status, 200)
    t.equal(answer.body.toString(), 'final', method)
  }
  t.equal((await get(`${proxy.url}/`)).header('x-cache'), 'HIT')
})

t.test('head and bytes are with the client as soon as the origin has sent them', async (t) => {
  const gates: (() => void)[] = []
  const gate = () => new Promise<void>((resolve) => gates.push(resolve))
  const origin = await startOrigin(t, async (_request, exchange) => {
    await exchange.head({ fields: { 'Content-Length': '8', 'Cache-Control': 'no-store' } })
    await exchange.stall(gate())
    await exchange.write('half')
    await exchange.stall(gate())
    await exchange.write('rest')
  })
  const proxy = await startProxy(t, { upstream: origin.url })
  for (const method of METHODS) {
    const connection = await connect(proxy.url)
    connection.write(`${method} / HTTP/1.1\r\nHost: x\r\n\r\n`)
    t.match((await connection.wire.until('\r\n\r\n'))!.toString(), /^HTTP\/1.1 200/, method)
    for (const piece of ['half', 'rest']) {
      await until(() => gates.length > 0)
      gates.shift()!()
      t.equal((await connection.wire.until(piece))!.toString(), piece)
    }
    connection.close()
  }
})

t.test('a body that is cut reaches the client as a cut one', async (t) => {
  for (const framing of ['length', 'chunked']) {
    const origin = await startOrigin(t, async (_request, exchange) => {
      const fields: Record<string, string> =
        framing === 'length' ? { 'Content-Length': '1000' } : { 'Transfer-Encoding': 'chunked' }
      await exchange.head({ fields: { ...fields, 'Cache-Control': 'no-store' } })
      if (framing === 'length') await exchange.write('only this')
      else await exchange.chunk('only this')
      await exchange.stall(30)
      exchange.end()
    })
    const proxy = await startProxy(t, { upstream: origin.url })
    for (const method of METHODS) {
      const answer = await get(`${proxy.url}/`, { method })
      t.match(answer, { status: 200, complete: false, length: 9 }, `${method}, ${framing}`)
    }
    t.equal(origin.requests.length, 2, 'after the first byte nothing is sent again')
  }
})

t.test('a client that reads slowly holds the origin back', async (t) => {
  const piece = bytesOf(5, MiB)
  const size = 256 * MiB
  const origin = await startOrigin(t, async (_request, exchange) => {
    await exchange.head({ fields: { 'Content-Length': String(size), 'Cache-Control': 'no-store' } })
    for (let sent = 0; sent < size; sent += piece.length) await exchange.write(piece)
  })
  const proxy = await startProxy(t, { upstream: origin.url })
  for (const method of METHODS) {
    const before = origin.bytesSent
    const socket = await stalledClient(`${proxy.url}/`, { method })
    let seen = -1
    while (origin.bytesSent !== seen) {
      seen = origin.bytesSent
      await wait(300)
    }
    t.ok(seen - before < 32 * MiB, `${method}: ${(seen - before) / MiB} MiB left the origin`)
    socket.destroy()
  }
})

t.test(
  'a client that goes away takes the upstream request with it, before the head and in the body',
  async (t) => {
    const origin = await startOrigin(t, async (request, exchange) => {
      if (request.target === '/body') {
        await exchange.head({ fields: { 'Content-Length': '1000', 'Cache-Control': 'no-store' } })
        await exchange.write('some')
      }
      await exchange.gone
    })
    const proxy = await startProxy(t, { upstream: origin.url })
    for (const method of METHODS) {
      for (const target of ['/head', '/body']) {
        const seen = origin.requests.length
        const connection = await connect(proxy.url)
        connection.write(`${method} ${target} HTTP/1.1\r\nHost: x\r\n\r\n`)
        if (target === '/body') await connection.wire.until('some')
        else await until(() => origin.requests.length > seen)
        connection.close()
        await until(() => origin.open === 0)
        t.equal(origin.requests.length, seen + 1, `${method} ${target}`)
      }
    }
    await until(() => proxy.counters.requestsNow === 0)
    t.equal(proxy.counters.fillsNow, 0)
  },
)
