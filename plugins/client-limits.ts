import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import { reset } from '../lib/cache/reset.ts'
import type { ClientCounts } from '../lib/net/client-counts.ts'
import {
  acknowledge,
  advance,
  isSuspect,
  type Look,
  lookInterval,
  noProgress,
  type Progress,
  type Stall,
  stallOf,
} from '../lib/net/stalls.ts'
import { readUnacknowledged } from '../lib/net/unacknowledged.ts'
import type { ClientLimits, ClientLimitsOptions } from './decorators.ts'

const DEFAULTS: Required<ClientLimitsOptions> = {
  maxConnections: 10_000,
  headerTimeout: 15_000,
  bodyTimeout: 60_000,
  sendTimeout: 60_000,
  idleTimeout: 72_000,
}

/** Connections that were dropped are told in one line for so long, in milliseconds. */
const DROPS_INTERVAL = 60_000

/**
 * What node:http hangs on its sockets. Not documented, but as old as it is, and the only way that costs a request nothing:
 * one look now and then at all connections instead of timers and listeners for each request.
 */
interface HttpSocket extends Socket {
  /** Gone when the connection speaks another protocol (WebSocket). */
  parser?: { incoming: IncomingMessage | null } | null
  /** The response whose turn it is. */
  _httpMessage?: ServerResponse | null
  /** Nothing is read, because responses to earlier requests of the connection are not yet taken. */
  _paused?: boolean
  /** Bytes given to the system's buffer and to libuv, and those of them that the system has not taken. */
  _handle?: { bytesWritten: number; writeQueueSize: number } | null
}

/** Bounds what clients may take of connections and time: connections at once, and how long one may stand still. */
const clientLimits: FastifyPluginAsync<ClientLimitsOptions> = async (fastify, options) => {
  let limits = { ...DEFAULTS, ...options }
  const { server } = fastify
  const counts: ClientCounts = {
    connectionsNow: 0,
    dropped: 0,
    headerTimeouts: 0,
    bodyTimeouts: 0,
    sendTimeouts: 0,
  }
  const connections = new Map<HttpSocket, Progress>()
  const stalls = new WeakMap<object, Stall>()
  let timer: NodeJS.Timeout | undefined
  let lookedAt = performance.now()
  let droppedUntold = 0
  let toldAt = -Infinity

  function configure(changes: ClientLimitsOptions): void {
    limits = { ...limits, ...changes }
    Object.assign(server, {
      maxConnections: limits.maxConnections > 0 ? limits.maxConnections : undefined,
      headersTimeout: limits.headerTimeout,
      keepAliveTimeout: limits.idleTimeout,
    })
    schedule()
  }

  function schedule(): void {
    clearTimeout(timer)
    timer = setTimeout(look, lookInterval(limits)).unref()
  }

  async function look(): Promise<void> {
    try {
      await lookAtAll()
    } catch (error) {
      fastify.log.error({ err: error }, 'could not look at the connections of clients')
    }
    if (timer !== undefined) schedule()
  }

  async function lookAtAll(): Promise<void> {
    const now = performance.now()
    // When this process stood still itself (a machine that was suspended), that is not the clients' doing.
    const elapsed = Math.min(now - lookedAt, 2 * lookInterval(limits))
    lookedAt = now
    const suspects: [HttpSocket, Progress][] = []
    for (const [socket, progress] of connections) {
      advance(progress, lookAt(socket), elapsed)
      if (isSuspect(progress, limits)) suspects.push([socket, progress])
      else judge(socket, progress)
    }
    if (suspects.length > 0) {
      const unacknowledged = await readUnacknowledged(suspects.map(([socket]) => socket))
      for (const [socket, progress] of suspects) {
        acknowledge(progress, unacknowledged(socket))
        judge(socket, progress)
      }
    }
  }

  /** One connection that cannot be ended must not keep the others. */
  function judge(socket: HttpSocket, progress: Progress): void {
    try {
      endIfStalled(socket, progress)
    } catch (error) {
      fastify.log.error({ err: error }, 'could not end the connection of a client that stands still')
      connections.delete(socket)
      socket.destroy()
    }
  }

  function endIfStalled(socket: HttpSocket, progress: Progress): void {
    const stall = stallOf(progress, limits)
    if (stall === null || socket.destroyed) return
    stalls.set(socket, stall)
    if (stall === 'send_timeout') counts.sendTimeouts++
    else counts.bodyTimeouts++
    fastify.log.debug({ remoteAddress: socket.remoteAddress, remotePort: socket.remotePort }, stall)
    const isUnanswered = !hasBegun(socket)
    if (isUnanswered) socket.write(TIMED_OUT)
    // A reset: what the system still holds for the client is given up, and no part of a response looks whole.
    if (isUnanswered) socket.destroy()
    else reset(socket)
  }

  function onConnection(socket: HttpSocket): void {
    connections.set(socket, noProgress())
    counts.connectionsNow++
    socket.once('close', () => {
      connections.delete(socket)
      counts.connectionsNow--
    })
  }

  function onDrop(): void {
    counts.dropped++
    droppedUntold++
    const now = performance.now()
    if (now - toldAt < DROPS_INTERVAL) return
    toldAt = now
    fastify.log.warn(
      { dropped: droppedUntold, maxConnections: limits.maxConnections },
      'too many connections: new ones are closed as they come',
    )
    droppedUntold = 0
  }

  server.on('setSecureContext' in server ? 'secureConnection' : 'connection', onConnection)
  server.on('drop', onDrop)
  // Fastify answers it; here it is only counted.
  server.on('clientError', (error: NodeJS.ErrnoException) => {
    if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT') counts.headerTimeouts++
  })
  configure({})
  const decorator: ClientLimits = { configure, counts, stallOf: (socket) => stalls.get(socket) ?? null }
  fastify.decorate('clientLimits', decorator)
  fastify.addHook('onClose', async () => {
    clearTimeout(timer)
    timer = undefined
  })
}

const TIMED_OUT =
  'HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 41\r\n\r\n' +
  '408 the body of the request did not come\n'

function lookAt(socket: HttpSocket): Look {
  const { parser, _httpMessage: response, _handle: handle, bytesRead } = socket
  const request = parser?.incoming
  const queued = handle?.writeQueueSize ?? 0
  return {
    received: bytesRead,
    sent: (handle?.bytesWritten ?? 0) - queued,
    waitsForBody: request !== undefined && request !== null && waitsForBody(socket, request),
    waitsForRoom: response !== undefined && response !== null && queued > 0,
  }
}

function waitsForBody(
  { _httpMessage: response, _paused: paused }: HttpSocket,
  request: IncomingMessage,
): boolean {
  // What waits unread waits for the origin, not for the client.
  if (request.complete || request.readableLength > 0) return false
  // Behind a request that is still being answered: its body may wait until then, and is not even read while Node has paused.
  const hasTurn = response === undefined || response === null || response.req === request
  return hasTurn && !paused
}

function hasBegun({ _httpMessage: response }: HttpSocket): boolean {
  return response === undefined || response === null || response.headersSent
}

/** Register it before listening. Without it node's own limits hold. */
export default fp(clientLimits, { fastify: '5.x', name: 'slicestream-client-limits' })
