import { parseHttpDate } from './dates.ts'
import { fieldValue } from './fields.ts'
import type { FieldList, Head } from './types.ts'

export interface Etag {
  weak: boolean
  /** What stands between the quotes. */
  opaque: string
}

/** What tells one representation from another. */
export interface Validators {
  /** Entity-tag as sent, null without a well-formed one. */
  etag: string | null
  /** Last-Modified as sent, null without a valid date. */
  lastModified: string | null
  /** Length of the complete representation in bytes, null when not known. */
  length: number | null
  /** Content-Encoding in lower case, '' for identity. */
  contentEncoding: string
}

export type Precondition = 'proceed' | 'not-modified' | 'precondition-failed'

const ETAG = /^(W\/)?"([\x21\x23-\x7e\x80-\xff]*)"$/
const ETAG_IN_LIST = /(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"/g

let seen = ''
let wasEtag = false

/** Whether a text is an entity-tag. That of one answer is asked about several times in a row. */
function isEtag(text: string): boolean {
  if (text !== seen) {
    wasEtag = ETAG.test(text)
    seen = text
  }
  return wasEtag
}

/** Parses one entity-tag (RFC 9110 section 8.8.3): `W/` is case-sensitive and the quotes are not optional. */
export function parseEtag(value: string): Etag | undefined {
  const match = ETAG.exec(value)
  return match === null ? undefined : { weak: match[1] !== undefined, opaque: match[2] }
}

/** Strong comparison of two entity-tags as sent (RFC 9110 section 8.8.3.2): equal, and neither weak. */
export function strongMatch(a: string, b: string): boolean {
  return a === b && isStrongEtag(a)
}

/** Weak comparison (RFC 9110 section 8.8.3.2): the same opaque part. */
export function weakMatch(a: string, b: string): boolean {
  const left = parseEtag(a)
  return left !== undefined && left.opaque === parseEtag(b)?.opaque
}

/**
 * Reads the validators of a response. @param length of the complete representation in bytes, null when not
 * known
 */
export function validatorsOf(fields: FieldList, length: number | null): Validators {
  const etag = fieldValue(fields, 'etag')
  const lastModified = fieldValue(fields, 'last-modified')
  const encoding = fieldValue(fields, 'content-encoding')?.toLowerCase() ?? ''
  return {
    etag: etag !== undefined && isEtag(etag) ? etag : null,
    lastModified:
      lastModified !== undefined && parseHttpDate(lastModified) !== undefined ? lastModified : null,
    length,
    contentEncoding: encoding === 'identity' ? '' : encoding,
  }
}

/**
 * Evaluates the preconditions of a request on a stored response, in the order of RFC 9110 section 13.2.2 and
 * with the dates of RFC 9111 section 4.3.2. They count only for GET and HEAD and where the answer would be a
 * 2xx (section 13.2.1).
 *
 * A cache may ignore If-Match and If-Unmodified-Since (sections 13.1.1 and 13.1.4). We do not: a client that
 * resumes a download with If-Match must not get bytes of another representation.
 */
export function preconditions(head: Head, method: string, request: FieldList): Precondition {
  if (head.status < 200 || head.status > 299) return 'proceed'
  if (method !== 'GET' && method !== 'HEAD') return 'proceed'

  const ifMatch = fieldValue(request, 'if-match')
  if (ifMatch !== undefined) {
    if (!anyEtag(ifMatch, head.etag, strongMatch)) return 'precondition-failed'
  } else {
    const ifUnmodifiedSince = fieldValue(request, 'if-unmodified-since')
    if (ifUnmodifiedSince !== undefined && modifiedAfter(head, ifUnmodifiedSince))
      return 'precondition-failed'
  }

  const ifNoneMatch = fieldValue(request, 'if-none-match')
  if (ifNoneMatch !== undefined)
    return anyEtag(ifNoneMatch, head.etag, weakMatch) ? 'not-modified' : 'proceed'

  const ifModifiedSince = fieldValue(request, 'if-modified-since')
  return ifModifiedSince !== undefined && unmodifiedSince(head, ifModifiedSince) ? 'not-modified' : 'proceed'
}

/**
 * Whether the Range of a request applies to this representation (RFC 9110 section 13.1.5). An entity-tag must
 * match strongly; a date must be the stored Last-Modified exactly, and that must be a strong validator.
 */
export function ifRangeAllows(head: Head, request: FieldList): boolean {
  const condition = fieldValue(request, 'if-range')
  if (condition === undefined) return true
  if (head.etag !== null && strongMatch(condition, head.etag)) return true
  return condition === head.lastModified && head.strongLastModified
}

/**
 * Whether parts fetched at different times may be joined into one representation: it has a strong
 * ETag (RFC 9110 section 15.3.7.3), or at least a strong Last-Modified, and its length is known.
 */
export function combinable(head: Head): boolean {
  if (head.status !== 200 || head.length === null) return false
  return isStrongEtag(head.etag) || head.strongLastModified
}

/**
 * Whether what just came is the representation that is stored. With strong ETags these decide;
 * without any, Last-Modified and length must be known and equal, and a weak ETag must not have changed.
 * A doubt is a no: the cost is a transfer, not a mixed body.
 */
export function sameRepresentation(head: Validators, other: Validators): boolean {
  if (head.contentEncoding !== other.contentEncoding) return false
  if (head.length !== null && other.length !== null && head.length !== other.length) return false
  if (isStrongEtag(head.etag) || isStrongEtag(other.etag)) return head.etag === other.etag
  return (
    head.etag === other.etag &&
    head.lastModified !== null &&
    head.lastModified === other.lastModified &&
    head.length !== null &&
    head.length === other.length
  )
}

/** Whether this is an entity-tag and a strong one. */
export function isStrongEtag(etag: string | null): boolean {
  return etag !== null && !etag.startsWith('W') && isEtag(etag)
}

/** The well-formed entity-tags of a list; none for `*`. */
export function etagsIn(list: string): string[] {
  return list.match(ETAG_IN_LIST) ?? []
}

/** A list of entity-tags, or `*` that any current representation matches. Malformed members match nothing. */
function anyEtag(list: string, etag: string | null, matches: (a: string, b: string) => boolean): boolean {
  if (list === '*') return true
  if (etag === null) return false
  if (list === etag) return matches(list, etag) // the usual request names one
  return etagsIn(list).some((member) => matches(member, etag))
}

/** RFC 9110 section 13.1.4: no valid date on one of both sides, no condition. */
function modifiedAfter(head: Head, condition: string): boolean {
  const since = parseHttpDate(condition)
  const modified = head.lastModified === null ? undefined : parseHttpDate(head.lastModified)
  return since !== undefined && modified !== undefined && modified > since
}

/** RFC 9111 section 4.3.2: without Last-Modified the Date, without Date the time of receipt stands in. */
function unmodifiedSince(head: Head, condition: string): boolean {
  if (condition === head.lastModified) return true // sent back as it was given, the usual case
  const since = parseHttpDate(condition)
  if (since === undefined) return false
  const changed = head.lastModified ?? fieldValue(head.fields, 'date')
  return ((changed === undefined ? undefined : parseHttpDate(changed)) ?? head.responseTime) <= since
}
