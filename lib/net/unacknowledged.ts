import { readFile } from 'node:fs/promises'

/** The connections of this network namespace (Linux); both families are there as soon as the system has them. */
const TABLES = ['/proc/net/tcp', '/proc/net/tcp6']

/** What the peers of TCP connections have not yet acknowledged. */
export interface Unacknowledged {
  /** Of a connection by its ports; null = not known. Equal for two looks only if nothing was acknowledged or sent between. */
  of(localPort: number | undefined, remotePort: number | undefined): string | null
}

/** Asks the system. Elsewhere than on Linux nothing is known. */
export async function readUnacknowledged(): Promise<Unacknowledged> {
  const texts = await Promise.all(TABLES.map((file) => readFile(file, 'latin1').catch(() => '')))
  return parseUnacknowledged(texts.join(''))
}

/** Reads lines of /proc/net/tcp: number, local address, remote address, state, tx_queue:rx_queue, … in hexadecimal. */
export function parseUnacknowledged(text: string): Unacknowledged {
  const byPorts = new Map<string, string>()
  for (const [, local, remote, queued] of text.matchAll(LINE)) {
    const ports = `${local}:${remote}`
    // Clients of the same port at different addresses are taken together: then one that stands still seems not to.
    const others = byPorts.get(ports)
    byPorts.set(ports, others === undefined ? queued : `${others} ${queued}`)
  }
  return {
    of(localPort, remotePort) {
      if (localPort === undefined || remotePort === undefined) return null
      return byPorts.get(`${hexPort(localPort)}:${hexPort(remotePort)}`) ?? null
    },
  }
}

const LINE = /^ *\d+: [0-9A-F]+:([0-9A-F]{4}) [0-9A-F]+:([0-9A-F]{4}) [0-9A-F]{2} ([0-9A-F]{8}):/gm

function hexPort(port: number): string {
  return port.toString(16).toUpperCase().padStart(4, '0')
}
