import { digitsValue, fieldValue, hasField } from '../semantics/fields.ts'
import { parseContentRange } from '../semantics/ranges.ts'
import type { UpstreamResponse } from './origin.ts'

/** The bytes that were asked for: from a slice boundary on, or the last ones of a representation of unknown length. */
export type AskedRange = { first: number; last: number | null } | { suffix: number }

/** The part of a representation that a response body carries. */
export interface Extent {
  start: number
  /** Offset after the last byte; null when only the end of the transfer tells. */
  end: number | null
  /** Length of the complete representation; null when not known. */
  length: number | null
  /** The body ends where the connection does: nobody can tell whether it is complete. */
  closeDelimited: boolean
}

/** The value of a Range field for what is to be asked. */
export function rangeField(asked: AskedRange): string {
  return 'suffix' in asked ? `bytes=-${asked.suffix}` : `bytes=${asked.first}-${asked.last ?? ''}`
}

/**
 * What a response's body is. Invariant 2: a 206 must be exactly the range that was asked for, with a known
 * complete length (RFC 9110 section 15.3.7 lets a server answer a part of it; a cache cannot tell that from a fault).
 *
 * @returns undefined when the response must be refused
 */
export function extentOf(
  response: UpstreamResponse,
  method: string,
  asked: AskedRange | null,
): Extent | undefined {
  const { status, fields } = response
  const stated = contentLength(response)
  if (stated === undefined) return undefined
  if (method === 'HEAD') return { start: 0, end: 0, length: stated, closeDelimited: false }
  if (status === 204 || status === 304) return { start: 0, end: 0, length: 0, closeDelimited: false }
  if (status === 206) {
    const range = parseContentRange(fieldValue(fields, 'content-range'))
    if (!asked || !range || 'unsatisfied' in range || range.length === null) return undefined
    const first = 'suffix' in asked ? Math.max(0, range.length - asked.suffix) : asked.first
    const last =
      'suffix' in asked || asked.last === null ? range.length - 1 : Math.min(asked.last, range.length - 1)
    if (range.first !== first || range.last !== last) return undefined
    if (stated !== null && stated !== last - first + 1) return undefined
    return { start: first, end: last + 1, length: range.length, closeDelimited: false }
  }
  const closeDelimited = stated === null && !hasField(fields, 'transfer-encoding')
  return { start: 0, end: stated, length: stated, closeDelimited }
}

/** Content-Length in bytes; null without one, undefined for one that is no number. */
function contentLength(response: UpstreamResponse): number | null | undefined {
  const value = fieldValue(response.fields, 'content-length')
  if (value === undefined || hasField(response.fields, 'transfer-encoding')) return null
  const length = digitsValue(value)
  return Number.isSafeInteger(length) ? length : undefined
}
