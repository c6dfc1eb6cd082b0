import type { IncomingMessage } from 'node:http'
import type { Readable } from 'node:stream'
import { type Dispatcher, Pool } from 'undici'
import type { FieldList } from '../semantics/types.ts'
import { uniqueNow } from './clock.ts'
import { createResetWatch, type ResetWatch } from './resets.ts'

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
  data(chunk: Buffer): void
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

/** Bytes that a paused connection reads ahead, which a stalled client costs too. undici hands this on, its types do not say so. */
const READ_AHEAD = { highWaterMark: 16 * 1024 }

export function createOrigin(options: OriginOptions): Origin {
  const url = new URL(options.url)
  const resets = createResetWatch({
    ...READ_AHEAD,
    allowH2: false,
    timeout: options.connectTimeout,
    rejectUnauthorized: options.tlsVerify,
  })
  const pools = new Set<Pool>()
  let pool: Pool | null = createPool()

  function createPool(): Pool {
    const created = new Pool(url.origin, {
      connections: options.maxConnections,
      pipelining: 1,
      allowH2: false,
      headersTimeout: options.headersTimeout,
      bodyTimeout: options.bodyTimeout,
      connect: resets.connect,
    })
    pools.add(created)
    return created
  }

  /** Idle connections are closed now, the others with their transfers. */
  async function finish(pool: Pool): Promise<void> {
    await pool.close().catch(() => {})
    pools.delete(pool)
  }

  return {
    url,
    send(request, handler) {
      const exchange = createExchange(handler, resets)
      const sender = pool ?? createPool()
      try {
        sender.dispatch(
          {
            origin: url.origin,
            path: request.path,
            method: request.method as Dispatcher.HttpMethod,
            headers: request.fields,
            body: request.body,
          },
          exchange.handler,
        )
      } catch (error) {
        exchange.handler.onResponseError?.(null as never, error as Error)
      }
      if (sender !== pool) void finish(sender)
      return exchange.transfer
    },
    async retire() {
      pool = null
      await Promise.all([...pools].map(finish))
    },
    async close() {
      await Promise.all([...pools].map((pool) => pool.destroy()))
    },
  }
}

/** Turns undici's events into ours; after `abort` none follows. */
function createExchange(
  handler: ResponseHandler,
  resets: ResetWatch,
): {
  handler: Dispatcher.DispatchHandler
  transfer: Transfer
} {
  const requestTime = Date.now()
  const order = uniqueNow()
  let controller: Dispatcher.DispatchController | null = null
  let body: BodyHandler | null = null
  let stopped: Error | null = null
  const transfer: Transfer = {
    pause: () => controller?.pause(),
    resume: () => controller?.resume(),
    abort(reason) {
      if (stopped) return
      stopped = reason
      controller?.abort(reason)
    },
  }
  return {
    transfer,
    handler: {
      onRequestStart(started) {
        controller = started
        if (stopped) started.abort(stopped)
      },
      onResponseStart(_controller, status) {
        if (stopped) return
        const fields = textFields(controller?.rawHeaders as Buffer[] | null)
        if (status < 200) return handler.interim?.(status, fields)
        body = handler.response({ status, fields, requestTime, responseTime: Date.now(), order }, transfer)
      },
      onResponseData(_controller, chunk) {
        if (!stopped) body?.data(chunk as Buffer)
      },
      onResponseEnd() {
        if (stopped) return
        stopped = ENDED
        if (resets.isReset) return body?.failed(new Error('the connection was reset'))
        body?.finished(textFields((controller as { rawTrailers?: Buffer[] | null } | null)?.rawTrailers))
      },
      onResponseError(_controller, error) {
        if (stopped) return
        stopped = error
        if (body) body.failed(error)
        else handler.failed(error)
      },
    },
  }
}

const ENDED = new Error('the transfer has ended')

function textFields(raw: readonly (Buffer | string)[] | null | undefined): FieldList {
  if (!raw) return []
  const fields: FieldList = new Array(raw.length)
  for (let i = 0; i < raw.length; i++) {
    const part = raw[i]
    fields[i] = typeof part === 'string' ? part : part.toString('latin1')
  }
  return fields
}
