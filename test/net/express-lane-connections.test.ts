import { once } from 'node:events'
import { setImmediate as turn } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { bytesOf } from '../helpers/bytes.ts'
import { type Connection, connect } from '../helpers/client.ts'
import type { Script } from '../helpers/origin.ts'
import { until } from '../helpers/until.ts'
import { type Lane, plain, rawAnswer, startLane, timeless, warmed } from './lane.ts'

const FIELDS = ['Cache-Control', 'max-age=3600', 'Date', new Date().toUTCString()]

const script: Script = async (request, exchange) => {
  if (request.header('upgrade') !== undefined) {
    const wire = exchange.takeOver()
    await exchange.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n')
    for (let piece = await wire.some(65536); piece; piece = await wire.some(65536))
      await exchange.write(piece)
    return exchange.end()
  }
  if (request.target === '/early') return exchange.respond({ body: 'early' })
  if (request.method === 'POST') return exchange.respond({ body: await request.body })
  return exchange.respond({ fields: FIELDS, body: request.target })
}

const UPGRADE =
  'GET /chat HTTP/1.1\r\nHost: www.example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'

/** A hit, which node:http does not see. */
async function hit(t: Test, lane: Lane, connection: Connection): Promise<void> {
  const { length } = lane.seen
  connection.write(plain('/warm'))
  const answer = await connection.answer()
  t.match(answer, { status: 200, complete: true })
  t.equal(answer.body.toString(), '/warm')
  t.equal(lane.seen.length, length)
}

/** After what else came one may have to go by way of node:http. */
async function settled(t: Test, lane: Lane, connection: Connection): Promise<void> {
  connection.write(plain('/warm'))
  t.equal((await connection.answer()).body.toString(), '/warm')
  await hit(t, lane, connection)
}

t.test('a connection goes over to another protocol after hits and loses no byte', async (t) => {
  const lane = await startLane(t, script)
  const bytes = bytesOf(1, 300_000)
  // Together with the head, in pieces behind it, and what looks like a request besides.
  for (const early of [0, 1, 1000]) {
    const connection = await warmed(lane)
    await hit(t, lane, connection)
    connection.write(Buffer.concat([Buffer.from(UPGRADE), bytes.subarray(0, early)]))
    connection.write(bytes.subarray(early))
    connection.write(plain('/warm'))
    connection.socket.end()
    const head = (await connection.wire.until('\r\n\r\n'))!.toString()
    t.match(head, /^HTTP\/1\.1 101 /)
    const back: Buffer[] = []
    for (let piece = await connection.wire.some(65536); piece; piece = await connection.wire.some(65536)) {
      back.push(piece)
    }
    t.ok(Buffer.concat(back).equals(Buffer.concat([bytes, plain('/warm')])))
  }
})

t.test('CONNECT closes the connection, as without us', async (t) => {
  const lane = await startLane(t, script)
  for (const connection of [await connect(lane.url), await warmed(lane)]) {
    connection.write('CONNECT www.example.com:443 HTTP/1.1\r\nHost: www.example.com:443\r\n\r\n')
    await until(() => connection.wire.ended !== null)
    connection.close()
  }
  t.equal(lane.fastify.server.listenerCount('connect'), 0)
})

t.test('after its last response a connection answers nothing, and that is no error', async (t) => {
  const lane = await startLane(t, script)
  const connection = await warmed(lane)
  await hit(t, lane, connection)
  const errors: Error[] = []
  lane.fastify.server.on('clientError', (error) => void errors.push(error))
  const { l1Hits } = lane.counters
  // Somebody ends our side, the client goes on.
  lane.sockets.at(-1)!.end()
  connection.write(plain('/warm'))
  await until(() => connection.wire.ended !== null)
  connection.close()
  t.same(errors, [])
  t.ok(lane.counters.l1Hits - l1Hits <= 1, `${lane.counters.l1Hits - l1Hits} hits`)

  const other = await warmed(lane)
  other.write(plain('/warm', ['Connection', 'close']))
  const last = await other.answer()
  t.equal(last.header('connection'), 'close')
  await until(() => other.wire.ended !== null)
})

t.test('the end of the requests does not take the answer away', async (t) => {
  const lane = await startLane(t, script)
  const connection = await warmed(lane)
  const { length } = lane.seen
  connection.socket.end(plain('/warm'))
  const answer = await connection.answer()
  t.match(answer, { status: 200, complete: true })
  await until(() => connection.wire.ended === 'fin')
  t.equal(lane.seen.length, length)
  await until(() => lane.sockets.at(-1)!.destroyed)
})

t.test('requests that come in pieces, several at once, or with a body are answered in order', async (t) => {
  const lane = await startLane(t, script)
  const connection = await warmed(lane)
  const ask = async (pieces: Buffer[], bodies: string[]) => {
    for (const piece of pieces) {
      connection.write(piece)
      for (let i = 0; i < 3; i++) await turn()
    }
    for (const body of bodies) t.equal((await connection.answer()).body.toString(), body)
    await settled(t, lane, connection)
  }
  const request = plain('/warm')
  for (let at = 1; at < request.length; at++) {
    await ask([request.subarray(0, at), request.subarray(at)], ['/warm'])
  }
  await ask([Buffer.concat([request, plain('/other'), request])], ['/warm', '/other', '/warm'])
  await ask([request, plain('/another'), request], ['/warm', '/another', '/warm'])
  const head = 'POST /post HTTP/1.1\r\nHost: www.example.com\r\n'
  // A body that looks like a request, which comes when one could begin.
  const inside = request.toString('latin1')
  const withLength = `${head}Content-Length: ${inside.length * 2}\r\n\r\n`
  await ask([Buffer.from(withLength), request, request], [inside + inside])
  const chunked = `${head}Transfer-Encoding: chunked\r\n\r\n`
  const chunk = [`${inside.length.toString(16)}\r\n`, inside, '\r\n'].map((text) => Buffer.from(text))
  await ask([Buffer.from(chunked), ...chunk, ...chunk, Buffer.from('0\r\n\r\n')], [inside + inside])
  await ask([Buffer.from('\r\n\r\n'), request], ['/warm'])
})

t.test('a hit does not overtake the answer that was asked for before it', async (t) => {
  const { promise: released, resolve: release } = Promise.withResolvers<void>()
  const lane = await startLane(t, async (request, exchange) => {
    if (request.target === '/slow') await released
    return script(request, exchange)
  })
  const connection = await warmed(lane)
  await hit(t, lane, connection)
  connection.write(plain('/slow'))
  await until(() => lane.origin.requests.at(-1)!.target === '/slow')
  const socket = lane.sockets.at(-1)!
  const { bytesRead } = socket
  connection.write(plain('/warm'))
  await until(() => socket.bytesRead > bytesRead)
  release()
  for (const target of ['/slow', '/warm']) t.equal((await connection.answer()).body.toString(), target)
  await settled(t, lane, connection)
})

t.test('what only looks like a request is the body of one that was answered, or its head', async (t) => {
  const lane = await startLane(t, script)
  const inside = plain('/warm')
  const early = await warmed(lane)
  const length = `Content-Length: ${inside.length + 4}`
  early.write(`POST /early HTTP/1.1\r\nHost: www.example.com\r\n${length}\r\n\r\n\r\n\r\n`)
  t.equal((await early.answer()).body.toString(), 'early')
  const { requests } = lane.counters
  early.write(inside)
  for (let i = 0; i < 3; i++) await turn()
  await settled(t, lane, early)
  t.equal(lane.counters.requests, requests + 2)

  const connection = await warmed(lane)
  connection.write(Buffer.concat([inside, Buffer.from('GET /x HTTP/1.1\r\nX-A: ')]))
  t.equal((await connection.answer()).body.toString(), '/warm')
  connection.write(inside)
  t.equal((await connection.answer()).body.toString(), '/x')
})

t.test('the next answer of a service that closes says that it is the last', async (t) => {
  const lane = await startLane(t, script)
  const connection = await warmed(lane)
  const idle = await warmed(lane)
  await hit(t, lane, connection)
  const closed = lane.fastify.close()
  connection.write(plain('/warm'))
  const answer = await connection.answer()
  t.equal(answer.body.toString(), '/warm')
  t.equal(answer.header('connection'), 'close')
  await until(() => connection.wire.ended === 'fin')
  await closed
  await until(() => idle.wire.ended !== null)
})

t.test('an idle connection is ended after its time, a busy one is not', async (t) => {
  const idleTimeout = 1000
  const lane = await startLane(t, script, { limits: { idleTimeout } })
  Object.assign(lane.fastify.server, { keepAliveTimeoutBuffer: 0 })
  const idle = await warmed(lane)
  let busy = await warmed(lane)
  await hit(t, lane, idle)
  const since = performance.now()
  let answeredAt = since
  while (idle.wire.ended === null) {
    busy.write(plain('/warm'))
    const answer = await busy.answer()
    const now = performance.now()
    // While this process stands still busy connections are idle, too.
    if (answer.status === 0 && now - answeredAt > idleTimeout / 2) busy = await warmed(lane)
    else t.match(answer, { status: 200, complete: true })
    answeredAt = now
    await new Promise((resolve) => setTimeout(resolve, 10))
    if (now - since > 60_000) return t.fail('not ended')
  }
  t.ok(performance.now() - since >= idleTimeout - 10)
})

t.test('another time for idle connections is told at once', async (t) => {
  const lane = await startLane(t, script)
  const connection = await warmed(lane)
  const ask = async () => {
    connection.write(plain('/warm'))
    return timeless(await rawAnswer(connection))
  }
  t.match(await ask(), 'Keep-Alive: timeout=72\r\n')
  lane.fastify.clientLimits!.configure({ idleTimeout: 30_000 })
  const { length } = lane.seen
  for (let i = 0; i < 3; i++) t.match(await ask(), 'Keep-Alive: timeout=30\r\n')
  t.equal(lane.seen.length, length + 1, 'the timer of the connection is that of node:http')
  lane.fastify.clientLimits!.configure({ idleTimeout: 0 })
  for (let i = 0; i < 3; i++) t.notMatch(await ask(), /Keep-Alive/)
})

t.test('a head that comes too slowly ends the connection after hits too', async (t) => {
  const lane = await startLane(t, script, { limits: { headerTimeout: 200 } })
  const connection = await warmed(lane)
  await hit(t, lane, connection)
  connection.write('GET /warm HTTP/1.1\r\nHost: ')
  const answer = await connection.answer()
  t.equal(answer.status, 408)
  await until(() => connection.wire.ended !== null)
  t.equal(lane.fastify.clientLimits!.counts.headerTimeouts, 1)
})

t.test('where node:http counts requests or takes shorter heads, it sees all of them', async (t) => {
  const limits = [{ maxRequestsPerSocket: 6 }, { maxHeadersCount: 3 }, { maxHeaderSize: 4096 }]
  for (const limit of limits) {
    const lane = await startLane(t, script)
    Object.assign(lane.fastify.server, limit)
    const connection = await warmed(lane)
    for (let i = 0; i < 3; i++) {
      connection.write(plain('/warm'))
      t.equal(
        (await connection.answer()).header('connection'),
        i === 2 && 'maxRequestsPerSocket' in limit ? 'close' : 'keep-alive',
      )
    }
    t.equal(lane.seen.length, 6)
    connection.close()
  }
})

t.test('no more is kept of a connection than node:http keeps', async (t) => {
  const lane = await startLane(t, script)
  const connection = await warmed(lane)
  const [socket] = lane.sockets
  const count = () => ['data', 'end', 'close', 'drain', 'error'].map((event) => socket.listenerCount(event))
  const before = count()
  for (let i = 0; i < 50; i++) await hit(t, lane, connection)
  connection.write(plain('/other'))
  await connection.answer()
  await settled(t, lane, connection)
  t.same(count(), before)
  connection.close()
  await once(socket, 'close')
})
