import { createServer } from 'node:net'
import { PassThrough, Readable } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import { LARGE_BLOCK_BYTES, takeLargeBlock } from '../../../lib/stores/memory-block.ts'
import type { UpstreamRequest } from '../../../lib/upstream/origin.ts'
import { bytesOf } from '../../helpers/bytes.ts'
import { startOrigin } from '../../helpers/origin.ts'
import { until } from '../../helpers/until.ts'
import { ask, startPool } from './asking.ts'

const MiB = 1024 * 1024

t.test('one connection for requests that follow each other, the request in one piece', async (t) => {
  const origin = await startOrigin(t, (request, exchange) => exchange.respond({ body: request.target }))
  const pool = startPool(t, origin.url)
  for (let i = 0; i < 5; i++)
    t.equal((await ask(pool, `/${i}`, { fields: ['Host', 'h', 'X', '\xe9'] }).ended).content(), `/${i}`)
  t.equal(origin.connections, 1)
  t.equal(origin.requests[0].raw, 'GET /0 HTTP/1.1\r\nHost: h\r\nX: \xe9\r\nConnection: keep-alive\r\n\r\n')
})

t.test('the connection that was used last is used next', async (t) => {
  const origin = await startOrigin(t, async (_request, exchange) => {
    await exchange.stall(20)
    await exchange.respond({ body: 'x' })
  })
  const pool = startPool(t, origin.url)
  await Promise.all([1, 2, 3].map((i) => ask(pool, `/${i}`).ended))
  for (let i = 0; i < 4; i++) await ask(pool, '/next').ended
  t.equal(new Set(origin.requests.slice(3).map(({ connection }) => connection)).size, 1)
})

t.test('no more connections than allowed; who waits is served in order, and may give up', async (t) => {
  const gates: (() => void)[] = []
  const origin = await startOrigin(t, async (request, exchange) => {
    await exchange.stall(new Promise<void>((resolve) => gates.push(resolve)))
    await exchange.respond({ body: request.target })
  })
  const pool = startPool(t, origin.url, { maxConnections: 2 })
  const all = Array.from({ length: 12 }, (_, i) => ask(pool, `/${i}`))
  await until(() => gates.length === 2)
  for (const i of [3, 4, 5, 6, 7, 8, 9]) all[i].transfer.abort(new Error('gone'))
  for (const expected of [3, 4, 5]) {
    gates.shift()!()
    await until(() => origin.requests.length === expected)
  }
  while (gates.length > 0) gates.shift()!()
  await Promise.all([0, 1, 2, 10, 11].map((i) => all[i].ended))
  t.same(
    origin.requests.map(({ target }) => target),
    ['/0', '/1', '/2', '/10', '/11'],
  )
  t.equal(origin.connections, 2)
})

t.test('what the origin sends unasked is no answer: the connection is closed', async (t) => {
  const origin = await startOrigin(t, async (request, exchange) => {
    await exchange.respond({ fields: { 'Keep-Alive': 'timeout=60' }, body: request.target })
    if (request.target !== '/unasked') return
    await exchange.stall(20)
    await exchange.write('HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\npoisoned')
  })
  const pool = startPool(t, origin.url)
  await ask(pool, '/unasked').ended
  await until(() => origin.open === 0)
  t.equal((await ask(pool, '/next').ended).content(), '/next')
  t.equal(origin.connections, 2)
})

t.test('nor is what comes behind the end of an answer', async (t) => {
  const poison = 'HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\npoisoned'
  const answers = [
    `HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok${poison}`,
    `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n${poison}`,
    `HTTP/1.1 204 No Content\r\n\r\n${poison}`,
    `HTTP/1.1 304 Not Modified\r\n\r\n${poison}`,
  ]
  const origin = await startOrigin(t, (request, exchange) => {
    const answer = answers[Number(request.target.slice(1))]
    return answer ? exchange.write(answer) : exchange.respond({ body: 'right' })
  })
  const pool = startPool(t, origin.url, { maxConnections: 1 })
  for (let i = 0; i < answers.length; i++) {
    const both = [ask(pool, `/${i}`), ask(pool, '/next')]
    t.match((await both[0].ended).content(), /^(ok)?$/)
    t.equal((await both[1].ended).content(), 'right', `behind answer ${i}`)
    const [poisoned, next] = origin.requests.slice(-2)
    t.not(next.connection, poisoned.connection)
  }
})

t.test('HEAD, content with GET and answers that say so close their connection', async (t) => {
  const origin = await startOrigin(t, async (request, exchange) => {
    await request.body
    const close = request.target === '/close'
    await exchange.respond({ fields: close ? { Connection: 'close' } : {}, body: 'x' })
    // Content that HEAD must not have, taken for an answer to the next request by who keeps the connection.
    if (request.method === 'HEAD') await exchange.write('HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n!')
  })
  const pool = startPool(t, origin.url)
  await ask(pool, '/', { method: 'HEAD' }).ended
  await ask(pool, '/', { body: Readable.from([Buffer.from('abc')]) }).ended
  await ask(pool, '/close').ended
  await ask(pool, '/').ended
  await until(() => origin.open === 1)
  t.equal(origin.connections, 4)
  t.match(origin.requests[0].raw, /\r\nConnection: close\r\n/)
  t.match(origin.requests[1].raw, /\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n/)
})

t.test('Keep-Alive of the origin is heeded, with a margin', async (t) => {
  const origin = await startOrigin(t, (request, exchange) =>
    exchange.respond({ fields: { 'Keep-Alive': `timeout=${request.target.slice(1)}` }, body: 'x' }),
  )
  const pool = startPool(t, origin.url, { bodyTimeout: 400 })
  await ask(pool, '/2').ended // no second is left for another request
  await ask(pool, '/10').ended
  await ask(pool, '/3').ended
  t.equal(origin.connections, 2)
  await until(() => origin.open === 0)
})

t.test('timeouts: no head, half a head, a pause in the content', async (t) => {
  const origin = await startOrigin(t, async (request, exchange) => {
    if (request.target === '/half') await exchange.write('HTTP/1.1 200 OK\r\nContent-')
    if (request.target === '/pause') {
      await exchange.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome')
    }
    await exchange.gone
  })
  const headers = startPool(t, origin.url, { headersTimeout: 60 })
  t.match(await ask(headers, '/none').ended, { failed: 'ORIGIN_HEADERS_TIMEOUT' })
  t.match(await ask(headers, '/half').ended, { failed: 'ORIGIN_HEADERS_TIMEOUT' })
  const body = startPool(t, origin.url, { bodyTimeout: 60 })
  const paused = await ask(body, '/pause').ended
  t.match(paused, { status: 200, failed: 'ORIGIN_BODY_TIMEOUT' })
  t.equal(paused.content(), 'some')
  await until(() => origin.open === 0)
})

t.test('a connection that is not established in time', async (t) => {
  // TLS that never answers.
  const server = createServer((socket) => socket.on('error', () => {}))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const { port } = server.address() as { port: number }
  const pool = startPool(t, `https://127.0.0.1:${port}`, { connectTimeout: 60 })
  t.match(await ask(pool, '/').ended, { failed: 'ORIGIN_CONNECT_TIMEOUT' })
})

t.test('the time in which a transfer is paused does not count, and nothing is read meanwhile', async (t) => {
  const file = bytesOf(1, 24 * MiB)
  const origin = await startOrigin(t, (_request, exchange) => exchange.respond({ body: file }))
  const pool = startPool(t, origin.url, { bodyTimeout: 50 })
  const asked = ask(pool, '/', {
    onData: (asked) => asked.transfer.pause(),
  })
  await until(() => asked.pieces.length > 0)
  const clock = performance.now()
  const before = asked.pieces.length
  await until(() => performance.now() - clock > 400)
  t.equal(asked.failed, undefined)
  t.equal(asked.pieces.length, before)
  const going = setInterval(() => asked.transfer.resume(), 1)
  await asked.ended
  clearInterval(going)
  t.ok(Buffer.concat(asked.pieces).equals(file), 'every byte, though paused at each piece')
})

t.test('contents of all sizes are whole, and what is kept of one is not written to by another', async (t) => {
  const origin = await startOrigin(t, (request, exchange) => {
    const [, size, framing] = request.target.split('/')
    const body = bytesOf(Number(size), Number(size))
    return framing === 'length' ? exchange.respond({ body }) : chunked(exchange, body)
  })
  async function chunked(
    exchange: { head(r: object): Promise<void>; chunk(b?: Buffer): Promise<void> },
    body: Buffer,
  ) {
    await exchange.head({ fields: { 'Transfer-Encoding': 'chunked' } })
    for (let at = 0; at < body.length; at += 50_000) await exchange.chunk(body.subarray(at, at + 50_000))
    await exchange.chunk()
  }
  const pool = startPool(t, origin.url)
  const sizes = [0, 1, 1000, 16_383, 16_384, 65_000, 65_536, 65_537, 200_000, MiB, 3 * MiB + 1]
  const all = sizes.flatMap((size) =>
    ['length', 'chunked'].map((framing) => ({ size, asked: ask(pool, `/${size}/${framing}`) })),
  )
  for (const { asked } of all) await asked.ended
  for (const { size, asked } of all)
    t.ok(Buffer.concat(asked.pieces).equals(bytesOf(size, size)), `${size} bytes`)
})

t.test('a small content keeps no large memory, a large one none that it does not fill', async (t) => {
  const origin = await startOrigin(t, (request, exchange) =>
    exchange.respond({ body: bytesOf(1, Number(request.target.slice(1))) }),
  )
  const pool = startPool(t, origin.url)
  const memoryOf = async (size: number) => {
    const { pieces } = await ask(pool, `/${size}`).ended
    return [...new Set(pieces.map((piece) => piece.buffer))].reduce(
      (sum, { byteLength }) => sum + byteLength,
      0,
    )
  }
  t.equal(await memoryOf(10_000), 10_000)
  t.ok((await memoryOf(40_000)) <= 48_000)
  t.ok((await memoryOf(10 * MiB)) <= 11 * MiB)
})

t.test('interim answers; 100 means nothing', async (t) => {
  const origin = await startOrigin(t, async (_request, exchange) => {
    for (const status of [100, 103, 100, 102]) await exchange.head({ status })
    await exchange.respond({ body: 'x' })
  })
  t.match(await ask(startPool(t, origin.url), '/').ended, { interim: [103, 102], status: 200, trailers: [] })
})

t.test('how a connection ends tells whether the content is whole', async (t) => {
  const origin = await startOrigin(t, async (request, exchange) => {
    const [, framing, how] = request.target.split('/')
    const fields = { length: ['Content-Length', '9'], chunked: ['Transfer-Encoding', 'chunked'], close: [] }[
      framing
    ]
    if (framing !== 'head') await exchange.head({ fields })
    await exchange.write(framing === 'chunked' ? '4\r\nsome\r\n' : 'some')
    if (how === 'fin') exchange.end()
    else await exchange.reset()
  })
  const pool = startPool(t, origin.url)
  for (const framing of ['length', 'chunked', 'close', 'head']) {
    for (const how of ['fin', 'reset']) {
      const asked = await ask(pool, `/${framing}/${how}`).ended
      if (framing === 'close' && how === 'fin') t.match(asked, { failed: undefined, trailers: [] })
      else
        t.match(
          asked.failed,
          framing === 'head' ? /^ORIGIN_PROTOCOL$/ : how === 'fin' ? /^ORIGIN_CLOSED$/ : /^ECONNRESET$/,
          `${framing} ${how}`,
        )
    }
  }
})

t.test('after an abort nothing is heard, and the connection is closed', async (t) => {
  const origin = await startOrigin(t, async (request, exchange) => {
    if (request.target === '/head') await exchange.gone
    await exchange.respond({ body: bytesOf(1, 10 * MiB) })
  })
  const pool = startPool(t, origin.url)
  const abort = (asked: { transfer: { abort(e: Error): void } }) => asked.transfer.abort(new Error('enough'))
  const atHead = ask(pool, '/at-head', { onHead: abort })
  const inBody = ask(pool, '/in-body', { onData: abort })
  const before = ask(pool, '/head')
  const atOnce = ask(pool, '/at-once')
  abort(atOnce)
  await until(() => atHead.status === 200 && inBody.pieces.length === 1 && origin.requests.length === 3)
  abort(before)
  await until(() => origin.open === 0)
  await turn()
  for (const asked of [atHead, inBody, before, atOnce])
    t.match(asked, { failed: undefined, trailers: undefined })
  t.same([atHead.pieces.length, inBody.pieces.length], [0, 1])
  t.equal(origin.requests.length, 3, 'what was given up before it had a connection was not sent')
})

t.test('a mistake in who reads an answer fails that request, not the process', async (t) => {
  const origin = await startOrigin(t, (_request, exchange) => exchange.respond({ body: 'x' }))
  const pool = startPool(t, origin.url)
  const mistake = () => {
    throw new TypeError('a mistake')
  }
  t.equal((await ask(pool, '/', { onHead: mistake }).ended).failed, 'a mistake')
  t.equal((await ask(pool, '/', { onData: mistake }).ended).failed, 'a mistake')
  t.equal((await ask(pool, '/').ended).content(), 'x')
})

t.test('draining: what is under way ends, what comes later has a connection of its own', async (t) => {
  const { promise: released, resolve: release } = Promise.withResolvers<void>()
  const origin = await startOrigin(t, async (request, exchange) => {
    if (request.target === '/slow') await exchange.stall(released)
    await exchange.respond({ body: request.target })
  })
  const pool = startPool(t, origin.url)
  await ask(pool, '/idle').ended
  const slow = ask(pool, '/slow')
  await until(() => origin.requests.length === 2)
  let drained = false
  const draining = pool.drain().then(() => (drained = true))
  for (let i = 0; i < 2; i++) t.equal((await ask(pool, '/later').ended).content(), '/later')
  t.equal(drained, false)
  t.equal(origin.connections, 3)
  release()
  t.equal((await slow.ended).content(), '/slow')
  await draining
  await until(() => origin.open === 0)
})

t.test('closing fails all that is under way or waits, and what comes later', async (t) => {
  const origin = await startOrigin(t, async (_request, exchange) => {
    await exchange.head({ fields: { 'Content-Length': '5' } })
    await exchange.gone
  })
  const pool = startPool(t, origin.url, { maxConnections: 1 })
  const all = [ask(pool, '/1'), ask(pool, '/2')]
  await until(() => all[0].status === 200)
  await pool.close()
  all.push(ask(pool, '/3'))
  for (const asked of all) t.equal((await asked.ended).failed, 'ORIGIN_SHUT')
  await until(() => origin.open === 0)
  t.equal(origin.requests.length, 1)
})

t.test('a request that would be two is refused', async (t) => {
  const origin = await startOrigin(t, (_request, exchange) => exchange.respond({ body: 'x' }))
  const pool = startPool(t, origin.url)
  const bad: [path: string, fields: string[], method?: string][] = [
    ['/ HTTP/1.1\r\nX: y', []],
    ['/a b', []],
    ['/\u010a', []],
    ['', []],
    ['/', ['A', 'b\r\nC: d']],
    ['/', ['A', 'b\n']],
    ['/', ['A', 'b\u010d\u010ac']],
    ['/', ['A\r\nB', 'c']],
    ['/', ['A ', 'c']],
    ['/', ['', 'c']],
    ['/', ['Transfer-Encoding', 'chunked']],
    ['/', ['connection', 'x']],
    ['/', ['Content-Length', '5']],
    ['/', ['Content-Length', '0', 'Content-Length', '0']],
    ['/', [], 'GET /x HTTP/1.1\r\n'],
    ['/', [], ''],
  ]
  for (const [path, fields, method] of bad)
    t.equal(
      (await ask(pool, path, { fields, method }).ended).failed,
      'ORIGIN_BAD_REQUEST',
      JSON.stringify([path, fields, method]),
    )
  t.equal(origin.requests.length, 0)
})

t.test('uploads keep their framing; methods that expect content say when there is none', async (t) => {
  const origin = await startOrigin(t, async (request, exchange) =>
    exchange.respond({ body: await request.body }),
  )
  const pool = startPool(t, origin.url)
  const post = { method: 'POST', fields: ['Host', 'h', 'Content-Length', '6'] }
  const body = () => Readable.from([Buffer.from('abc'), Buffer.alloc(0), Buffer.from('def')])
  t.equal((await ask(pool, '/', { ...post, body: body() }).ended).content(), 'abcdef')
  t.equal((await ask(pool, '/', { method: 'POST', body: body() }).ended).content(), 'abcdef')
  await ask(pool, '/', { method: 'POST' }).ended
  await ask(pool, '/', { method: 'DELETE' }).ended
  const told = (i: number) => [
    origin.requests[i].header('content-length'),
    origin.requests[i].header('transfer-encoding'),
  ]
  t.same([0, 1, 2, 3].map(told), [
    ['6', undefined],
    [undefined, 'chunked'],
    ['0', undefined],
    [undefined, undefined],
  ])
  t.equal(origin.connections, 1)
})

t.test(
  'an upload that is longer, shorter or broken off fails, and takes its connection with it',
  async (t) => {
    const origin = await startOrigin(t, async (request, exchange) => {
      await request.body
      await exchange.respond({ body: 'x' })
    })
    const pool = startPool(t, origin.url)
    const post = { method: 'POST', fields: ['Host', 'h', 'Content-Length', '6'] }
    const broken = new PassThrough()
    const all = [
      ask(pool, '/long', { ...post, body: Readable.from([Buffer.from('abcdefg')]) }),
      ask(pool, '/short', { ...post, body: Readable.from([Buffer.from('abc')]) }),
      ask(pool, '/broken', { ...post, body: broken }),
    ]
    broken.write('abc')
    await until(() => origin.requests.some(({ target, received }) => target === '/broken' && received === 3))
    broken.destroy()
    for (const asked of all) t.equal((await asked.ended).failed, 'ORIGIN_BAD_REQUEST')
    await until(() => origin.open === 0)
    t.ok(
      origin.requests.every(({ received }) => received <= 6),
      'not a byte more than was promised',
    )
  },
)

t.test('the wait for an answer begins when the upload has gone', async (t) => {
  const origin = await startOrigin(t, async (request, exchange) => {
    await request.body
    await exchange.respond({ body: 'x' })
  })
  const pool = startPool(t, origin.url, { headersTimeout: 60 })
  const slow = new PassThrough()
  const asked = ask(pool, '/', { method: 'POST', body: slow })
  const clock = performance.now()
  await until(() => performance.now() - clock > 300)
  slow.end('done')
  t.equal((await asked.ended).status, 200)
})

// The memory that a connection would have read into next was lost with it: after 64 cut bodies there were no large blocks any more.
t.test('a connection that ends within a content gives back its memory', async (t) => {
  const origin = await startOrigin(t, async (_request, exchange) => {
    await exchange.head({ fields: ['Content-Length', String(MiB)] })
    await exchange.write(Buffer.alloc(MiB / 4))
    exchange.end()
  })
  const pool = startPool(t, origin.url)
  for (let i = 0; i < 66; i++) {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    pool.send(GET, {
      failed: reject,
      response: () => ({
        keepsNothing: true,
        data: (_piece, block) => block?.release(),
        finished: () => reject(new Error('whole')),
        failed: () => resolve(),
      }),
    })
    await promise
  }
  t.equal(takeLargeBlock().bytes.length, LARGE_BLOCK_BYTES)
})

const GET = {
  method: 'GET',
  path: '/',
  fields: ['Host', 'test'],
  body: null,
  cause: null,
  awaited: true,
} as unknown as UpstreamRequest
