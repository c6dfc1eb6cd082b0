import { decide } from '../semantics/decide.ts'
import { ageAt } from '../semantics/freshness.ts'
import { cacheStatus, responseFields } from '../semantics/response-fields.ts'
import type { FieldList } from '../semantics/types.ts'
import type { Context, Exchange } from './context.ts'
import { sendHead } from './respond.ts'
import { selectFor } from './reuse.ts'

/** Fields that need the full path: they select a part, set a condition or restrict what may be reused. */
const NEEDS_MORE: ReadonlySet<string> = new Set([
  'range',
  'if-match',
  'if-none-match',
  'if-modified-since',
  'if-unmodified-since',
  'cache-control',
  'pragma',
])

/**
 * The product's hot path: a plain GET of a fresh representation of one slice in memory is answered with a
 * few look-ups, one `writeHead` and one `end`; no promise, no stream.
 *
 * @returns false when the request needs the full path
 */
export function serveFromMemory(context: Context, exchange: Exchange): boolean {
  const { store, resources, sliceSize, counters, bans } = context
  const { key, fields, res } = exchange
  if (exchange.method !== 'GET' || resources.peek(key) || needsMore(fields)) return false
  const heads = store.l1Heads(key)
  if (!heads) return false
  const head = selectFor(exchange, heads)
  if (!head || head.sliceSize !== sliceSize || head.length === null || head.length > sliceSize) return false
  const now = Date.now()
  if (bans.verdict(head) !== null || decide(head, fields, now) !== 'fresh') return false
  const slice = head.length === 0 ? EMPTY : store.l1Slice(key, head.generation, 0)
  if (!slice || slice.segments.length > 1) return false

  const ttl = Math.floor((head.freshUntil - now) / 1000)
  const out = responseFields(head, {
    age: ageAt(head, now),
    xCache: 'HIT',
    cacheStatus: cacheStatus({ hit: true, ttl, detail: 'l1', key: exchange.shownKey }),
  })
  if (head.status !== 204) out.push('Content-Length', String(slice.length))
  counters.l1Hits++
  exchange.tier = 'l1'
  counters.bytesFromCache += slice.length
  counters.bytesToClients += slice.length
  sendHead(exchange, 'HIT', head.status, out)
  res.end(slice.length === 0 ? undefined : slice.segments[0])
  return true
}

const EMPTY = { length: 0, segments: [] as Buffer[] }

function needsMore(fields: FieldList): boolean {
  for (let i = 0; i < fields.length; i += 2) if (NEEDS_MORE.has(fields[i].toLowerCase())) return true
  return false
}
