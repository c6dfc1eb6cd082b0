import type { Socket } from 'node:net'

/**
 * Ends a connection so that what was sent of a response cannot look whole: by a reset. Only plain TCP has one, for TLS and
 * Unix sockets Node throws ERR_INVALID_HANDLE_TYPE: those are closed.
 */
export function reset(socket: Socket): void {
  // Only IP has a family: a Unix socket has none, nor has a connection that is already gone.
  const isPlainTcp = socket.remoteFamily !== undefined && !('encrypted' in socket)
  if (isPlainTcp) socket.resetAndDestroy()
  else socket.destroy()
}
