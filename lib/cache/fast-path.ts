import type { Socket } from 'node:net'
import { decide } from '../semantics/decide.ts'
import { ageAt } from '../semantics/freshness.ts'
import { type ByteRange, type RangeSpec, resolveRanges } from '../semantics/ranges.ts'
import { type CacheFields, cacheStatus, responseFields } from '../semantics/response-fields.ts'
import type { FieldList, Head } from '../semantics/types.ts'
import { ifRangeAllows } from '../semantics/validators.ts'
import { sliceIndex } from '../slices/arithmetic.ts'
import type { Context, Exchange } from './context.ts'
import type { Counters } from './counters.ts'
import { sendHead } from './respond.ts'
import { selectFor } from './reuse.ts'

/** Fields that need the full path: they set a condition or restrict what may be reused. */
const NEEDS_MORE: ReadonlySet<string> = new Set([
  'if-match',
  'if-none-match',
  'if-modified-since',
  'if-unmodified-since',
  'cache-control',
  'pragma',
])

/** A fresh representation in memory: all of one slice, or a part. */
export interface Found {
  head: Head
  /** Of what is sent, which may be empty. */
  segments: readonly Buffer[]
  length: number
  /** When it was found to be fresh, in milliseconds since the epoch. */
  now: number
  /** Where in the representation the bytes are; null = they are all of it. */
  range: ByteRange | null
}

/**
 * What answers a plain GET with a few look-ups: no promise, no stream.
 *
 * @param select the variant for the request
 * @returns null when the request needs the full path
 */
export function findInMemory(
  context: Context,
  key: string,
  fields: FieldList,
  select: (heads: readonly Head[], fields: FieldList) => Head | undefined,
): Found | null {
  return needsMore(fields) || hasRange(fields) ? null : findFresh(context, key, fields, select)
}

/** The same for a request of which it is known that its fields do not need more. */
export function findFresh(
  context: Context,
  key: string,
  fields: FieldList,
  select: (heads: readonly Head[], fields: FieldList) => Head | undefined,
): Found | null {
  const now = Date.now()
  const head = freshHead(context, key, fields, select, now)
  if (head === null || head.length > context.sliceSize) return null
  if (head.length === 0) return { head, segments: NONE, length: 0, now, range: null }
  const slice = context.store.l1Slice(key, head.generation, 0)
  return slice ? { head, segments: slice.segments, length: slice.length, now, range: null } : null
}

/**
 * The same for a request of one part, not longer than a slice: more of it goes at the pace of its client.
 *
 * @param specs what its Range asks for
 */
export function findFreshPart(
  context: Context,
  key: string,
  fields: FieldList,
  specs: readonly RangeSpec[],
  select: (heads: readonly Head[], fields: FieldList) => Head | undefined,
): Found | null {
  const now = Date.now()
  const head = freshHead(context, key, fields, select, now)
  if (head === null || head.status !== 200 || !ifRangeAllows(head, fields)) return null
  const decision = resolveRanges(specs, head.length)
  if (decision.kind !== 'ranges' || decision.ranges.length !== 1) return null
  const [range] = decision.ranges
  const length = range.last - range.first + 1
  if (length > context.sliceSize) return null
  const segments = partInMemory(context, key, head, range)
  return segments === null ? null : { head, segments, length, now, range }
}

function freshHead(
  { store, resources, sliceSize, bans }: Context,
  key: string,
  fields: FieldList,
  select: (heads: readonly Head[], fields: FieldList) => Head | undefined,
  now: number,
): (Head & { length: number }) | null {
  if (resources.peek(key)) return null
  const heads = store.l1Heads(key)
  if (!heads) return null
  const head = select(heads, fields)
  if (!head || head.sliceSize !== sliceSize || !hasLength(head)) return null
  // What of the fields counts for freshness needs more.
  return bans.verdict(head) === null && decide(head, NO_FIELDS, now) === 'fresh' ? head : null
}

const hasLength = (head: Head): head is Head & { length: number } => head.length !== null

/** The bytes of a range, where memory has every slice of it. */
function partInMemory(
  { store, sliceSize }: Context,
  key: string,
  { generation }: Head,
  { first, last }: ByteRange,
): Buffer[] | null {
  const segments: Buffer[] = []
  for (let index = sliceIndex(first, sliceSize); index <= sliceIndex(last, sliceSize); index++) {
    const slice = store.l1Slice(key, generation, index)
    if (!slice) return null
    let at = index * sliceSize
    for (const bytes of slice.segments) {
      const from = Math.max(0, first - at)
      const to = Math.min(bytes.length, last + 1 - at)
      if (from < to) segments.push(to - from === bytes.length ? bytes : bytes.subarray(from, to))
      at += bytes.length
    }
  }
  return segments
}

/** Counts what {@link findInMemory} found as sent. */
export function countHit(counters: Counters, { length }: Found): void {
  counters.l1Hits++
  counters.bytesFromCache += length
  counters.bytesToClients += length
}

export function hitFields({ head, now }: Found, shownKey: string | undefined): CacheFields {
  const ttl = Math.floor((head.freshUntil - now) / 1000)
  return {
    age: ageAt(head, now),
    xCache: 'HIT',
    cacheStatus: cacheStatus({ hit: true, ttl, detail: 'l1', key: shownKey }),
  }
}

/**
 * The product's hot path where node:http has made a request of it: one `writeHead` and one `end`.
 *
 * @param onFound called with the connection when memory has it, also when it is not served here
 * @returns false when the request needs the full path
 */
export function serveFromMemory(
  context: Context,
  exchange: Exchange,
  onFound?: (socket: Socket) => void,
): boolean {
  if (exchange.method !== 'GET') return false
  const found = findInMemory(context, exchange.key, exchange.fields, (heads) => selectFor(exchange, heads))
  if (found !== null) onFound?.(exchange.socket)
  // A long body goes at the pace of its client.
  if (found === null || found.segments.length > 1) return false
  const { head, segments, length } = found
  const out = responseFields(head, hitFields(found, exchange.shownKey))
  if (head.status !== 204) out.push('Content-Length', String(length))
  exchange.tier = 'l1'
  countHit(context.counters, found)
  sendHead(exchange, 'HIT', head.status, out)
  exchange.res.end(segments[0])
  return true
}

const NONE: readonly Buffer[] = []
const NO_FIELDS: FieldList = []

function hasRange(fields: FieldList): boolean {
  for (let i = 0; i < fields.length; i += 2) if (fields[i].toLowerCase() === 'range') return true
  return false
}

/** Whether a request with these fields needs the full path, whatever it asks for. */
export function needsMore(fields: FieldList): boolean {
  for (let i = 0; i < fields.length; i += 2) if (NEEDS_MORE.has(fields[i].toLowerCase())) return true
  return false
}
