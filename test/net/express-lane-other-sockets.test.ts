import { readFileSync } from 'node:fs'
import { Agent, get } from 'node:https'
import { join } from 'node:path'
import { duplexPair } from 'node:stream'
import Fastify from 'fastify'
import t from 'tap'
import l1Cache from '../../plugins/l1-cache.ts'
import streamingProxy from '../../plugins/streaming-proxy.ts'
import { startOrigin } from '../helpers/origin.ts'
import { createWire } from '../helpers/wire.ts'
import { plain, startLane } from './lane.ts'

const tls = (file: string) => readFileSync(join(import.meta.dirname, '../helpers/tls', file))

t.test('over TLS all requests go by way of node:http, and are answered', async (t) => {
  const origin = await startOrigin(t, (_request, exchange) =>
    exchange.respond({
      fields: { 'Cache-Control': 'max-age=60', Date: new Date().toUTCString() },
      body: 'hit',
    }),
  )
  const fastify = Fastify({
    https: { key: tls('key.pem'), cert: tls('cert.pem') },
    forceCloseConnections: true,
  })
  await fastify.register(l1Cache, { maxBytes: 1024 * 1024 })
  // Its server is one of node:https, whose connections are decrypted ones.
  await fastify.register(streamingProxy as never, { upstream: origin.url, beforeHooks: true })
  let seen = 0
  fastify.server.prependListener('request', () => void seen++)
  await fastify.listen({ port: 0, host: '127.0.0.1' })
  t.teardown(() => fastify.close())
  const { port } = fastify.server.address() as { port: number }
  const agent = new Agent({ keepAlive: true, maxSockets: 1, rejectUnauthorized: false })
  t.teardown(() => agent.destroy())
  for (let i = 0; i < 5; i++) {
    const text = await new Promise<string>((resolve, reject) => {
      get({ host: '127.0.0.1', port, agent, path: '/a' }, (response) => {
        let body = ''
        response.on('data', (piece) => (body += piece)).on('end', () => resolve(body))
      }).on('error', reject)
    })
    t.equal(text, 'hit')
  }
  t.equal(seen, 5)
  t.equal(fastify.sliceProxy!.counters.l1Hits, 4)
})

t.test('so do those of a stream that is no socket', async (t) => {
  const lane = await startLane(t, (_request, exchange) =>
    exchange.respond({
      fields: { 'Cache-Control': 'max-age=60', Date: new Date().toUTCString() },
      body: 'x'.repeat(1000),
    }),
  )
  const [client, server] = duplexPair()
  lane.fastify.server.emit('connection', server)
  const wire = createWire(client as never)
  for (let i = 0; i < 5; i++) {
    client.write(plain('/a'))
    t.match((await wire.until('\r\n\r\n'))!.toString(), /^HTTP\/1\.1 200 /)
    let length = 0
    while (length < 1000) length += (await wire.some(1000 - length))!.length
    t.equal(length, 1000)
  }
  t.equal(lane.seen.length, 5)
  client.destroy()
})
