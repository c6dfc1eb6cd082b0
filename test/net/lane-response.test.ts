import { type AddressInfo, createServer } from 'node:net'
import t from 'tap'
import { LaneResponse } from '../../lib/net/lane-response.ts'
import { bytesOf } from '../helpers/bytes.ts'
import { connect } from '../helpers/client.ts'
import type { Script } from '../helpers/origin.ts'
import { until } from '../helpers/until.ts'
import { plain, startLane, warmed } from './lane.ts'

const MiB = 1024 * 1024
const STORED = ['Cache-Control', 'max-age=3600', 'Date', new Date().toUTCString()]
const NOT_STORED = ['Cache-Control', 'no-store', 'Date', new Date().toUTCString()]
const long = bytesOf(1, 5 * MiB)
const longer = bytesOf(2, 64 * MiB)
const warm: Script = (_request, exchange) => exchange.respond({ fields: STORED, body: 'warm' })

/** Answers as a script says, and `/warm` besides. */
const beside =
  (script: Script): Script =>
  (request, exchange) =>
    (request.target === '/warm' ? warm : script)(request, exchange)

t.test(
  'from the third request of a connection on node:http sees none, also of what is in no cache',
  async (t) => {
    const lane = await startLane(
      t,
      beside((request, exchange) =>
        exchange.respond({
          fields: request.target.startsWith('/pass') ? NOT_STORED : STORED,
          body: request.target.includes('long') ? long : request.target,
        }),
      ),
    )
    const connection = await warmed(lane)
    const { length } = lane.seen
    const asked = ['/miss', '/miss', '/pass', '/pass', '/miss/long', '/miss/long', '/pass/long', '/pass/long']
    const caches: (string | undefined)[] = []
    for (const target of asked) {
      connection.write(plain(target))
      const answer = await connection.answer()
      t.match(answer, { status: 200, framing: 'length', complete: true })
      t.ok(answer.body.equals(target.includes('long') ? long : Buffer.from(target)), target)
      caches.push(answer.header('x-cache'))
    }
    t.same(caches, ['MISS', 'HIT', 'MISS', 'MISS', 'MISS', 'HIT', 'MISS', 'MISS'])
    t.equal(lane.seen.length, length)
    t.equal(lane.counters.requests, asked.length + 3)
    t.equal(lane.counters.requestsNow, 0)
  },
)

t.test('where nothing had been a hit, too', async (t) => {
  const lane = await startLane(t, (_request, exchange) => exchange.respond({ fields: NOT_STORED, body: 'x' }))
  const connection = await warmed(lane)
  for (let i = 0; i < 5; i++) {
    connection.write(plain(`/${i}`))
    t.equal((await connection.answer()).body.toString(), 'x')
  }
  t.equal(lane.seen.length, 3)
})

t.test('the head does not wait for the body, nor one piece for the next', async (t) => {
  for (const fields of [STORED, NOT_STORED]) {
    for (const framing of [
      ['Content-Length', '10'],
      ['Transfer-Encoding', 'chunked'],
    ]) {
      const steps: (() => void)[] = []
      const step = () => new Promise<void>((resolve) => steps.push(resolve))
      const lane = await startLane(
        t,
        beside(async (_request, exchange) => {
          await exchange.head({ fields: [...fields, ...framing] })
          for (const piece of ['first', 'other']) {
            await exchange.stall(step())
            await (framing[1] === 'chunked' ? exchange.chunk(piece) : exchange.write(piece))
          }
          await exchange.stall(step())
          if (framing[1] === 'chunked') await exchange.chunk()
        }),
      )
      const connection = await warmed(lane)
      const { length } = lane.seen
      connection.write(plain('/steps'))
      const head = (await connection.wire.until('\r\n\r\n'))!.toString()
      t.match(head, /^HTTP\/1\.1 200 OK\r\n/)
      for (const piece of ['first', 'other']) {
        await until(() => steps.length > 0)
        steps.shift()!()
        t.equal((await connection.wire.until(piece))!.toString().slice(-piece.length), piece)
      }
      await until(() => steps.length > 0)
      steps.shift()!()
      if (framing[1] === 'chunked') t.equal((await connection.wire.until('\r\n0\r\n\r\n'))!.length, 7)
      await until(() => lane.counters.requestsNow === 0)
      t.equal(lane.seen.length, length)
      t.equal(lane.counters.clientAborts, 0)
    }
  }
})

t.test('a client that leaves before the end is counted, and its transfer is not read on', async (t) => {
  const lane = await startLane(
    t,
    beside(async (request, exchange) => {
      if (request.target === '/silent') return exchange.stall(exchange.gone)
      await exchange.respond({ fields: NOT_STORED, body: longer })
    }),
  )
  for (const target of ['/silent', '/longer']) {
    for (const leave of ['destroy', 'resetAndDestroy'] as const) {
      const { clientAborts } = lane.counters
      const connection = await warmed(lane)
      const { length } = lane.origin.requests
      connection.write(plain(target))
      await until(() => lane.origin.requests.length > length)
      if (target === '/longer') await connection.wire.until('\r\n\r\n')
      connection.socket[leave]()
      await until(() => lane.counters.requestsNow === 0)
      t.equal(lane.counters.clientAborts, clientAborts + 1, `${target} ${leave}`)
      await until(() => lane.origin.open <= 1)
    }
  }
  t.ok(lane.origin.bytesSent < 2 * longer.length)
})

t.test('a client that takes nothing holds the origin back, and gets all of it in the end', async (t) => {
  const lane = await startLane(
    t,
    beside((_request, exchange) => exchange.respond({ fields: NOT_STORED, body: longer })),
  )
  const connection = await warmed(lane)
  connection.write(plain('/longer'))
  const [socket] = lane.sockets.slice(-1)
  await until(() => socket.writableNeedDrain)
  t.ok(socket.writableLength < MiB, `${socket.writableLength} bytes wait`)
  t.ok(lane.origin.bytesSent < longer.length)
  const answer = await connection.answer()
  t.ok(answer.complete && answer.body.equals(longer))
})

t.test('an answer that the origin cuts is cut, and never looks whole', async (t) => {
  for (const framing of [
    ['Content-Length', '1000'],
    ['Transfer-Encoding', 'chunked'],
  ]) {
    const lane = await startLane(
      t,
      beside(async (_request, exchange) => {
        await exchange.head({ fields: [...NOT_STORED, ...framing] })
        await (framing[1] === 'chunked' ? exchange.chunk('part') : exchange.write('part'))
        await exchange.reset()
      }),
    )
    const connection = await warmed(lane)
    connection.write(plain('/cut'))
    const answer = await connection.answer()
    t.match(answer, { status: 200, complete: false })
    t.not(answer.ended, null)
    await until(() => lane.counters.requestsNow === 0)
    t.match(lane.counters, { abortedResponses: 1, clientAborts: 0 })
  }
})

t.test('what is asked for meanwhile is answered afterwards, in order', async (t) => {
  let release = () => {}
  const lane = await startLane(
    t,
    beside(async (request, exchange) => {
      if (request.target === '/slow') await new Promise<void>((resolve) => (release = resolve))
      return exchange.respond({ fields: NOT_STORED, body: request.target })
    }),
  )
  const connection = await warmed(lane)
  const { length } = lane.origin.requests
  const targets = ['/slow', '/warm', '/other', '/warm']
  const [socket] = lane.sockets.slice(-1)
  for (const target of targets) {
    const { bytesRead } = socket
    connection.write(plain(target))
    // After the second one the connection is not read any more.
    await until(() => socket.bytesRead > bytesRead || socket.isPaused())
  }
  await until(() => lane.origin.requests.length === length + 1)
  release()
  for (const target of targets) {
    const expected = target === '/warm' ? 'warm' : target
    t.equal((await connection.answer()).body.toString(), expected)
  }
})

t.test('while the origin thinks, the time for idle connections means nothing', async (t) => {
  let release = () => {}
  const lane = await startLane(
    t,
    beside(async (_request, exchange) => {
      await new Promise<void>((resolve) => (release = resolve))
      return exchange.respond({ fields: NOT_STORED, body: 'at last' })
    }),
    { limits: { idleTimeout: 200 } },
  )
  Object.assign(lane.fastify.server, { keepAliveTimeoutBuffer: 0 })
  const connection = await warmed(lane)
  const { length } = lane.seen
  connection.write(plain('/slow'))
  await until(() => lane.counters.requestsNow === 1)
  for (let i = 0; i < 2; i++) {
    const idle = await warmed(lane)
    await until(() => idle.wire.ended !== null)
  }
  t.equal(connection.wire.ended, null)
  release()
  t.equal((await connection.answer()).body.toString(), 'at last')
  t.equal(lane.seen.filter((target) => target === '/slow').length, 0)
  t.ok(lane.seen.length >= length)
  // Then it is idle itself.
  await until(() => connection.wire.ended !== null)
  t.equal(lane.counters.clientAborts, 0)
})

t.test('a service that closes waits for it, and says that the connection ends', async (t) => {
  let release = () => {}
  const lane = await startLane(
    t,
    beside(async (_request, exchange) => {
      await new Promise<void>((resolve) => (release = resolve))
      return exchange.respond({ fields: NOT_STORED, body: 'the last' })
    }),
  )
  const connection = await warmed(lane)
  const [socket] = lane.sockets.slice(-1)
  connection.write(plain('/slow'))
  await until(() => lane.counters.requestsNow === 1)
  const idle = await warmed(lane)
  const closed = lane.fastify.close()
  await until(() => idle.wire.ended !== null)
  release()
  const answer = await connection.answer()
  t.equal(answer.body.toString(), 'the last')
  t.equal(answer.header('connection'), 'close')
  t.ok(socket.writableEnded, 'by us, not as an idle one some time later')
  await until(() => connection.wire.ended === 'fin')
  await closed
})

t.test('a client that takes nothing for too long is ended by a reset', async (t) => {
  const lane = await startLane(
    t,
    beside((_request, exchange) => exchange.respond({ fields: NOT_STORED, body: longer })),
    { limits: { sendTimeout: 300 } },
  )
  const connection = await warmed(lane)
  connection.write(plain('/longer'))
  await until(() => lane.fastify.clientLimits!.counts.sendTimeouts === 1)
  await until(() => lane.counters.requestsNow === 0)
  t.equal(lane.counters.clientAborts, 0)
  t.not((await connection.answer().catch(() => null))?.complete, true)
})

t.test('interim answers come before it', async (t) => {
  const lane = await startLane(
    t,
    beside(async (_request, exchange) => {
      await exchange.write('HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n')
      await exchange.respond({ fields: NOT_STORED, body: 'x' })
    }),
  )
  const connection = await warmed(lane)
  const { length } = lane.seen
  connection.write(plain('/hints', ['Accept', '*/*']))
  const text = (await connection.wire.until('\r\n\r\n'))!.toString()
  t.equal(text, 'HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n')
  t.equal((await connection.answer()).body.toString(), 'x')
  t.equal(lane.seen.length, length)
})

t.test('it has ended when the system has the last byte, and not before', async (t) => {
  const body = bytesOf(3, 16 * MiB)
  const ends: boolean[] = []
  const taken: string[] = []
  const server = createServer((socket) => {
    const response = new LaneResponse({ socket, keepAlive: () => 0, ended: (last) => void ends.push(last) })
    response.once('close', () => taken.push('closed'))
    response.writeHead(200, ['Content-Length', String(body.length)])
    response.write(body, () => taken.push('body'))
    response.end()
    response.end()
    t.notOk(response.writableFinished)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const connection = await connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  await connection.wire.until('\r\n\r\n')
  t.same({ ends, taken }, { ends: [], taken: [] })
  connection.wire.unread(Buffer.from(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n`))
  t.ok((await connection.answer()).body.equals(body))
  await until(() => ends.length > 0)
  t.same({ ends, taken }, { ends: [false], taken: ['body', 'closed'] })
  connection.close()
})
