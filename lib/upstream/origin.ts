import type { IncomingMessage } from 'node:http'
import type { Readable } from 'node:stream'
import type { FieldList } from '../semantics/types.ts'
import type { MemoryBlock } from '../stores/memory-block.ts'
import { createPool } from './http1/pool.ts'

export interface OriginOptions {
  /** `http://host:port` or `https://host:port`. */
  url: string
  /** Milliseconds for TCP and TLS to be established. */
  connectTimeout: number
  /** Milliseconds from the request to the complete response head. */
  headersTimeout: number
  /** Milliseconds between two pieces of a body; time in which we had paused it does not count. */
  bodyTimeout: number
  /** Connections that may be open at once; further requests wait for one. */
  maxConnections: number
  /** Whether the certificate of an https origin must be valid. */
  tlsVerify: boolean
}

export interface UpstreamRequest {
  method: string
  /** Path and query, sent byte for byte. */
  path: string
  fields: FieldList
  body: Readable | null
  /** The client's request that made this one necessary: an origin inside this process may know it. */
  cause: IncomingMessage
  /** False: nobody waits for the answer, which refreshes what was served stale. */
  awaited: boolean
}

export interface UpstreamResponse {
  status: number
  fields: FieldList
  requestTime: number
  responseTime: number
  /** From `uniqueNow`, when the request was sent. */
  order: number
}

/** A transfer under way, to be paced or stopped by who reads it. */
export interface Transfer {
  pause(): void
  resume(): void
  /** Stops the transfer and closes its connection; no more events follow. */
  abort(reason: Error): void
}

export interface BodyHandler {
  /** True: nothing of the content is kept, so that it may come in memory that is larger than itself. */
  readonly keepsNothing?: boolean
  /**
   * Whoever sends the chunk does not write to it any more.
   *
   * @param block what the chunk lies in, if it lies in one: held for the receiver, who lets go of it when nobody reads the
   * chunk any more
   */
  data(chunk: Buffer, block?: MemoryBlock): void
  finished(trailers: FieldList): void
  failed(error: Error): void
}

/** For a response whose body is of no use. */
export const IGNORE_BODY: BodyHandler = { data() {}, finished() {}, failed() {} }

export interface ResponseHandler {
  /** An interim response, 102 or 103 (RFC 9110 section 15.2); there may be several before the final one. */
  interim?(status: number, fields: FieldList): void
  /** Called once with the final response; the result takes the body. */
  response(response: UpstreamResponse, transfer: Transfer): BodyHandler
  /** Called instead of `response` when there is none. */
  failed(error: Error): void
}

export interface Origin {
  readonly url: URL
  /** Sends one request. The returned transfer can abort it before there is a response. */
  send(request: UpstreamRequest, handler: ResponseHandler): Transfer
  /**
   * Another origin takes its place. Resolves when the transfers under way have ended and their connections are closed.
   * Responses that began with it may still send requests, each on a connection of its own.
   */
  retire(): Promise<void>
  /** Ends all transfers. */
  close(): Promise<void>
}

export function createOrigin(options: OriginOptions): Origin {
  const url = new URL(options.url)
  const pool = createPool({ ...options, url })
  return { url, send: pool.send, retire: pool.drain, close: pool.close }
}
