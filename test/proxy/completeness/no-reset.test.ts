import { readFileSync } from 'node:fs'
import { type AddressInfo, connect as connectSocket, type Socket } from 'node:net'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import clientLimits from '../../../plugins/client-limits.ts'
import l1Cache from '../../../plugins/l1-cache.ts'
import streamingProxy from '../../../plugins/streaming-proxy.ts'
import { bytesOf } from '../../helpers/bytes.ts'
import { type Script, startOrigin } from '../../helpers/origin.ts'
import { tempDir } from '../../helpers/scope.ts'
import { until } from '../../helpers/until.ts'
import { createWire } from '../../helpers/wire.ts'

// A response that cannot be completed ends in a reset. Only plain TCP has one: on all other sockets Node throws.

const tls = (name: string) => readFileSync(join(import.meta.dirname, '../../helpers/tls', name))

/** How to listen, and how to connect to that. */
const KINDS: Record<
  string,
  { https: boolean; place(t: Test): object; connect(at: string | AddressInfo): Socket }
> = {
  TLS: {
    https: true,
    place: () => ({ port: 0, host: '127.0.0.1' }),
    connect: (at) =>
      connectTls({ port: (at as AddressInfo).port, host: '127.0.0.1', rejectUnauthorized: false }),
  },
  'a Unix socket': {
    https: false,
    place: (t) => ({ path: join(tempDir(t), 'socket') }),
    connect: (at) => connectSocket(at as string),
  },
}

const cutAfterPart: Script = async (_request, exchange) => {
  await exchange.head({ fields: { 'Transfer-Encoding': 'chunked' } })
  await exchange.chunk('half of')
  await exchange.reset()
}

for (const [name, kind] of Object.entries(KINDS)) {
  async function start(t: Test, script: Script) {
    const origin = await startOrigin(t, script)
    const https = kind.https ? { key: tls('key.pem'), cert: tls('cert.pem') } : null
    const fastify: FastifyInstance = Fastify({ forceCloseConnections: true, https } as object)
    await fastify.register(l1Cache, { maxBytes: 16 * 1024 * 1024 })
    await fastify.register(streamingProxy, { upstream: origin.url, maxRetries: 0 })
    await fastify.register(clientLimits, { sendTimeout: 300 })
    await fastify.listen(kind.place(t))
    t.teardown(() => fastify.close())
    const connect = () => {
      const socket = kind.connect(fastify.server.address()!)
      const wire = createWire(socket)
      t.teardown(() => socket.destroy())
      return { socket, wire }
    }
    return { origin, fastify, connect, counts: fastify.clientLimits!.counts }
  }

  t.test(`${name}: a body that the origin cuts is cut, and the service lives on`, async (t) => {
    const { origin, connect, counts } = await start(t, cutAfterPart)
    for (const request of [
      'GET /x HTTP/1.0\r\nHost: h\r\n\r\n',
      'GET /x HTTP/1.1\r\nHost: h\r\n\r\n',
      'GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
    ]) {
      const { socket, wire } = connect()
      socket.write(request)
      t.match((await wire.until('half of'))?.toString(), /^HTTP\/1.1 200 /)
      await until(() => wire.ended !== null)
      await until(() => counts.connectionsNow === 0)
    }
    origin.use((_request, exchange) => exchange.respond({ body: 'alive' }))
    const { socket, wire } = connect()
    socket.write('GET /y HTTP/1.1\r\nHost: h\r\n\r\n')
    t.ok(await wire.until('alive'))
  })

  t.test(`${name}: a client that takes nothing is cut`, async (t) => {
    const large = bytesOf(1, 32 * 1024 * 1024)
    const { connect, counts } = await start(t, (_request, exchange) => exchange.respondFile(large))
    const { socket } = connect()
    socket.write('GET /large HTTP/1.1\r\nHost: h\r\n\r\n')
    await until(() => counts.sendTimeouts === 1)
    await until(() => counts.connectionsNow === 0)
    t.pass('closed')
  })
}
