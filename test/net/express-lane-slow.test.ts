import t, { type Test } from 'tap'
import { bytesOf } from '../helpers/bytes.ts'
import { type Connection, connect, serialise } from '../helpers/client.ts'
import type { Script } from '../helpers/origin.ts'
import { until } from '../helpers/until.ts'
import { HOST, type Lane, type LaneOptions, plain, startLane, warmed } from './lane.ts'

const MiB = 1024 * 1024
const FIELDS = ['Cache-Control', 'max-age=3600', 'Date', new Date().toUTCString()]
/** More than the buffers of the system take. */
const large = bytesOf(1, 12 * MiB)

const script: Script = async (request, exchange) => {
  if (request.method === 'POST') return exchange.respond({ body: await request.body })
  if (request.target === '/miss')
    return exchange.respond({ fields: ['Cache-Control', 'no-store'], body: '/miss' })
  return exchange.respond({ fields: FIELDS, body: request.target === '/large' ? large : request.target })
}

/** A service that has `/large` in memory. */
async function start(t: Test, options: LaneOptions = {}): Promise<Lane> {
  const lane = await startLane(t, script, { sliceSize: 16 * MiB, ...options })
  const connection = await connect(lane.url)
  connection.write(plain('/large'))
  t.ok((await connection.answer()).body.equals(large))
  connection.close()
  await until(() => lane.counters.requestsNow === 0)
  return lane
}

/** Asks for `/large`, and takes what the system takes. */
async function stalled(lane: Lane): Promise<Connection> {
  const connection = await warmed(lane)
  const { requestsNow } = lane.counters
  const { length } = lane.seen
  connection.write(plain('/large'))
  await until(() => lane.counters.requestsNow === requestsNow + 1)
  if (lane.seen.length !== length) throw new Error('it went by way of node:http')
  return connection
}

async function isLarge(t: Test, connection: Connection): Promise<void> {
  const answer = await connection.answer()
  t.ok(answer.complete && answer.body.equals(large))
}

t.test('a client that stands still is not idle: it gets all when it reads on', async (t) => {
  const lane = await start(t, { limits: { idleTimeout: 200 } })
  Object.assign(lane.fastify.server, { keepAliveTimeoutBuffer: 0 })
  const connection = await stalled(lane)
  const idle = await warmed(lane)
  lane.fastify.server.closeIdleConnections()
  await until(() => idle.wire.ended !== null)
  const later = await warmed(lane)
  // The time for idle connections passes.
  await until(() => later.wire.ended !== null)
  t.equal(connection.wire.ended, null)
  t.equal(lane.counters.requestsNow, 1)
  await isLarge(t, connection)
  await until(() => lane.counters.requestsNow === 0)
  t.equal(lane.counters.clientAborts, 0)

  // Then it is idle itself, and its timer is as before.
  await until(() => connection.wire.ended !== null)
})

t.test('a client that leaves meanwhile is counted as one', async (t) => {
  const lane = await start(t)
  for (const leave of ['destroy', 'resetAndDestroy'] as const) {
    const { clientAborts } = lane.counters
    const connection = await stalled(lane)
    connection.socket[leave]()
    await until(() => lane.counters.requestsNow === 0)
    t.equal(lane.counters.clientAborts, clientAborts + 1)
  }
})

t.test('a client that stands still for too long is ended, and not counted as one that left', async (t) => {
  const lane = await start(t, { limits: { sendTimeout: 300 } })
  const connection = await stalled(lane)
  await until(() => lane.counters.requestsNow === 0)
  t.equal(lane.fastify.clientLimits!.counts.sendTimeouts, 1)
  t.equal(lane.counters.clientAborts, 0)
  const answer = await connection.answer().catch(() => null)
  t.not(answer?.complete, true)
  // By a reset, as a response that has begun: nothing else is written into it.
  t.equal(connection.wire.ended, 'ECONNRESET')
})

t.test('what is asked for behind a response that waits is answered after it, in order', async (t) => {
  const lane = await start(t)
  for (const resumes of [false, true]) {
    const connection = await stalled(lane)
    const post = serialise('/post', HOST, { method: 'POST', headers: ['Host', HOST], body: 'posted' })
    for (const request of [plain('/miss'), plain('/warm'), post, plain('/large'), plain('/warm')]) {
      connection.write(request)
      // Nobody has a reason to do this, but then all the same nothing may come before its turn.
      if (resumes) {
        const socket = lane.sockets.at(-1)!
        socket.resume()
        await until(() => socket.isPaused())
      }
    }
    await isLarge(t, connection)
    for (const body of ['/miss', '/warm', 'posted']) {
      t.equal((await connection.answer()).body.toString(), body)
    }
    await isLarge(t, connection)
    t.equal((await connection.answer()).body.toString(), '/warm')
    await until(() => lane.counters.requestsNow === 0)
    connection.close()
  }
})

t.test('the end of the requests does not cut a response that waits', async (t) => {
  const lane = await start(t)
  const connection = await stalled(lane)
  connection.socket.end()
  // It has come by then, whether or not the connection is read meanwhile.
  await warmed(lane)
  await isLarge(t, connection)
  await until(() => connection.wire.ended === 'fin')
  await until(() => lane.counters.requestsNow === 0)
  t.equal(lane.counters.clientAborts, 0)
})

t.test('a service that closes waits for it', async (t) => {
  const lane = await start(t)
  const connection = await stalled(lane)
  const idle = await warmed(lane)
  const closed = lane.fastify.close()
  await until(() => idle.wire.ended !== null)
  await isLarge(t, connection)
  await closed
  t.equal(lane.counters.clientAborts, 0)
})

t.test(
  'while much waits for clients, long responses go at the pace of theirs, short ones as before',
  async (t) => {
    const lane = await start(t)
    const connections: Connection[] = []
    for (let i = 0; i < 3; i++) connections.push(await stalled(lane))
    const connection = await warmed(lane)
    const other = await warmed(lane)
    const { length } = lane.seen
    const [socket] = lane.sockets.slice(-1)
    other.write(plain('/large'))
    await until(() => socket.writableNeedDrain)
    t.ok(socket.writableLength < large.length / 4)
    connection.write(plain('/warm'))
    t.equal((await connection.answer()).body.toString(), '/warm')
    t.equal(lane.seen.length, length)
    for (const one of [...connections, other]) await isLarge(t, one)
    await until(() => lane.counters.requestsNow === 0)
    // What waited has gone, or been given up: there is room again.
    for (let i = 0; i < 5; i++) {
      const one = await stalled(lane)
      one.close()
      await until(() => lane.counters.requestsNow === 0)
    }
  },
)
