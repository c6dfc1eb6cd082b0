import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { FastifyInstance, FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import './decorators.ts'

export interface GracefulCloseOptions {
  /** Milliseconds that requests in flight get to finish; then every connection is cut. */
  timeout: number
}

/** How often connections that became idle while closing are closed, in milliseconds. */
const IDLE_INTERVAL = 50
/**
 * For so long, in milliseconds, an idle connection may still bring a request, whose response then says that it is the last
 * one: clients that use theirs often lose none to a connection that is closed just as they send.
 */
const LAST_REQUESTS = 1000
/** For so long, in milliseconds, connections are accepted that are there already when closing begins. */
const LAST_CONNECTIONS = 2000
/** No more than this counts of a turn of the event loop, in milliseconds: who stood still has not accepted anything. */
const LONG_TURN = 200
/** A turn of the event loop that took no longer had nothing to do, in milliseconds; so many of them, and nobody waits. */
const IDLE_TURN = 0.2
const IDLE_TURNS = 3

/**
 * Makes `fastify.close()` end soon and without cutting a response that could still finish.
 *
 * By itself it waits up to keepAliveTimeout (72 s) for a connection that had a request in flight when closing began:
 * node:http closes the connections that are idle at that moment, and never looks again (fastify#7044).
 */
const gracefulClose: FastifyPluginAsync<GracefulCloseOptions> = async (fastify, options) => {
  const { server } = fastify
  let { timeout } = options
  let accepted = 0
  const sockets = new Set<Socket>()
  server.on('connection', (socket) => {
    accepted++
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  fastify.decorate('gracefulClose', { configure: (changes) => ({ timeout = timeout } = changes) })

  let idle: NodeJS.Timeout
  let deadline: NodeJS.Timeout
  fastify.addHook('preClose', async () => {
    deadline = setTimeout(() => {
      fastify.log.warn(`cutting ${sockets.size} connections that did not finish within ${timeout} ms`)
      // Not closeAllConnections(): it does not know of upgraded ones.
      for (const socket of sockets) socket.destroy()
    }, timeout)
    const closeIdleConnections = keepIdleConnections(fastify)
    const silent = new WeakSet<Socket>()
    idle = everyTurnRead(IDLE_INTERVAL, Math.min(LAST_REQUESTS, timeout / 4), () => {
      // Nor does closeIdleConnections() know of those that have never sent a byte.
      for (const socket of sockets) {
        if (socket.bytesRead > 0) continue
        if (silent.has(socket)) socket.destroy()
        else silent.add(socket)
      }
      closeIdleConnections()
    })
    // Now, for what begins its response meanwhile, and again for what is accepted meanwhile.
    for (const socket of sockets) lastOnConnection(socket)
    if (server.listening) await allAccepted(() => accepted)
    for (const socket of sockets) lastOnConnection(socket)
    // Without another turn in between, Fastify closes the listening socket now.
  })
  // Runs once the server has no connection left.
  fastify.addHook('onClose', async () => {
    clearInterval(idle)
    clearTimeout(deadline)
  })
}

/**
 * Does something every `interval` milliseconds, for the first time after `delay`, but not first of all when the process
 * has stood still: what clients sent meanwhile is read in between. Of that time only one interval counts.
 */
function everyTurnRead(interval: number, delay: number, action: () => void): NodeJS.Timeout {
  let left = delay / interval
  let before = performance.now()
  let wasLate = false
  return setInterval(() => {
    const now = performance.now()
    // Once: a process that is always late has its turns too.
    wasLate = now - before > 2 * interval && !wasLate
    before = now
    if (--left <= 0 && !wasLate) action()
  }, interval)
}

/** node:http would close them as soon as it stops listening. @returns closes them */
function keepIdleConnections({ server }: FastifyInstance): () => void {
  const close = server.closeIdleConnections
  server.closeIdleConnections = () => {}
  return () => close.call(server)
}

/**
 * Resolves when the kernel has no connection left that waits to be accepted: closing resets those, and libuv takes one in
 * each turn of the loop. What comes between this and the closing is lost all the same, unless `net.ipv4.tcp_migrate_req`
 * lets Linux give it to another process on the same port (SO_REUSEPORT).
 */
async function allAccepted(count: () => number): Promise<void> {
  let idle = 0
  let left = LAST_CONNECTIONS
  for (let now = performance.now(); left > 0 && idle < IDLE_TURNS; ) {
    const before = count()
    await nextTurn()
    const took = performance.now() - now
    now += took
    left -= Math.min(took, LONG_TURN)
    idle = count() === before && took < IDLE_TURN ? idle + 1 : 0
  }
}

/**
 * A response in flight whose head is not sent yet shall carry `Connection: close` (RFC 9112 section 9.6), so that the
 * client does not send its next request into a closing connection. Fastify does so for requests that come later.
 * The response is found by node's own reference to it, because a list of ours would cost each request of a busy server.
 */
function lastOnConnection(socket: Socket & { _httpMessage?: ServerResponse }): void {
  const response = socket._httpMessage
  if (response !== undefined && response !== null && !response.headersSent) response.shouldKeepAlive = false
}

export default fp(gracefulClose, { fastify: '5.x', name: 'slicestream-graceful-close' })
