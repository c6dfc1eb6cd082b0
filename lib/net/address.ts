import { BlockList, isIP, isIPv4 } from 'node:net'

/** Where a server listens. `port` 0 lets the system choose. */
export interface Address {
  host: string
  port: number
}

/**
 * Reads `host:port` or `[v6]:port`; null when it is neither.
 *
 * `localhost` becomes 127.0.0.1: Fastify would open a second server for ::1 that its `close` does not wait for,
 * so that responses in flight there would be cut.
 */
export function parseAddress(text: string): Address | null {
  const match = /^(?:\[([^\]]+)\]|([^:[\]/@\s]+)):(\d{1,5})$/.exec(text)
  if (match === null) return null
  const [, v6, name] = match
  const port = Number(match[3])
  if (port > 65535) return null
  if (v6 !== undefined) return isIP(v6) === 6 ? { host: v6, port } : null
  return { host: name === 'localhost' ? '127.0.0.1' : name, port }
}

/** The inverse of `parseAddress`. */
export function formatAddress({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/** Whether only this machine can reach a listener there. */
export function isLoopback({ host }: Address): boolean {
  return host === '::1' || host === 'localhost' || (isIPv4(host) && host.startsWith('127.'))
}

/** Whether two listeners would want the same port of the same interface. */
export function addressesClash(a: Address, b: Address): boolean {
  return a.port !== 0 && a.port === b.port && (a.host === b.host || isWildcard(a) || isWildcard(b))
}

function isWildcard({ host }: Address): boolean {
  return host === '0.0.0.0' || host === '::'
}

/**
 * The origin (scheme, host, port) that `host:port` or `http(s)://host[:port]` names, without a trailing slash;
 * null when it names none, or also a path, a query or a user.
 */
export function parseOrigin(text: string): string | null {
  const written = /^https?:\/\//i.test(text) ? text : parseAddress(text) && `http://${text}`
  if (!written || !URL.canParse(written)) return null
  const url = new URL(written)
  const more =
    url.pathname !== '/' || url.search !== '' || url.hash !== '' || url.username !== '' || url.password !== ''
  return more || url.port === '0' ? null : url.origin
}

/** Whether a text is an IP address or a CIDR block: `10.0.0.0/8`, `::1`. */
export function isAddressBlock(text: string): boolean {
  const [address, prefix, ...rest] = text.split('/')
  const family = isIP(address)
  if (family === 0 || rest.length > 0) return false
  if (prefix === undefined) return true
  if (!/^\d{1,3}$/.test(prefix)) return false
  try {
    new BlockList().addSubnet(address, Number(prefix), family === 4 ? 'ipv4' : 'ipv6')
    return true
  } catch {
    return false
  }
}
