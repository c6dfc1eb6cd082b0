import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Address, formatAddress } from './address.ts'

/** A small HTTP server beside the main one, for health or metrics. */
export interface Listener {
  /** Where it really listens, also when port 0 was asked for. */
  readonly address: Address
  close(): Promise<void>
}

/**
 * Opens a listener.
 * @throws the system's error (EADDRINUSE, EACCES, …), its message beginning with `name` and the address.
 */
export async function openListener(
  name: string,
  address: Address,
  answer: RequestListener,
): Promise<Listener> {
  // Probes and scrapers are few and near: what takes longer than this is not one of them.
  const server = createServer(
    { requestTimeout: 10_000, headersTimeout: 10_000, keepAliveTimeout: 30_000 },
    answer,
  )
  const { promise: listening, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', reject)
  server.listen(address.port, address.host, resolve)
  try {
    await listening
  } catch (cause) {
    const error = cause as NodeJS.ErrnoException
    error.message = `${name} ${formatAddress(address)}: ${error.message}`
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
