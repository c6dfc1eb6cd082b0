/**
 * The data that the HTTP rules work on. Semantics imports nothing: everything else imports these shapes.
 */

/**
 * Header fields as a flat list `[name, value, name, value, …]`, in the order, case and number in which
 * they came, values as latin1 strings: the form that node:http's `rawHeaders` and `writeHead` share.
 */
export type FieldList = string[]

/** What others only read, for the one who writes it. */
export type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/**
 * What is known of a stored response without its body (the *head*). Plain data: it survives
 * `JSON.parse(JSON.stringify(head))` unchanged, because stores keep it that way.
 * All times are milliseconds since the epoch, all durations milliseconds, all lengths bytes.
 */
export interface Head {
  /** The cache key (see key.ts). */
  key: string
  /** Number given when this representation was first stored; every slice carries it, so versions cannot mix. */
  generation: number
  /** Bytes of a slice of this representation; a head cut with another size is not usable. */
  sliceSize: number
  /** Final status of the stored response: 200 also when it was learnt from a 206. */
  status: number
  /** End-to-end fields to send again, without Age, Content-Length and Content-Range. */
  fields: FieldList
  /** Length of the complete representation; null while a transfer of unknown length is under way. */
  length: number | null
  /** Entity-tag as sent, `W/` included; null without one. */
  etag: string | null
  /** Last-Modified as sent; null without a valid one. */
  lastModified: string | null
  /**
   * Last-Modified was a second older than the response when it was first stored, and so tells representations apart (RFC
   * 9110 section 8.8.2.2). A later Date of a 304 does not change that.
   */
  strongLastModified: boolean
  /** Content-Encoding as sent, lower case; '' for identity. */
  contentEncoding: string
  /** Lower-case names that Vary nominates, sorted; empty without Vary. */
  vary: readonly string[]
  /** What each of them selected with in the request that brought this response, as `selectingValues` gives it. */
  varyValues: readonly (string | null)[]
  /** The one Content-Language, in lower case, of a response that varies on Accept-Language; otherwise ''. */
  language: string
  /** Accept-Encoding of that request, for later slices of the same representation; null without one. */
  acceptEncoding: string | null
  /** When the request was sent and its response head received. */
  requestTime: number
  responseTime: number
  /** When the request was sent, by a clock that never goes back: tells what was asked before an invalidation. */
  order: number
  /** Date as received, or the time of receipt where that is earlier. */
  date: number
  /** corrected_initial_age of RFC 9111 section 4.2.3. */
  initialAge: number
  /** Fresh while now < freshUntil: a hit decides by this one comparison. */
  freshUntil: number
  /** no-cache: never reused without validation. */
  noCache: boolean
  /** immutable: a reload does not ask for validation while it is fresh. */
  immutable: boolean
  /** must-revalidate, proxy-revalidate or s-maxage: never served stale. */
  mustRevalidate: boolean
  /** Stale response may be served on an error until then (stale-if-error); 0 = not stated. */
  staleIfErrorUntil: number
  /** Stale response may be served while it is revalidated until then; 0 = not stated. */
  staleWhileRevalidateUntil: number
  /** Cache-Groups that it belongs to. */
  groups: readonly string[]
}
