import { type Decision, decide, staleOnError } from '../semantics/decide.ts'
import type { Head } from '../semantics/types.ts'
import type { Context, Exchange } from './context.ts'

/** What a request may do with a stored response: what `decide` says, unless one of its groups was invalidated. */
export function decideFor({ groups }: Context, exchange: Exchange, head: Head, now: number): Decision {
  if (head.groups.length > 0 && groups.areInvalidated(exchange.target, head)) return 'revalidate'
  return decide(head, exchange.fields, now)
}

/** Whether a stored response stands in for an origin that failed. */
export function standsIn(
  { groups }: Context,
  exchange: Exchange,
  head: Head,
  failure: 'disconnected' | number,
): boolean {
  if (head.groups.length > 0 && groups.areInvalidated(exchange.target, head)) return false
  return staleOnError(head, exchange.fields, Date.now(), failure)
}
