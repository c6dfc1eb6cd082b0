import {
  addCacheFields,
  type CacheStatusInput,
  cacheStatus,
  proxyStatus,
} from '../semantics/response-fields.ts'
import { describeFailure } from '../upstream/failure.ts'
import type { Context, Exchange } from './context.ts'
import { errorText } from './problems.ts'
import { reset } from './reset.ts'
import { sendHead } from './respond.ts'
import { shownTarget } from './shown.ts'

/**
 * Answers for an origin that cannot: 502 or 504 with the reason; a response already begun is cut instead.
 *
 * @param mustRevalidate what is stored may not be used without the origin: 504 then, whatever the reason (RFC 9111
 * section 5.2.2.2)
 */
export function sendFailure(
  context: Context,
  exchange: Exchange,
  error: Error,
  fwd: CacheStatusInput['fwd'],
  mustRevalidate = false,
): void {
  if (exchange.sink.gone) return
  tellIfOurs(context, exchange, error)
  if (exchange.res.headersSent) {
    cut(context, exchange, error)
    return
  }
  const { status: described, type } = describeFailure(error)
  exchange.failure = type
  const status = mustRevalidate ? 504 : described
  const text =
    status === 504 ? 'the origin did not answer in time' : 'the origin could not be reached or understood'
  sendError(exchange, status, `${status} ${text}`, ['Proxy-Status', proxyStatus(type)], fwd)
}

/** A mistake of this program must not pass for an origin that is down. */
function tellIfOurs({ log }: Context, exchange: Exchange, error: Error): void {
  if (error instanceof TypeError || error instanceof RangeError || error instanceof ReferenceError) {
    log?.warn({ err: error, target: shownTarget(exchange.target) }, 'unexpected error, please report it')
  }
}

/** A short answer of our own. */
export function sendError(
  exchange: Exchange,
  status: number,
  text: string,
  extra: string[] = [],
  fwd?: CacheStatusInput['fwd'],
): void {
  if (exchange.sink.gone || exchange.res.headersSent) return
  const body = Buffer.from(`${text}\n`)
  const fields = ['Content-Type', 'text/plain; charset=utf-8', 'Content-Length', String(body.length)]
  const told = cacheStatus({ hit: false, fwd, key: exchange.shownKey })
  addCacheFields(fields, { age: null, xCache: 'MISS', cacheStatus: told })
  sendHead(exchange, 'MISS', status, [...fields, ...extra])
  exchange.res.end(exchange.method === 'HEAD' ? undefined : body)
}

/**
 * Invariant 1: a response that cannot be completed must not look complete. With a length or chunked framing the
 * closed connection tells; an HTTP/1.0 client, which may have neither, is told by a reset.
 */
export function cut(context: Context, exchange: Exchange, reason: Error): void {
  const { req, socket } = exchange
  exchange.wasCut = true
  exchange.failure = describeFailure(reason).type
  context.counters.abortedResponses++
  context.problems.add('client', errorText(reason), shownTarget(exchange.target))
  if (req.httpVersionMinor === 0) reset(socket)
  // Not res.destroy(): of a pipelined response whose turn has not come Node forgets it, and sends the part as if more followed.
  else socket.destroy()
}
