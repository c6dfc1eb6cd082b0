import { endToEnd, fieldValue, hasField } from '../semantics/fields.ts'
import { invalidatedGroups } from '../semantics/groups.ts'
import { forwardsLeft, withOneForwardLess } from '../semantics/max-forwards.ts'
import { invalidatedTargets, invalidates } from '../semantics/methods.ts'
import { addCacheFields, cacheStatus, type ForwardReason } from '../semantics/response-fields.ts'
import type { FieldList } from '../semantics/types.ts'
import type { BodyHandler, Transfer, UpstreamResponse } from '../upstream/origin.ts'
import type { Context, Exchange } from './context.ts'
import { cut, sendFailure } from './failures.ts'
import { flushHead } from './flush-head.ts'
import { relayInterim } from './interim.ts'
import { keepAnswer } from './keep-answer.ts'
import { errorText } from './problems.ts'
import { addTrailers, sendHead } from './respond.ts'
import { sendWithRetries } from './send.ts'
import { shownTarget } from './shown.ts'

/** Requests that may be sent twice, as long as they have no body that could not be sent again (RFC 9110 section 9.2.2). */
const IDEMPOTENT: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE'])

/** The server has already answered `100 Continue`: the origin has nobody left to tell. */
const NOT_FORWARDED: ReadonlySet<string> = new Set(['expect'])
const NOT_RELAYED: ReadonlySet<string> = new Set(['x-cache'])
/** A 204 has no length (RFC 9110 section 8.6): clients have waited for content that it promised. */
const NOT_RELAYED_OF_204: ReadonlySet<string> = new Set(['x-cache', 'content-length'])

/** Whether a request has a body, by its framing (RFC 9112 section 6). */
export function hasBody(fields: FieldList): boolean {
  const length = fieldValue(fields, 'content-length')
  return (length !== undefined && length !== '0') || hasField(fields, 'transfer-encoding')
}

/**
 * Sends a request on as it is and its answer back as it is, both streamed. Nothing is stored, but the answer to a POST
 * that says that it is what GET would get.
 */
export function pass(context: Context, exchange: Exchange, reason: ForwardReason): Promise<void> {
  const { counters, resources } = context
  const { req, res, sink, method } = exchange
  counters.bypass++
  const left = forwardsLeft(method, exchange.fields)
  if (left === 0) {
    answerAsLast(exchange)
    return Promise.resolve()
  }
  const body = hasBody(exchange.fields) ? req : null
  const idempotent = body === null && IDEMPOTENT.has(method)
  const { promise, resolve } = Promise.withResolvers<void>()
  // Active from the beginning: a purge that comes before the answer must be heard of (invariant 8).
  const resource = method === 'POST' && context.stores ? resources.acquire(exchange.key) : undefined
  const epoch = resource?.epoch

  const fields = context.upstreamFields(exchange, NOT_FORWARDED)
  const request = {
    method,
    path: exchange.target.path,
    fields: left === null ? fields : withOneForwardLess(fields, left),
    body,
    cause: req,
    awaited: true,
  }
  const stop = sendWithRetries(
    context,
    exchange,
    request,
    { interim, response: relay, failed: fail },
    idempotent,
  )
  const forget = sink.onGone(() => {
    stop()
    resolve()
  })

  function interim(status: number, fields: FieldList): void {
    relayInterim(exchange, status, fields)
  }

  function fail(error: Error): void {
    sendFailure(context, exchange, error, reason)
    resolve()
  }

  function relay(response: UpstreamResponse, transfer: Transfer): BodyHandler {
    const { status } = response
    const mayKeep = resource !== undefined && resource.epoch === epoch
    if (invalidates(method, status)) invalidate(context, exchange, response)
    const kept = mayKeep ? keepAnswer(context, resource, exchange, response, transfer) : undefined
    if (kept) {
      forget() // a client that leaves does not stop what others may follow: the fill knows what to do
      kept.served.then(() => resolve())
      return kept.body
    }
    const fields = endToEnd(response.fields, status === 204 ? NOT_RELAYED_OF_204 : NOT_RELAYED)
    const told = cacheStatus({ hit: false, fwd: reason, fwdStatus: status, key: exchange.shownKey })
    addCacheFields(fields, { age: null, xCache: 'BYPASS', cacheStatus: told })
    sendHead(exchange, 'BYPASS', status, fields)
    // Bytes that came with the head are sent with it; otherwise it must not wait for them.
    let silent = true
    process.nextTick(() => {
      if (silent) flushHead(res)
    })
    return {
      keepsNothing: true,
      data(chunk, block) {
        silent = false
        counters.bytesFromOrigin += chunk.length
        if (sink.write(chunk, block && (() => block.release()))) return
        transfer.pause()
        sink.drained().then(() => transfer.resume())
      },
      finished(trailers) {
        addTrailers(exchange, trailers)
        res.end()
        resolve()
      },
      failed(error) {
        counters.truncatedBodies++
        context.problems.add('body', errorText(error), shownTarget(exchange.target))
        cut(context, exchange, error)
        resolve()
      },
    }
  }

  return promise.then(() => resource && resources.release(resource))
}

/** Answers OPTIONS or TRACE that may be forwarded no farther (RFC 9110 section 7.6.2); we do not tell what TRACE asks for. */
function answerAsLast(exchange: Exchange): void {
  const status = exchange.method === 'OPTIONS' ? 204 : 405
  const told = cacheStatus({ hit: false, key: exchange.shownKey })
  const fields = ['Allow', 'GET, HEAD, OPTIONS']
  addCacheFields(fields, { age: null, xCache: 'BYPASS', cacheStatus: told })
  if (status === 405) fields.push('Content-Length', '0')
  sendHead(exchange, 'BYPASS', status, fields)
  exchange.res.end()
}

/** Forgets what the answer to an unsafe request has made untrue: all variants and slices (RFC 9111 section 4.4). */
function invalidate(context: Context, { target, origin }: Exchange, response: UpstreamResponse): void {
  const { resources } = context
  const keys = invalidatedTargets(target, response, origin.url.host).map(context.keyOf)
  // The client's answer does not wait for the disk.
  for (const key of new Set(keys)) resources.purge(key).catch(() => {})
  void context.invalidateGroups(target, invalidatedGroups(response.fields))
}
