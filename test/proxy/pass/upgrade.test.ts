import { readFileSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import t from 'tap'
import { bytesOf } from '../../helpers/bytes.ts'
import { connect, get, sendRaw } from '../../helpers/client.ts'
import { type Script, startOrigin } from '../../helpers/origin.ts'
import { startProxy } from '../../helpers/proxy.ts'
import { until } from '../../helpers/until.ts'

const HANDSHAKE =
  'GET /chat?x=1 HTTP/1.1\r\nHost: www.example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n'

const SWITCHING = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n'

/** Agrees, says `hello` at once, and then sends back all that comes. */
const echo: Script = async (_request, exchange) => {
  const wire = exchange.takeOver()
  await exchange.write(`${SWITCHING}Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\nhello`)
  for (let piece = await wire.some(65536); piece; piece = await wire.some(65536)) await exchange.write(piece)
  exchange.end()
}

t.test('both sides exchange bytes after the 101, those that came with it first', async (t) => {
  const origin = await startOrigin(t, echo)
  const proxy = await startProxy(t, { upstream: origin.url })
  const connection = await connect(proxy.url)
  connection.write(HANDSHAKE)
  const head = (await connection.wire.until('\r\n\r\n'))!.toString()
  t.match(head, /^HTTP\/1.1 101 Switching Protocols\r\n/)
  t.match(head, /Upgrade: websocket\r\n/i)
  t.match(head, /Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=\r\n/)
  t.equal((await connection.wire.until('hello'))!.toString(), 'hello')

  const [request] = origin.requests
  t.equal(request.target, '/chat?x=1')
  t.equal(request.header('sec-websocket-key'), 'dGhlIHNhbXBsZSBub25jZQ==')
  t.equal(request.header('connection')?.toLowerCase(), 'upgrade')
  t.equal(request.header('x-forwarded-host'), 'www.example.com')

  const bytes = bytesOf(1, 2_000_000)
  connection.write(bytes)
  const back: Buffer[] = []
  for (let got = 0; got < bytes.length; ) {
    const piece = (await connection.wire.some(65536))!
    back.push(piece)
    got += piece.length
  }
  t.ok(Buffer.concat(back).equals(bytes))
  connection.close()
  await until(() => origin.open === 0)
  t.equal(proxy.counters.subrequests, 1)
})

t.test(
  'the system looks after both connections, as nobody else may notice that a side has vanished',
  { skip: process.platform !== 'linux' && 'Linux only' },
  async (t) => {
    const origin = await startOrigin(t, echo)
    const proxy = await startProxy(t, { upstream: origin.url })
    const connection = await connect(proxy.url)
    t.teardown(() => connection.close())
    connection.write(HANDSHAKE)
    await connection.wire.until('hello')
    const hex = (port: number) => port.toString(16).toUpperCase().padStart(4, '0')
    /** Whether a keep-alive timer (2) runs at the end of a connection that has these ports. */
    const isKept = (local: string, remote: string) =>
      new RegExp(`0100007F:${local} 0100007F:${remote} 01 \\S+ 02:`).test(
        readFileSync('/proc/net/tcp', 'utf8'),
      )
    await until(() => isKept(hex(proxy.port), hex(connection.socket.localPort!)))
    await until(() => isKept('....', hex(origin.port)))
    t.pass('both have keep-alive timers')
  },
)

t.test('either side may end; the other one sees it', async (t) => {
  const origin = await startOrigin(t, async (_request, exchange) => {
    exchange.takeOver()
    await exchange.write(`${SWITCHING}\r\nbye`)
    exchange.end()
  })
  const proxy = await startProxy(t, { upstream: origin.url })
  const got = await sendRaw(proxy.url, HANDSHAKE)
  t.match(got.toString(), /^HTTP\/1.1 101 .*\r\n\r\nbye$/s)
  await until(() => origin.open === 0)
})

t.test('bytes that a client sends early are held until the origin agrees', async (t) => {
  let agree = () => {}
  const origin = await startOrigin(t, async (_request, exchange) => {
    const wire = exchange.takeOver()
    early = wire.some(65536)
    await exchange.stall(new Promise<void>((resolve) => (agree = resolve)))
    await exchange.write(`${SWITCHING}\r\n`)
    await exchange.gone
  })
  let early: Promise<Buffer | undefined> = Promise.resolve(undefined)
  const proxy = await startProxy(t, { upstream: origin.url })
  const connection = await connect(proxy.url)
  t.teardown(() => connection.close())
  const smuggled = 'GET /admin HTTP/1.1\r\nHost: x\r\n\r\n'
  connection.write(HANDSHAKE + smuggled)
  await until(() => origin.requests.length === 1)
  connection.write('and more')
  t.equal(await Promise.race([early, wait(100, 'nothing')]), 'nothing', 'CVE-2026-2833')
  agree()
  t.match((await connection.wire.until('\r\n\r\n'))!.toString(), /^HTTP\/1.1 101 /)
  t.match((await early)!.toString(), smuggled)
})

t.test('an origin that refuses: its answer is passed on, and early bytes are never sent', async (t) => {
  const origin = await startOrigin(t, async (_request, exchange) => {
    await exchange.respond({ status: 403, fields: { 'X-Why': 'no' }, body: 'not you' })
  })
  const proxy = await startProxy(t, { upstream: origin.url })
  const got = (await sendRaw(proxy.url, `${HANDSHAKE}GET /admin HTTP/1.1\r\nHost: x\r\n\r\n`)).toString()
  t.match(got, /^HTTP\/1.1 403 .*X-Why: no\r\n.*\r\n\r\nnot you$/s)
  await wait(50)
  t.equal(origin.requests.length, 1)

  origin.use(async (_request, exchange) => {
    await exchange.head({ status: 426, fields: { 'Transfer-Encoding': 'chunked' } })
    await exchange.chunk('in ')
    await exchange.chunk('chunks')
    await exchange.chunk()
  })
  const chunked = (await sendRaw(proxy.url, HANDSHAKE)).toString()
  t.match(chunked, /^HTTP\/1.1 426 .*\r\n\r\nin chunks$/s)
  t.notMatch(chunked, /transfer-encoding/i)
})

t.test('an origin that is down: 502 with the reason', async (t) => {
  const origin = await startOrigin(t, echo)
  const proxy = await startProxy(t, { upstream: origin.url })
  await origin.stop()
  const got = (await sendRaw(proxy.url, HANDSHAKE)).toString()
  t.match(got, /^HTTP\/1.1 502 .*Proxy-Status: slicestream; error=connection_refused\r\n/s)
})

t.test('a client that goes away while the origin thinks, or one that resets, harms nobody', async (t) => {
  const origin = await startOrigin(t, async (_request, exchange) => exchange.gone)
  const proxy = await startProxy(t, { upstream: origin.url })
  const connection = await connect(proxy.url)
  connection.write(HANDSHAKE)
  await until(() => origin.requests.length === 1)
  connection.socket.resetAndDestroy()
  await until(() => origin.open === 0)

  origin.use(echo)
  const other = await connect(proxy.url)
  other.write(HANDSHAKE)
  await other.wire.until('hello')
  other.socket.resetAndDestroy()
  await until(() => origin.open === 0)
  origin.use((_request, exchange) => exchange.respond({ body: 'alive' }))
  t.equal((await get(`${proxy.url}/`)).body.toString(), 'alive')
})

t.test(
  'HTTP/2 is not tunnelled to the origin: the request is an ordinary one, from the cache too',
  async (t) => {
    const origin = await startOrigin(t, async (request, exchange) => {
      if (request.header('upgrade')) return exchange.respond({ status: 101, fields: { Upgrade: 'h2c' } })
      const body = `${request.method} ${(await request.body).toString()}`
      await exchange.respond({ fields: { 'Cache-Control': 'max-age=60' }, body })
    })
    const proxy = await startProxy(t, { upstream: origin.url })
    const headers = {
      Connection: 'Upgrade, HTTP2-Settings',
      Upgrade: 'h2c',
      'HTTP2-Settings': 'AAMAAABkAAQAAP__',
    }
    for (const xCache of ['MISS', 'HIT']) {
      const answer = await get(`${proxy.url}/f`, { headers })
      t.match(answer, { status: 200, complete: true })
      t.equal(answer.header('x-cache'), xCache)
    }
    const upload = await get(`${proxy.url}/f`, { method: 'POST', headers, body: 'abc' })
    t.equal(upload.body.toString(), 'POST abc')
    for (const request of origin.requests) {
      for (const name of ['upgrade', 'http2-settings']) t.equal(request.header(name), undefined)
    }
  },
)

t.test('a refusal that is cut does not look whole', async (t) => {
  const origin = await startOrigin(t, async (_request, exchange) => {
    await exchange.head({ status: 403, fields: { 'Transfer-Encoding': 'chunked' } })
    await exchange.chunk('half of')
    await exchange.reset()
  })
  const proxy = await startProxy(t, { upstream: origin.url })
  const connection = await connect(proxy.url)
  connection.write(HANDSHAKE)
  const answer = await connection.answer()
  t.equal(answer.status, 403)
  t.notOk(answer.complete)
})
