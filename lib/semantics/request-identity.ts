import { fieldValues, hasField } from './fields.ts'
import type { FieldList } from './types.ts'

/**
 * Fields that name one request and nothing of what it asks for, in lower case: two requests never have the same. They are
 * written anew where a request is sent, and no response is selected by them.
 */
export const IDENTITY: ReadonlySet<string> = new Set(['x-request-id', 'traceparent', 'tracestate'])

/** 1 to 128 visible ASCII characters: nothing that could break a log line or a field, nor fill either. */
const SANE_ID = /^[\x21-\x7e]{1,128}$/

/** The X-Request-Id of a request; null where it has none, several or one that is not sane. */
export function sentRequestId(request: FieldList): string | null {
  if (!hasField(request, 'x-request-id')) return null
  const values = fieldValues(request, 'x-request-id')
  return values.length === 1 && SANE_ID.test(values[0]) ? values[0] : null
}

/** Version, trace-id, parent-id and flags (W3C Trace Context, section 3.2). Versions after 00 may have more behind. */
const TRACEPARENT = /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?$/
const LENGTH_OF_VERSION_00 = 55

/** The traceparent of a request; null where it has none, several, an invalid one, or Connection keeps it from going on. */
export function sentTraceparent(request: FieldList): string | null {
  if (!hasField(request, 'traceparent')) return null
  const values = fieldValues(request, 'traceparent')
  if (values.length !== 1 || !TRACEPARENT.test(values[0])) return null
  if (values[0].startsWith('00') && values[0].length !== LENGTH_OF_VERSION_00) return null
  const isForUsOnly = fieldValues(request, 'connection').some((value) => /\btraceparent\b/i.test(value))
  return isForUsOnly ? null : values[0]
}

/** The trace context to pass on, unchanged; without a valid traceparent there is none (W3C Trace Context, section 3.3). */
export function traceFields(request: FieldList): FieldList {
  const traceparent = sentTraceparent(request)
  if (traceparent === null) return []
  const state = fieldValues(request, 'tracestate').flatMap((value) => ['tracestate', value])
  return ['traceparent', traceparent, ...state]
}
