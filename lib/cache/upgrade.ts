import { request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { fieldValue, fieldValues } from '../semantics/fields.ts'
import { parseTarget } from '../semantics/key.ts'
import { loops } from '../semantics/request-fields.ts'
import { proxyStatus } from '../semantics/response-fields.ts'
import type { FieldList } from '../semantics/types.ts'
import { describeFailure } from '../upstream/failure.ts'
import type { OriginOptions } from '../upstream/origin.ts'
import type { Context, Exchange } from './context.ts'
import { identityFields } from './identity.ts'
import { hasBody } from './pass.ts'
import { reset } from './reset.ts'
import type { UpgradeNotes } from './upgrade-log.ts'

const NOTHING: ReadonlySet<string> = new Set()

/** HTTP/2 without TLS. */
const H2C = /(?:^|[\t ,])(?:h2c?|http\/2(?:\.0)?)(?:[\t ,]|$)/i

/**
 * Whether a request's wish for another protocol is to be granted at all. HTTP/2 is not: through such a tunnel a client
 * would talk to the origin past the cache and all checks (h2c smuggling). RFC 9110 section 7.8 lets a server ignore
 * the wish: the request is then an ordinary one, as Java's HttpClient, which always asks, expects. So is one with a body,
 * which would have to be sent before the other protocol begins: no protocol in use begins with such a request.
 */
export function mayUpgrade(req: IncomingMessage): boolean {
  // A purge is answered here, whatever else it asks for.
  return req.method !== 'PURGE' && !H2C.test(req.headers.upgrade ?? '') && !hasBody(req.rawHeaders)
}

/**
 * Forwards a request to change the protocol (RFC 9110 section 7.8), WebSocket above all, and then the bytes of
 * both sides. What the client sent behind its request goes on only after the origin has agreed: before, it
 * could be a smuggled request (CVE-2026-2833).
 */
export function forwardUpgrade(
  context: Context,
  options: OriginOptions,
  req: IncomingMessage,
  socket: Socket,
  head: Buffer,
  notes: UpgradeNotes,
): void {
  const { counters, origin } = context
  counters.requests++
  counters.bypass++
  const parsed = parseTarget(req.method!, req.url!, fieldValues(req.rawHeaders, 'host')[0], 'http')
  socket.on('error', () => socket.destroy())
  if (!parsed.ok) {
    notes.answered(400, 'http_request_error')
    endWith(socket, `HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n${parsed.reason}\n`)
    return
  }
  if (loops(req.rawHeaders, context.instance)) {
    const status = proxyStatus('proxy_loop_detected')
    notes.answered(508, 'proxy_loop_detected')
    endWith(socket, `HTTP/1.1 508 Loop Detected\r\nConnection: close\r\nProxy-Status: ${status}\r\n\r\n`)
    return
  }

  const fields = context.upstreamFields(
    { req, socket: req.socket, fields: req.rawHeaders, target: parsed, origin } as unknown as Exchange,
    NOTHING,
  )
  fields.push(...identityFields({ requestId: notes.requestId, fields: req.rawHeaders }, true))
  // Node before 24.9 cannot be told to treat it as an ordinary request.
  if (mayUpgrade(req)) {
    fields.push('Connection', 'Upgrade', 'Upgrade', fieldValue(req.rawHeaders, 'upgrade') ?? 'websocket')
  }
  const send = origin.url.protocol === 'https:' ? httpsRequest : httpRequest
  const upstream = send({
    host: origin.url.hostname.replace(/^\[|\]$/g, ''),
    port: origin.url.port || (origin.url.protocol === 'https:' ? 443 : 80),
    method: req.method,
    path: parsed.path,
    headers: fields,
    setDefaultHeaders: false,
    rejectUnauthorized: options.tlsVerify,
    timeout: options.connectTimeout,
    agent: false,
  } as RequestOptions)
  upstream.once('socket', (connection) => {
    connection.once('connect', () => upstream.setTimeout(options.headersTimeout))
  })
  counters.subrequests++

  let answered = false
  // Where only the end of the connection delimits the body, a FIN would make a cut one look whole (invariant 1).
  const cut = () => reset(socket)

  upstream.on('upgrade', (response, peer, early) => {
    answered = true
    notes.answered(101)
    upstream.setTimeout(0)
    // A peer that vanished without a word is found out by the system: nobody else may ever send here again.
    for (const side of [socket, peer as Socket]) side.setKeepAlive(true, KEEP_ALIVE)
    socket.write(statusLine(response) + lines(response.rawHeaders), 'latin1')
    if (early.length > 0) socket.write(early)
    if (head.length > 0) peer.write(head)
    tunnel(socket, peer)
  })
  upstream.on('response', (response) => {
    answered = true
    notes.answered(response.statusCode!)
    // The origin did not agree: its answer is passed on and the connection closed, as its framing may be hop by hop.
    const kept = response.rawHeaders.filter((_, i, all) => !CONNECTION.test(all[i - (i % 2)]))
    socket.write(`${statusLine(response)}${lines([...kept, 'Connection', 'close'])}`, 'latin1')
    upstream.setTimeout(options.bodyTimeout)
    socket.resume()
    response.pipe(socket, { end: false })
    response.on('end', () => {
      socket.setTimeout(options.bodyTimeout, cut)
      socket.destroySoon()
    })
    response.on('error', cut)
  })
  upstream.on('timeout', () => upstream.destroy(Object.assign(new Error('timeout'), { code: 'ETIMEDOUT' })))
  upstream.on('error', (error) => {
    counters.subrequestFailures++
    if (answered) return cut()
    const { status, type } = describeFailure(error)
    notes.answered(status, type)
    const reason = status === 504 ? 'Gateway Timeout' : 'Bad Gateway'
    if (socket.writable) {
      endWith(
        socket,
        `HTTP/1.1 ${status} ${reason}\r\nProxy-Status: ${proxyStatus(type)}\r\nConnection: close\r\n\r\n`,
      )
    }
  })
  socket.on('close', () => upstream.destroy())
  upstream.end()
}

/**
 * Answers where no protocol but HTTP is spoken any more, and closes. The server has let go of the connection, and one that
 * is only ended would be there for as long as the client keeps its side open.
 */
export function endWith(socket: Socket, answer: string): void {
  // Bytes that nobody reads would make the system send a reset, which may overtake the answer.
  socket.resume()
  socket.end(answer)
  socket.destroySoon()
}

/** Silence on a connection after which the system begins to ask whether the other side is still there, in milliseconds. */
const KEEP_ALIVE = 60_000

const CONNECTION = /^(?:connection|keep-alive|transfer-encoding)$/i

function statusLine(response: IncomingMessage): string {
  return `HTTP/1.1 ${response.statusCode} ${response.statusMessage}\r\n`
}

function lines(fields: FieldList): string {
  let text = ''
  for (let i = 0; i < fields.length; i += 2) text += `${fields[i]}: ${fields[i + 1]}\r\n`
  return `${text}\r\n`
}

function tunnel(client: Duplex, peer: Duplex): void {
  client.pipe(peer)
  peer.pipe(client)
  for (const [from, to] of [
    [client, peer],
    [peer, client],
  ]) {
    from.on('error', () => to.destroy())
    from.on('close', () => to.destroy())
  }
}
