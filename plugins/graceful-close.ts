import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'

export interface GracefulCloseOptions {
  /** Milliseconds that requests in flight get to finish; then every connection is cut. */
  timeout: number
}

/** How often connections that became idle while closing are closed, in milliseconds. */
const IDLE_INTERVAL = 50

/**
 * Makes `fastify.close()` end soon and without cutting a response that could still finish.
 *
 * By itself it waits up to keepAliveTimeout (72 s) for a connection that had a request in flight when closing began:
 * node:http closes the connections that are idle at that moment, and never looks again (fastify#7044).
 */
const gracefulClose: FastifyPluginAsync<GracefulCloseOptions> = async (fastify, { timeout }) => {
  const sockets = new Set<Socket>()
  fastify.server.on('connection', (socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })

  let idle: NodeJS.Timeout
  let deadline: NodeJS.Timeout
  fastify.addHook('preClose', async () => {
    for (const socket of sockets) lastOnConnection(socket)
    idle = setInterval(() => fastify.server.closeIdleConnections(), IDLE_INTERVAL)
    deadline = setTimeout(() => {
      fastify.log.warn(`cutting ${sockets.size} connections that did not finish within ${timeout} ms`)
      // Not closeAllConnections(): it does not know of upgraded ones.
      for (const socket of sockets) socket.destroy()
    }, timeout)
  })
  // Runs once the server has no connection left.
  fastify.addHook('onClose', async () => {
    clearInterval(idle)
    clearTimeout(deadline)
  })
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
