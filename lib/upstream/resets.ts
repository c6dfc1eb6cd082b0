import { buildConnector } from 'undici'

/** Tells whether the reset of a connection is being handled at this moment. */
export interface ResetWatch {
  /** A connector of undici whose sockets are watched. */
  readonly connect: buildConnector.connector
  readonly isReset: boolean
}

/**
 * undici takes a reset for a clean end of a body that only its connection delimits (RFC 9112 section 6.3 has no
 * other sign of its end). It says so from within the socket's `error` event, where these listeners come first.
 */
export function createResetWatch(options: buildConnector.BuildOptions): ResetWatch {
  const connect = buildConnector(options)
  let isReset = false
  return {
    get isReset() {
      return isReset
    },
    connect: (target, callback) =>
      connect(target, (...result) => {
        result[1]?.on('error', () => {
          isReset = true
          queueMicrotask(() => (isReset = false))
        })
        callback(...result)
      }),
  }
}
