import { sentRequestId, traceFields } from '../semantics/request-identity.ts'
import type { FieldList } from '../semantics/types.ts'
import type { Exchange } from './context.ts'
import { newRequestId } from './request-ids.ts'

/** What a request is called in logs, ours and the origin's: as its client called it, else a new UUID. */
export function requestIdOf(exchange: Pick<Exchange, 'requestId' | 'fields'>): string {
  exchange.requestId ??= sentRequestId(exchange.fields) ?? newRequestId()
  return exchange.requestId
}

/**
 * The fields by which the origin can tell whose request it is asked for: of all that one client's request makes
 * necessary the same.
 *
 * @param awaited false: no client waits for it. What refreshes a stored response is a request of our own, and part of no trace.
 */
export function identityFields(
  exchange: Pick<Exchange, 'requestId' | 'fields'>,
  awaited: boolean,
): FieldList {
  if (!awaited) return ['X-Request-Id', newRequestId()]
  return ['X-Request-Id', requestIdOf(exchange), ...traceFields(exchange.fields)]
}
