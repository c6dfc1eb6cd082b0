import { connect as connectTcp, isIP, type OnReadOpts, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { fieldValue } from '../../semantics/fields.ts'
import type { FieldList } from '../../semantics/types.ts'

export interface ConnectOptions {
  url: URL
  /** Whether the certificate of an https origin must be valid. */
  tlsVerify: boolean
}

/** Silence after which the system begins to ask whether the other side is still there, in milliseconds. */
const KEEP_ALIVE = 60_000
/** Sessions that are remembered: one for each name, and `Host` may be the client's. */
const MOST_SESSIONS = 100

/** Opens connections to one origin. */
export interface Connector {
  /**
   * The name that the origin's certificate must have for a request: that of its Host field, else of the address. Connections
   * with another one are of no use for it. '' without TLS.
   */
  nameFor(fields: FieldList): string
  /** @param ready the connection can be written to */
  open(name: string, onread: OnReadOpts, ready: () => void): Socket
}

export function createConnector({ url, tlsVerify }: ConnectOptions): Connector {
  const secure = url.protocol === 'https:'
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const port = Number(url.port || (secure ? 443 : 80))
  const sessions = new Map<string, Buffer>()

  function keepSession(name: string, session: Buffer): void {
    sessions.delete(name)
    sessions.set(name, session)
    if (sessions.size > MOST_SESSIONS) sessions.delete(sessions.keys().next().value!)
  }

  return {
    nameFor(fields) {
      return secure ? serverName(fieldValue(fields, 'host') ?? '') || serverName(host) : ''
    },
    open(name, onread, ready) {
      const tcp = { host, port, onread, noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE }
      if (!secure) return connectTcp(tcp, ready)
      const session = sessions.get(name)
      const socket = connectTls(
        {
          ...tcp,
          servername: name === '' ? undefined : name,
          session,
          ALPNProtocols: ['http/1.1'],
          rejectUnauthorized: tlsVerify,
        },
        ready,
      )
      return socket.on('session', (session) => keepSession(name, session))
    },
  }
}

/** The name in an authority, '' for an address: TLS names hosts only (RFC 6066 section 3). */
function serverName(authority: string): string {
  const name = authority.startsWith('[') ? '' : authority.replace(/:\d*$/, '')
  return isIP(name) === 0 && !name.includes(':') ? name : ''
}
