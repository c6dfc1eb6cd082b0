import { setTimeout as wait } from 'node:timers/promises'
import t from 'tap'
import pressure from '../../../plugins/pressure.ts'
import { bytesOf } from '../../helpers/bytes.ts'
import { connect, get } from '../../helpers/client.ts'
import { type Script, startOrigin } from '../../helpers/origin.ts'
import { startProxy } from '../../helpers/proxy.ts'
import { until } from '../../helpers/until.ts'

const handshake = (target = '/chat', more = '') =>
  `GET ${target} HTTP/1.1\r\nHost: www.example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${more}\r\n`

type Started = Awaited<ReturnType<typeof startProxy>>

/** Waits until the server has no connection any more; gives up after some seconds. */
async function untilClosed(proxy: Started): Promise<boolean> {
  let left = 1
  for (const deadline = performance.now() + 30_000; left > 0 && performance.now() < deadline; await wait(5)) {
    left = await new Promise<number>((resolve) =>
      proxy.fastify.server.getConnections((_, count) => resolve(count)),
    )
  }
  return left === 0
}

/** Asks, reads the answer, keeps its side of the connection open, and waits until the server has closed all the same. */
async function askAndStay(proxy: Started, bytes: string, onData?: (piece: Buffer) => Promise<void>) {
  const connection = await connect(proxy.url)
  connection.write(bytes)
  const answer = await connection.answer({ onData })
  await until(() => connection.wire.ended !== null)
  const closed = await untilClosed(proxy)
  connection.close()
  return { answer, closed }
}

const respond: Script = (_request, exchange) => exchange.respond({ status: 403, body: 'not you' })

t.test('a connection whose upgrade is declined does not stay open, whatever its client does', async (t) => {
  const origin = await startOrigin(t, respond)
  const proxy = await startProxy(t, { upstream: origin.url, headersTimeout: 200 })
  const check = async (status: number, bytes: string) => {
    const { answer, closed } = await askAndStay(proxy, bytes)
    t.equal(answer.status, status)
    t.ok(closed, `${status}: closed`)
    return answer
  }
  t.equal((await check(403, handshake())).body.toString(), 'not you')
  await check(403, `${handshake()}bytes that nobody reads`)
  await check(400, handshake('odd'))
  const loop = origin.requests[0].header('cdn-loop')
  await check(508, handshake('/', `CDN-Loop: ${loop}\r\n`))
  origin.use((_request, exchange) => exchange.gone)
  await check(504, handshake())
  await origin.stop()
  await check(502, handshake())
})

t.test('nor one that is refused because of too much work', async (t) => {
  const origin = await startOrigin(t, respond)
  const tier: Parameters<typeof startProxy>[1]['tier'] = async (fastify) => {
    await fastify.register(pressure, { maxRssBytes: 1 })
  }
  const proxy = await startProxy(t, { upstream: origin.url, tier })
  await until(() => proxy.fastify.pressure!.refusal() !== null)
  const { answer, closed } = await askAndStay(proxy, handshake())
  t.equal(answer.status, 503)
  t.ok(closed)
})

t.test('the whole of a large answer that is read slowly comes before the connection closes', async (t) => {
  const large = bytesOf(7, 16 * 1024 * 1024)
  const origin = await startOrigin(t, async (_request, exchange) => {
    await exchange.head({ status: 426, fields: { 'Transfer-Encoding': 'chunked' } })
    for (let at = 0; at < large.length; at += 1024 * 1024) {
      await exchange.chunk(large.subarray(at, at + 1024 * 1024))
    }
    await exchange.chunk()
  })
  const proxy = await startProxy(t, { upstream: origin.url })
  const pieces: Buffer[] = []
  const { answer, closed } = await askAndStay(proxy, handshake(), async (piece) => {
    pieces.push(piece)
    await wait(2)
  })
  t.equal(answer.complete, true)
  t.ok(Buffer.concat(pieces).equals(large))
  t.ok(closed)
})

t.test('a client that does not take such an answer is cut', async (t) => {
  const large = bytesOf(8, 6 * 1024 * 1024)
  const origin = await startOrigin(t, (_request, exchange) => exchange.respond({ status: 403, body: large }))
  const proxy = await startProxy(t, { upstream: origin.url, bodyTimeout: 300 })
  const connection = await connect(proxy.url)
  connection.socket.pause()
  connection.write(handshake())
  await until(() => origin.requests.length === 1)
  t.ok(await untilClosed(proxy))
  connection.close()
})

t.test('a request with a body is an ordinary one, whatever it asks for', async (t) => {
  const origin = await startOrigin(t, async (request, exchange) => {
    const body = `${request.method} ${request.header('upgrade')} ${await request.body}`
    await exchange.respond({ body })
  })
  const proxy = await startProxy(t, { upstream: origin.url })
  const headers = ['Connection', 'Upgrade', 'Upgrade', 'websocket']
  for (const [more, body] of [
    [[], 'abc'],
    [['Transfer-Encoding', 'chunked'], '3\r\nabc\r\n0\r\n\r\n'],
  ] as const) {
    const options = { method: 'POST', headers: [...headers, ...more], body }
    t.equal((await get(`${proxy.url}/up`, options)).body.toString(), 'POST undefined abc')
  }
})
