import { readFile } from 'node:fs/promises'

/** The connections of this network namespace (Linux); both families are there as soon as the system has them. */
const TABLES = ['/proc/net/tcp', '/proc/net/tcp6']

/** A connection by its ports. */
export interface Ports {
  localPort?: number
  remotePort?: number
}

/**
 * Bytes that the peer of a connection has not yet acknowledged; null = not known. Where several connections of the table have
 * these ports, all of theirs, mixed: equal for two looks only if none of them got on.
 */
export type Unacknowledged = (connection: Ports) => number | null

/** Asks the system. Elsewhere than on Linux nothing is known. */
export async function readUnacknowledged(connections: readonly Ports[]): Promise<Unacknowledged> {
  const tables = await Promise.all(TABLES.map((file) => readFile(file).catch(() => Buffer.alloc(0))))
  return unacknowledgedIn(Buffer.concat(tables), connections)
}

/**
 * Reads lines of /proc/net/tcp: number, local address, remote address, state, tx_queue:rx_queue, … in hexadecimal. By bytes: with
 * ten thousand connections a pattern would hold up all requests for 20 ms, this does for 4.
 */
export function unacknowledgedIn(table: Buffer, connections: readonly Ports[]): Unacknowledged {
  const wanted = new Set(connections.map(keyOf))
  const found = new Map<number, number>()
  for (let line = 0, end = 0; line < table.length; line = end + 1) {
    end = table.indexOf('\n', line)
    if (end === -1) end = table.length
    // The number is as wide as it must be; the names above the columns have none.
    const local = table.indexOf(COLON, line) + 2
    if (local > end) continue
    const width = table[local + IPV4] === COLON ? IPV4 : IPV6
    if (table[local + width] !== COLON) continue
    const remote = local + width + PORT
    const key = keyOf({
      localPort: hexAt(table, local + width + 1, 4),
      remotePort: hexAt(table, remote + width + 1, 4),
    })
    if (!wanted.has(key)) continue
    const queued = hexAt(table, remote + width + PORT + STATE, 8)
    // In 32 bits: of a number above 2^53 the changes of the last ones would be lost.
    found.set(key, (Math.imul(found.get(key) ?? 0, MIX) + queued) >>> 0)
  }
  return (connection) => found.get(keyOf(connection)) ?? null
}

const COLON = 0x3a
/** Characters of an address, of `:PORT ` and of `ST `. */
const IPV4 = 8
const IPV6 = 32
const PORT = 6
const STATE = 3
/** Odd: then one change alone always changes the result. */
const MIX = 31

function keyOf({ localPort = 0, remotePort = 0 }: Ports): number {
  return localPort * 65_536 + remotePort
}

/** Upper-case hexadecimal digits. */
function hexAt(bytes: Buffer, start: number, digits: number): number {
  let value = 0
  for (let i = start; i < start + digits; i++) value = value * 16 + bytes[i] - (bytes[i] < 0x41 ? 0x30 : 0x37)
  return value
}
