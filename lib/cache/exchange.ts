import type { IncomingMessage, ServerResponse } from 'node:http'
import { posix } from 'node:path'
import { fieldValue, fieldValues } from '../semantics/fields.ts'
import { type CacheKeyOptions, cacheKey, parseTarget } from '../semantics/key.ts'
import { FILL_FIELDS } from '../semantics/request-fields.ts'
import { proxyStatus } from '../semantics/response-fields.ts'
import type { FieldList } from '../semantics/types.ts'
import type { Context, Exchange } from './context.ts'
import { observeTtfb } from './counters.ts'
import { sendError } from './failures.ts'
import { createSink } from './sink.ts'
import type { TrustCheck } from './trust.ts'

export interface ExchangeOptions {
  /** Scheme and Host that the client used, where a framework in front knows better than the connection and its fields. */
  seenAs?: (req: IncomingMessage) => { scheme: string; host: string | undefined } | undefined
  /** Globs on the path; empty = every path may be fetched by slices. */
  slicePatterns: readonly string[]
  key: CacheKeyOptions
  /** Whether Cache-Status tells the cache key. */
  showKey: boolean
}

/** What is known of a request when its response has ended, for an access log. */
export interface Finished {
  req: IncomingMessage
  remoteAddress: string | undefined
  res: ServerResponse
  /** X-Cache. */
  result: string
  /** Milliseconds to the response head; -1 when there was none. */
  ttfb: number
  /** Milliseconds from the request to the end. */
  duration: number
  /** Body bytes handed to the client's connection. */
  bytes: number
  aborted: boolean
}

/** Makes what the cache works with of each request, and counts it. */
export interface Exchanges {
  /** @returns undefined when the request was refused, and answered */
  open(
    req: IncomingMessage,
    res: ServerResponse,
    onFinished: ((finished: Finished) => void) | undefined,
    onHead: (() => void) | undefined,
  ): Exchange | undefined
  /** `http` or `https`, as the client sees it. */
  schemeOf(req: IncomingMessage): string
}

export function createExchanges(context: Context, options: ExchangeOptions, trusted: TrustCheck): Exchanges {
  const { counters } = context

  function schemeOf(req: IncomingMessage): string {
    if ((req.socket as { encrypted?: boolean }).encrypted) return 'https'
    if (!trusted(req.socket.remoteAddress)) return 'http'
    return fieldValue(req.rawHeaders, 'x-forwarded-proto') === 'https' ? 'https' : 'http'
  }

  function sliceable(path: string): boolean {
    const { slicePatterns } = options
    if (slicePatterns.length === 0) return true
    const end = path.indexOf('?')
    const plain = end === -1 ? path : path.slice(0, end)
    return slicePatterns.some((pattern) => posix.matchesGlob(plain, pattern))
  }

  function open(
    req: IncomingMessage,
    res: ServerResponse,
    onFinished: ((finished: Finished) => void) | undefined,
    onHead: (() => void) | undefined,
  ): Exchange | undefined {
    const startedAt = performance.now()
    // Node takes it from a request whose body was read to the end.
    const { socket } = req
    const bytesBefore = socket.bytesWritten
    let ttfb = -1
    counters.requests++
    counters.requestsNow++
    const fields = req.rawHeaders
    const hosts = fieldValues(fields, 'host')
    const { scheme, host } = options.seenAs?.(req) ?? { scheme: schemeOf(req), host: hosts[0] }
    const parsed = parseTarget(req.method!, req.url!, host, scheme)
    const target = parsed.ok ? parsed : { scheme: 'http', authority: '', path: '/' }
    const key = cacheKey(target, options.key)
    let forwarded: FieldList | undefined
    const exchange: Exchange = {
      req,
      socket,
      res,
      method: req.method!,
      fields,
      target,
      key,
      shownKey: options.showKey ? key : undefined,
      // Only what is not in memory asks for these two: they are too dear for every hit.
      isSliceable: () => sliceable(target.path),
      forwarded: () => (forwarded ??= context.upstreamFields(exchange, FILL_FIELDS)),
      sink: createSink(res, counters),
      subrequests: 0,
      failures: 0,
      wasCut: false,
      result: '',
      onHead() {
        ttfb = performance.now() - startedAt
        observeTtfb(counters, ttfb / 1000)
        onHead?.()
      },
    }
    res.once('close', () => {
      counters.requestsNow--
      const aborted = !res.writableFinished
      if (res.headersSent) counters.responsesByClass[Math.floor(res.statusCode / 100)]++
      if (aborted && !exchange.wasCut) counters.clientAborts++
      onFinished?.({
        req,
        remoteAddress: socket.remoteAddress,
        res,
        result: exchange.result,
        ttfb,
        duration: performance.now() - startedAt,
        bytes: socket.bytesWritten - bytesBefore,
        aborted,
      })
    })
    // RFC 9112 section 3.2: a request with several Host fields, or an invalid one, is refused.
    const refusal = hosts.length > 1 ? 'more than one Host field' : parsed.ok ? undefined : parsed.reason
    if (refusal === undefined) return exchange
    res.shouldKeepAlive = false
    sendError(exchange, 400, `400 ${refusal}`, ['Proxy-Status', proxyStatus('http_request_error')])
    return undefined
  }

  return { open, schemeOf }
}
