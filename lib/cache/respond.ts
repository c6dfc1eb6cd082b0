import { randomBytes } from 'node:crypto'
import { fieldValue, without } from '../semantics/fields.ts'
import { ageAt } from '../semantics/freshness.ts'
import {
  type ByteRange,
  closing,
  contentRange,
  multipartLength,
  parseRange,
  partHeader,
  unsatisfiedRange,
} from '../semantics/ranges.ts'
import {
  addCacheFields,
  type CacheFields,
  type CacheStatusInput,
  cacheStatus,
  type ForwardReason,
  NOT_OF_A_PART,
  notModifiedFields,
  responseFields,
} from '../semantics/response-fields.ts'
import { trailersToPass } from '../semantics/trailers.ts'
import type { FieldList, Head } from '../semantics/types.ts'
import { ifRangeAllows, preconditions } from '../semantics/validators.ts'
import { type Following, sendRange } from '../slices/reader.ts'
import type { Exchange } from './context.ts'
import { flushHead } from './flush-head.ts'
import type { ResponseSource } from './source.ts'

const CONTENT_TYPE: ReadonlySet<string> = new Set(['content-type'])

/** How a response came about. */
export interface Answer {
  head: Head
  /** X-Cache. */
  result: 'HIT' | 'MISS' | 'STALE' | 'REVALIDATED' | 'EXPIRED' | 'BYPASS'
  status: CacheStatusInput
  /** The fields as just received from the origin; null = those of the stored head, with Age. */
  received: FieldList | null
  /** Of the origin's answer; filled when its body has ended. */
  trailers?: FieldList
}

/** What of a representation is sent, and how. */
export interface Selection {
  status: number
  ranges: readonly ByteRange[]
  /** Non-null for several ranges. */
  boundary: string | null
  /** Bytes of the whole body; null = unknown, chunked. */
  bodyLength: number | null
  extra: FieldList
}

/** Answers 304 or 412 when the request's conditions say so (RFC 9110 section 13.2); true = answered. */
export function answerPreconditions(exchange: Exchange, answer: Answer): boolean {
  const { head } = answer
  if (head.status !== 200) return false
  const verdict = preconditions(head, exchange.method, exchange.fields)
  if (verdict === 'proceed') return false
  if (verdict === 'not-modified') {
    sendHead(exchange, answer.result, 304, notModifiedFields(head, cacheFields(exchange, answer)))
  } else {
    sendHead(exchange, answer.result, 412, [...ownFields(exchange, answer), 'Content-Length', '0'])
  }
  exchange.res.end()
  return true
}

/** Passes on a 304 by which the origin confirmed what the client has. */
export function answerNotModified(exchange: Exchange, received: FieldList, fwd: ForwardReason): void {
  const status = cacheStatus({ hit: false, fwd, fwdStatus: 304, key: exchange.shownKey })
  const fields = received.slice()
  addCacheFields(fields, { age: null, xCache: 'MISS', cacheStatus: status })
  sendHead(exchange, 'MISS', 304, fields)
  exchange.res.end()
}

/** All of the representation: what a request gets that asks for no part, and may get if it does (RFC 9110 section 14.2). */
export function selectWhole(head: Head): Selection {
  const { length } = head
  return {
    status: head.status,
    ranges: length === 0 ? [] : [{ first: 0, last: length === null ? Number.POSITIVE_INFINITY : length - 1 }],
    boundary: null,
    bodyLength: length,
    extra: [],
  }
}

/** Decides what part of the representation a request gets. */
export function select(exchange: Exchange, head: Head): Selection {
  const { length } = head
  const whole = selectWhole(head)
  const ranged = exchange.method === 'GET' && head.status === 200 && length !== null
  const value = ranged ? fieldValue(exchange.fields, 'range') : undefined
  if (value === undefined || length === null || !ifRangeAllows(head, exchange.fields)) return whole
  const decision = parseRange(value, length)
  if (decision.kind === 'none') return whole
  if (decision.kind === 'unsatisfiable') {
    return {
      ...whole,
      status: 416,
      ranges: [],
      bodyLength: 0,
      extra: ['Content-Range', unsatisfiedRange(length)],
    }
  }
  const { ranges } = decision
  if (ranges.length === 1) {
    const { first, last } = ranges[0]
    const extra = ['Content-Range', contentRange(first, last, length)]
    return { status: 206, ranges, boundary: null, bodyLength: last - first + 1, extra }
  }
  const boundary = randomBytes(12).toString('hex')
  const bodyLength = multipartLength(boundary, fieldValue(head.fields, 'content-type'), ranges, length)
  // Many small parts of a small representation can be longer than all of it; Range may be ignored (RFC 9110 section 14.2).
  if (bodyLength >= length) return whole
  return { status: 206, ranges, boundary, bodyLength, extra: [] }
}

/**
 * Sends a response whose first bytes are at hand (in a store, or coming by the fill).
 *
 * @throws when the bytes cannot be had any more: the connection must then be cut (invariant 1)
 */
export async function sendSelection(
  exchange: Exchange,
  answer: Answer,
  selection: Selection,
  source: ResponseSource,
  first?: Following,
): Promise<void> {
  const { head } = answer
  const { res, sink } = exchange
  const { ranges, boundary } = selection
  // Only chunked framing has room for trailers, also when their body is whole already.
  const isWhole = selection.status === head.status && exchange.req.httpVersionMinor > 0
  const trailed = isWhole && answer.trailers !== undefined && answer.trailers.length > 0
  const bodyLength = trailed ? null : selection.bodyLength
  sendHeadOf(exchange, answer, selection, bodyLength)
  if (exchange.method === 'HEAD' || !tellsLength(selection) || ranges.length === 0) {
    res.end()
    return
  }
  // Node keeps the head back until there is a body byte: an origin that thinks must not hold up the head.
  if (first && !first.reader.peek()) flushHead(res)
  let following = first
  for (const range of ranges) {
    if (boundary)
      sink.write(partHeader(boundary, fieldValue(head.fields, 'content-type'), range, head.length!))
    if (!(await sendRange(source, range, sink, following))) return
    following = undefined
  }
  if (boundary) sink.write(closing(boundary))
  // Only chunked framing has room for them.
  if (bodyLength === null && answer.trailers) addTrailers(exchange, answer.trailers)
  res.end()
}

/** Sends a response whose whole body is there. */
export function sendAtOnce(exchange: Exchange, answer: Answer, selection: Selection, body: Buffer): void {
  sendHeadOf(exchange, answer, selection, selection.bodyLength)
  exchange.res.end(tellsLength(selection) ? body : undefined)
}

/** @param bodyLength bytes, null = chunked */
function sendHeadOf(
  exchange: Exchange,
  answer: Answer,
  selection: Selection,
  bodyLength: number | null,
): void {
  const { head } = answer
  let fields: FieldList
  if (answer.received) {
    fields = answer.received.slice()
    addCacheFields(fields, cacheFields(exchange, answer))
  } else fields = responseFields(head, cacheFields(exchange, answer))
  // With what is stored, its Cache-Control above all, a cache in front of us would keep our refusal for everybody.
  if (selection.status === 416 && head.status !== 416) fields = ownFields(exchange, answer)
  if (selection.boundary) {
    fields = without(fields, CONTENT_TYPE)
    fields.push('Content-Type', `multipart/byteranges; boundary=${selection.boundary}`)
  }
  if (selection.status === 206) fields = without(fields, NOT_OF_A_PART)
  fields.push(...selection.extra)
  if (bodyLength !== null && tellsLength(selection)) fields.push('Content-Length', String(bodyLength))
  sendHead(exchange, answer.result, selection.status, fields)
}

/** Of a 304 it would be the length of what the client has (RFC 9110 section 8.6). */
const tellsLength = ({ status }: Selection) => status !== 204 && status !== 304

export function sendHead(exchange: Exchange, result: string, status: number, fields: FieldList): void {
  exchange.result = result
  exchange.onHead()
  exchange.res.writeHead(status, fields)
}

/** Fields after the body (RFC 9110 section 6.5). */
export function addTrailers({ res }: Exchange, trailers: FieldList): void {
  const passed = trailersToPass(trailers)
  const pairs: [string, string][] = []
  for (let i = 0; i < passed.length; i += 2) pairs.push([passed[i], passed[i + 1]])
  if (pairs.length > 0) res.addTrailers(pairs)
}

/** What we add to a response, without the stored fields. */
function ownFields(exchange: Exchange, answer: Answer): FieldList {
  const fields: FieldList = []
  addCacheFields(fields, cacheFields(exchange, answer))
  return fields
}

function cacheFields(exchange: Exchange, answer: Answer): CacheFields {
  const now = Date.now()
  const { head, received, status } = answer
  const ttl = Math.floor((head.freshUntil - now) / 1000)
  return {
    age: received ? null : ageAt(head, now),
    xCache: answer.result,
    cacheStatus: cacheStatus({
      ...status,
      // What is not stored has no time to live.
      ttl: received === null || status.stored ? ttl : undefined,
      key: exchange.shownKey,
    }),
  }
}
