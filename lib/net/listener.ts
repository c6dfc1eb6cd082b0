import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Address } from './address.ts'
import { describePlace, explainListenError, type Place } from './place.ts'

/** A small HTTP server beside the main one, for health or metrics. */
export interface Listener {
  /** Where it really listens, also when port 0 was asked for. */
  readonly address: Address
  close(): Promise<void>
}

/**
 * Opens a listener.
 * @throws the system's error (EADDRINUSE, EACCES, …), its message beginning with `name` and the place.
 */
export async function openListener(name: string, place: Place, answer: RequestListener): Promise<Listener> {
  // Probes and scrapers are few and near: what takes longer than this is not one of them.
  const server = createServer(
    { requestTimeout: 10_000, headersTimeout: 10_000, keepAliveTimeout: 30_000 },
    answer,
  )
  const { promise: listening, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', reject)
  server.once('listening', resolve)
  server.listen({ ...place })
  try {
    await listening
  } catch (cause) {
    const error = explainListenError(cause as NodeJS.ErrnoException, place)
    error.message = `${name} ${describePlace(place)}: ${error.message}`
    throw error
  }
  server.off('error', reject)

  const bound = server.address() as AddressInfo
  return {
    address: { host: bound.address, port: bound.port },
    close: () =>
      new Promise((closed) => {
        server.close(() => closed())
        server.closeAllConnections()
      }),
  }
}
