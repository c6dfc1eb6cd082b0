import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { posix } from 'node:path'
import { fieldValue, fieldValues } from '../semantics/fields.ts'
import { type CacheKeyOptions, cacheKey, parseTarget, type Target } from '../semantics/key.ts'
import { FILL_FIELDS } from '../semantics/request-fields.ts'
import { proxyStatus } from '../semantics/response-fields.ts'
import type { FieldList } from '../semantics/types.ts'
import type { ClientResponse, Context, Exchange } from './context.ts'
import { observeTtfb } from './counters.ts'
import { sendError } from './failures.ts'
import { type Finished, noteReceived, receivedSince } from './finished.ts'
import { requestIdOf } from './identity.ts'
import { createSink } from './sink.ts'
import { clientAddress, type TrustCheck } from './trust.ts'

export interface ExchangeOptions {
  /** Scheme and Host that the client used, where a framework in front knows better than the connection and its fields. */
  seenAs?: (req: IncomingMessage) => { scheme: string; host: string | undefined } | undefined
  /** Globs on the path; empty = every path may be fetched by slices. */
  slicePatterns: readonly string[]
  key: CacheKeyOptions
  /** Whether Cache-Status tells the cache key. */
  showKey: boolean
  /** In what the client of a connection stood still for too long, so that it was closed; null = it was not. */
  stallOf?: (socket: Socket) => string | null
}

/** A GET of which nothing can be read in two ways (`semantics/plain-request.ts`), and without a body. */
export interface PlainGet {
  readonly fields: FieldList
  readonly target: Target
  readonly key: string
}

/** Makes what the cache works with of each request, and counts it. */
export interface Exchanges {
  /** @returns undefined when the request was refused, and answered */
  open(
    req: IncomingMessage,
    res: ClientResponse,
    onFinished: ((finished: Finished) => void) | undefined,
    onHead: (() => void) | undefined,
  ): Exchange | undefined
  /** Of a plain GET that was read from its bytes. */
  openPlain(asked: PlainGet, socket: Socket, res: ClientResponse): Exchange
  /** Scheme and Host (several joined) of a request as its client sees them. */
  seenAs(req: IncomingMessage): { scheme: string; host: string | undefined }
  /** Of a request with these fields, as its client sees it. */
  schemeOf(socket: Socket, fields: FieldList): string
}

export function createExchanges(context: Context, options: ExchangeOptions, trusted: TrustCheck): Exchanges {
  const { counters } = context

  function schemeOf(socket: Socket, fields: FieldList): string {
    if ((socket as { encrypted?: boolean }).encrypted) return 'https'
    if (!trusted(socket.remoteAddress)) return 'http'
    return fieldValue(fields, 'x-forwarded-proto') === 'https' ? 'https' : 'http'
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
    res: ClientResponse,
    onFinished: ((finished: Finished) => void) | undefined,
    onHead: (() => void) | undefined,
  ): Exchange | undefined {
    const fields = req.rawHeaders
    const hosts = fieldValues(fields, 'host')
    const { scheme, host } = options.seenAs?.(req) ?? { scheme: schemeOf(req.socket, fields), host: hosts[0] }
    const parsed = parseTarget(req.method!, req.url!, host, scheme)
    const target = parsed.ok ? parsed : { scheme: 'http', authority: '', path: '/' }
    const asked = { fields, target, key: cacheKey(target, options.key) }
    const exchange = begin(req, res, asked, onFinished, onHead)
    // RFC 9112 section 3.2: a request with several Host fields, or an invalid one, is refused.
    const refusal = hosts.length > 1 ? 'more than one Host field' : parsed.ok ? undefined : parsed.reason
    if (refusal === undefined) return exchange
    res.shouldKeepAlive = false
    sendError(exchange, 400, `400 ${refusal}`, ['Proxy-Status', proxyStatus('http_request_error')])
    return undefined
  }

  function begin(
    req: IncomingMessage,
    res: ClientResponse,
    { fields, target, key }: PlainGet,
    onFinished?: (finished: Finished) => void,
    onHead?: () => void,
  ): Exchange {
    const startedAt = performance.now()
    // Node takes it from a request whose body was read to the end.
    const { socket } = req
    const bytesBefore = onFinished ? socket.bytesWritten : 0
    if (onFinished) noteReceived(socket)
    let ttfb = -1
    counters.requests++
    counters.requestsNow++
    let forwarded: FieldList | undefined
    const exchange: Exchange = {
      req,
      socket,
      res,
      method: req.method!,
      fields,
      target,
      origin: context.origin,
      key,
      shownKey: options.showKey ? key : undefined,
      // Only what is not in memory asks for these two: they are too dear for every hit.
      isSliceable: () => sliceable(target.path),
      forwarded: () => (forwarded ??= context.upstreamFields(exchange, FILL_FIELDS)),
      sink: createSink(res, socket, counters),
      subrequests: 0,
      failures: 0,
      wasCut: false,
      requestId: null,
      logged: onFinished !== undefined,
      result: '',
      tier: null,
      originTime: null,
      originStatus: null,
      failure: null,
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
      const stall = aborted ? (options.stallOf?.(socket) ?? null) : null
      if (aborted && !exchange.wasCut && stall === null) counters.clientAborts++
      onFinished?.({
        req,
        socket,
        clientAddress: clientAddress(socket.remoteAddress, fields, trusted),
        authority: target.authority,
        status: res.headersSent ? res.statusCode : 0,
        result: exchange.result,
        tier: exchange.tier,
        shownKey: exchange.shownKey,
        requestId: requestIdOf(exchange),
        ttfb,
        duration: performance.now() - startedAt,
        originTime: exchange.originTime,
        originStatus: exchange.originStatus,
        bytes: socket.bytesWritten - bytesBefore,
        requestBytes: receivedSince(socket),
        aborted,
        failure: stall ?? exchange.failure,
      })
    })
    return exchange
  }

  return {
    open,
    openPlain(asked, socket, res) {
      const { fields, target, key } = asked
      // What is asked for is remembered with its bytes, and the exchange's target will be changed.
      const own = { scheme: target.scheme, authority: target.authority, path: target.path }
      const req = new PlainMessage(target.path, fields, socket) as unknown as IncomingMessage
      return begin(req, res, { fields, target: own, key })
    },
    seenAs: (req) =>
      options.seenAs?.(req) ?? {
        scheme: schemeOf(req.socket, req.rawHeaders),
        host: fieldValue(req.rawHeaders, 'host'),
      },
    schemeOf,
  }
}

/** As much of an IncomingMessage as is asked for of a request without a body and a log. */
class PlainMessage {
  readonly method = 'GET'
  readonly httpVersion = '1.1'
  readonly httpVersionMinor = 1
  readonly url: string
  readonly rawHeaders: FieldList
  readonly socket: Socket

  constructor(url: string, rawHeaders: FieldList, socket: Socket) {
    this.url = url
    this.rawHeaders = rawHeaders
    this.socket = socket
  }
}
