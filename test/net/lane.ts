import type { Socket } from 'node:net'
import Fastify from 'fastify'
import { options } from '../../app.ts'
import clientLimits from '../../plugins/client-limits.ts'
import gracefulClose from '../../plugins/graceful-close.ts'
import l1Cache from '../../plugins/l1-cache.ts'
import metrics from '../../plugins/metrics.ts'
import purge from '../../plugins/purge.ts'
import streamingProxy, { type StreamingProxyOptions } from '../../plugins/streaming-proxy.ts'
import { type Connection, connect, serialise } from '../helpers/client.ts'
import { type Script, startOrigin } from '../helpers/origin.ts'
import type { Scope } from '../helpers/scope.ts'

const MiB = 1024 * 1024
export const HOST = 'www.example.com'

export interface LaneOptions extends Partial<StreamingProxyOptions> {
  limits?: Parameters<typeof clientLimits>[1]
}

/** A service as server.ts has it, and what node:http sees of the requests to it. */
export async function startLane(t: Scope, script: Script, { limits = {}, ...settings }: LaneOptions = {}) {
  const origin = await startOrigin(t, script)
  const fastify = Fastify({ ...options, http: { ...options.http, connectionsCheckingInterval: 50 } })
  await fastify.register(l1Cache, { maxBytes: 256 * MiB })
  await fastify.register(streamingProxy, { upstream: origin.url, beforeHooks: true, ...settings })
  await fastify.register(clientLimits, limits)
  await fastify.register(purge, {})
  await fastify.register(metrics, {})
  await fastify.register(gracefulClose, { timeout: 10_000 })
  /** Targets that node:http made a request of. */
  const seen: string[] = []
  const sockets: Socket[] = []
  fastify.server.prependListener('request', (req) => void seen.push(req.url!))
  fastify.server.on('connection', (socket) => void sockets.push(socket))
  await fastify.listen({ port: 0, host: '127.0.0.1' })
  t.teardown(() => {
    fastify.server.closeAllConnections()
    return fastify.close()
  })
  const { port } = fastify.server.address() as { port: number }
  const { counters } = fastify.sliceProxy!
  return { origin, fastify, counters, seen, sockets, url: `http://127.0.0.1:${port}` }
}

export type Lane = Awaited<ReturnType<typeof startLane>>

/** The bytes of a request that is plain. */
export const plain = (target: string, headers: string[] = []) =>
  serialise(target, HOST, { headers: ['Host', HOST, ...headers] })

/** A connection on which the next hit does not come to node:http. `/warm` must be stored from the first answer on. */
export async function warmed({ url }: Lane): Promise<Connection> {
  const connection = await connect(url)
  // The first may be stored by it, the second is how the connection is found, after the third it is known to be between two.
  for (let i = 0; i < 3; i++) {
    connection.write(plain('/warm'))
    await connection.answer()
  }
  return connection
}

/** Head and body as they come, one character for each byte, for a response with Content-Length. */
export async function rawAnswer({ wire }: Connection): Promise<string> {
  const head = (await wire.until('\r\n\r\n'))!.toString('latin1')
  let text = head
  for (let left = Number(/^Content-Length: (\d+)/m.exec(head)?.[1]); left > 0; ) {
    const piece = (await wire.some(left))!
    text += piece.toString('latin1')
    left -= piece.length
  }
  return text
}

/** Without the seconds that pass. */
export const timeless = (text: string) => text.replace(/^Age: \d+/m, 'Age: n').replace(/; ttl=\d+/, '; ttl=n')
