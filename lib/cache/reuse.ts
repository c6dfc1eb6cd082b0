import { decide, staleOnError } from '../semantics/decide.ts'
import { arePassedAsSent } from '../semantics/request-fields.ts'
import type { ForwardReason } from '../semantics/response-fields.ts'
import type { FieldList, Head } from '../semantics/types.ts'
import { sameList, selectHead } from '../semantics/vary.ts'
import type { Context, Exchange } from './context.ts'

const NO_FIELDS: FieldList = []

/** The stored response that a request selects, by the fields with which the origin would select. */
export function selectFor(exchange: Exchange, heads: readonly Head[]): Head | undefined {
  let checked: readonly string[] = []
  for (const { vary } of heads) {
    if (sameList(vary, checked)) continue
    // Made only where they can differ from what the client sent: that costs more than all else that a hit decides.
    if (!arePassedAsSent(vary, exchange.fields)) return selectHead(heads, exchange.forwarded())
    checked = vary
  }
  return selectHead(heads, exchange.fields)
}

/** Whether a stored response stands in for an origin that failed: not one that was purged since it was looked up. */
export function standsIn(
  { bans }: Context,
  { fields }: Exchange,
  head: Head,
  failure: 'disconnected' | number,
): boolean {
  const settled = bans.settled(head)
  return settled !== null && staleOnError(settled, fields, Date.now(), failure)
}

/** Why the origin is asked (RFC 9211 section 2.2). @param head what the request selected */
export function whyForwarded(heads: readonly Head[], head: Head | undefined): ForwardReason {
  if (head === undefined) return heads.length === 0 ? 'uri-miss' : 'vary-miss'
  return decide(head, NO_FIELDS, Date.now()) === 'fresh' ? 'request' : 'stale'
}
