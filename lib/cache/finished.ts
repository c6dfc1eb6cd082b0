import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { fieldValue } from '../semantics/fields.ts'
import { sentTraceparent } from '../semantics/request-identity.ts'

/** What is known of a request when its response has ended, for an access log. */
export interface Finished {
  req: IncomingMessage
  socket: Socket
  /** Of the client, as far as proxies in front are believed. */
  clientAddress: string | undefined
  /** Host and port that were asked for. */
  authority: string
  /** 0 when there was no response head. */
  status: number
  /** X-Cache; '' without a response. */
  result: string
  /** Where the first slice of what was stored came from. */
  tier: 'l1' | 'l2' | null
  /** Where clients may see it. */
  shownKey: string | undefined
  requestId: string
  /** Milliseconds to the response head; -1 when there was none. */
  ttfb: number
  /** Milliseconds from the request to the end. */
  duration: number
  /** Milliseconds from asking the origin to its answer, retries included, and its status; null when this request asked nothing. */
  originTime: number | null
  originStatus: number | null
  /** Bytes of the response handed to the client's connection, and of the request; head and framing too. */
  bytes: number
  requestBytes: number
  /** Not all of the response was sent. */
  aborted: boolean
  /** What went wrong: an error type of RFC 9209, or in what the client stood still; null = nothing that we know of. */
  failure: string | null
}

/** nginx's word for a client that left before there was an answer; no log of such requests would find them by another. */
const CLIENT_CLOSED = 499

/** One line of the access log. The names are documented: others' parsers know them. */
export function accessLine(finished: Finished) {
  const { req, socket, status, failure } = finished
  const { rawHeaders: fields } = req
  return {
    msg: 'access',
    remoteAddress: finished.clientAddress,
    peer: socket.remoteAddress,
    remotePort: socket.remotePort,
    host: finished.authority,
    method: req.method,
    url: req.url,
    httpVersion: req.httpVersion,
    status: status !== 0 ? status : failure === 'body_timeout' ? 408 : CLIENT_CLOSED,
    bytes: finished.bytes,
    requestBytes: finished.requestBytes,
    referer: fieldValue(fields, 'referer') ?? null,
    userAgent: fieldValue(fields, 'user-agent') ?? null,
    cache: finished.result,
    tier: finished.tier,
    cacheKey: finished.shownKey,
    ttfbMs: rounded(finished.ttfb),
    durationMs: rounded(finished.duration),
    originMs: finished.originTime === null ? null : rounded(finished.originTime),
    originStatus: finished.originStatus,
    aborted: finished.aborted,
    failure,
    requestId: finished.requestId,
    traceparent: sentTraceparent(fields),
  }
}

function rounded(milliseconds: number): number {
  return Math.round(milliseconds * 1000) / 1000
}

/** Bytes received by a connection up to the end of its last request. */
const receivedBefore = new WeakMap<Socket, number>()

const CONTINUE = 'HTTP/1.1 100 Continue\r\n\r\n'.length

/**
 * To be called as a request begins. Of a connection that was answered before anybody logged, what it received until now is
 * not this request's.
 */
export function noteReceived(socket: Socket): void {
  if (socket.bytesWritten > CONTINUE && !receivedBefore.has(socket)) {
    receivedBefore.set(socket, socket.bytesRead)
  }
}

/** Bytes of the request that ends now, head and framing too; of pipelined ones the first is told those of all. */
export function receivedSince(socket: Socket): number {
  const before = receivedBefore.get(socket) ?? 0
  receivedBefore.set(socket, socket.bytesRead)
  return socket.bytesRead - before
}
