import { formatHttpDate } from '../../lib/semantics/dates.ts'
import type { CachingOptions, ReceivedResponse } from '../../lib/semantics/freshness.ts'
import { createHead, type HeadInput } from '../../lib/semantics/head.ts'
import { type Policy, policyOf } from '../../lib/semantics/policy.ts'
import type { FieldList, Head } from '../../lib/semantics/types.ts'

/** When the responses of these tests arrive: a whole second, since HTTP-dates have no fractions. */
export const NOW = Date.UTC(2026, 10, 6, 12, 0, 0)

/** No guessing but by Last-Modified. */
export const OPTIONS: CachingOptions = { cacheTtl: 0, targets: ['cdn-cache-control'], setCookie: 'explicit' }

/** An HTTP-date, in seconds from NOW. */
export function dateAt(seconds: number): string {
  return formatHttpDate(NOW + seconds * 1000)
}

/** A response that arrives at NOW, at once, with these fields and a Date of NOW. */
export function received(fields: FieldList, status = 200): ReceivedResponse {
  return { status, fields: ['Date', dateAt(0), ...fields], requestTime: NOW, responseTime: NOW, order: 0 }
}

/** The head of such a response, 1000 bytes long. */
export function headOf(fields: FieldList, input: Partial<HeadInput> = {}): Head {
  const response = input.response ?? received(fields)
  return createHead({
    key: 'k',
    generation: 1,
    sliceSize: 65536,
    request: { fields: [] },
    response,
    policy: policyFor(response),
    length: 1000,
    options: OPTIONS,
    ...input,
  })
}

export function policyFor({ fields }: { fields: FieldList }): Policy {
  return policyOf(fields, OPTIONS.targets)
}
