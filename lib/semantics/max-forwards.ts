import { fieldValue, without } from './fields.ts'
import type { FieldList } from './types.ts'

/** The methods that a client can send so far and no farther, to find out who is on the way. */
const LIMITED: ReadonlySet<string> = new Set(['OPTIONS', 'TRACE'])
const MAX_FORWARDS: ReadonlySet<string> = new Set(['max-forwards'])

/** How often a request may still be forwarded (RFC 9110 section 7.6.2); null when nothing limits it. */
export function forwardsLeft(method: string, request: FieldList): number | null {
  const value = LIMITED.has(method) ? fieldValue(request, 'max-forwards') : undefined
  return value !== undefined && /^\d+$/.test(value) ? Number(value) : null
}

/** The fields for the next hop. @param left at least 1 */
export function withOneForwardLess(fields: FieldList, left: number): FieldList {
  return [...without(fields, MAX_FORWARDS), 'Max-Forwards', String(left - 1)]
}
