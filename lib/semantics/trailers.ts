import { endToEnd, without } from './fields.ts'
import type { FieldList } from './types.ts'

/**
 * Fields that mean something only before the content (RFC 9110 section 6.5.1): framing, routing, authentication,
 * control of the response and of caches, and how the content is to be read. Who merges trailers into the head would
 * act on them too late, or on what another hop has already decided.
 */
const NOT_IN_TRAILERS: ReadonlySet<string> = new Set([
  'age',
  'authorization',
  'cache-control',
  'cdn-cache-control',
  'content-encoding',
  'content-length',
  'content-location',
  'content-range',
  'content-type',
  'cookie',
  'date',
  'expires',
  'host',
  'location',
  'max-forwards',
  'pragma',
  'range',
  'retry-after',
  'set-cookie',
  'vary',
  'via',
  'warning',
  'www-authenticate',
])

/** The trailers of a response that are passed on. */
export function trailersToPass(trailers: FieldList): FieldList {
  return without(endToEnd(trailers), NOT_IN_TRAILERS)
}
