import { fieldValue, hasField, listMembers } from './fields.ts'
import type { ReceivedResponse } from './freshness.ts'
import { confirms } from './head.ts'
import type { FieldList, Head } from './types.ts'
import { etagsIn, isStrongEtag, parseEtag, weakMatch } from './validators.ts'

/** What an upstream request is made conditional with (RFC 9111 section 4.3.1). */
export interface Condition {
  /** The stored response that the request selects; null when none does, or it has no validator. */
  stale: Head | null
  /** Stored responses of other variants, which may prove to be what this request would get too. */
  variants: readonly Head[]
  /** Entity-tags of what the client itself has. */
  clientEtags: readonly string[]
}

/** What a 304 says: which stored response is good, or that the client's own is; undefined: none that we know. */
export type Confirmation = { head: Head } | { etag: string } | undefined

/** For a request to be sent without conditions. */
export const UNCONDITIONAL: Condition = { stale: null, variants: [], clientEtags: [] }

/** What varies on these is for one user, and some origins give the pages of all of them one ETag. */
const FOR_ONE_USER: ReadonlySet<string> = new Set(['authorization', 'cookie'])

/** More entity-tags make a request longer than they are worth. */
const MAX_ETAGS = 16

/** Fields that differ between variants. */
const TELL_VARIANTS = ['content-encoding', 'content-language', 'content-type']

/**
 * The condition for a request. What the client has is asked for only where something stored is: on a plain miss the
 * whole is fetched, so that it can be stored, and the client's condition answered from it.
 *
 * @param selected the stored response that the request selects
 */
export function conditionFor(
  selected: Head | undefined,
  heads: readonly Head[],
  request: FieldList,
): Condition {
  if (selected !== undefined) {
    const stale = canValidate(selected) ? selected : null
    const listed = stale === null ? [] : clientEtags(request)
    const others = listed.filter((etag) => stale?.etag == null || !weakMatch(etag, stale.etag))
    return { stale, variants: [], clientEtags: others.slice(0, MAX_ETAGS) }
  }
  const variants = heads.filter(
    (head) =>
      canValidate(head) &&
      isStrongEtag(head.etag) &&
      accepts(request, head.contentEncoding) &&
      !head.vary.some((name) => FOR_ONE_USER.has(name)),
  )
  return { stale: null, variants: variants.slice(-MAX_ETAGS), clientEtags: [] }
}

export function isConditional({ stale, variants }: Condition): boolean {
  return stale !== null || variants.length > 0
}

/** If-None-Match and If-Modified-Since of a condition. */
export function conditionFields({ stale, variants, clientEtags }: Condition): FieldList {
  const etags = new Set<string>()
  for (const head of stale === null ? variants : [stale]) if (head.etag !== null) etags.add(head.etag)
  for (const etag of clientEtags) etags.add(etag)
  const fields: FieldList = []
  if (etags.size > 0) fields.push('If-None-Match', [...etags].join(', '))
  if (stale !== null && stale.lastModified !== null) fields.push('If-Modified-Since', stale.lastModified)
  return fields
}

/** Which of the representations that a condition named a 304 is about (RFC 9111 section 4.3.4). */
export function confirmedBy(condition: Condition, response: ReceivedResponse): Confirmation {
  const { stale, variants, clientEtags } = condition
  const etag = fieldValue(response.fields, 'etag')
  const current = etag !== undefined && parseEtag(etag) !== undefined ? etag : undefined
  if (stale !== null) {
    if (clientEtags.length === 0) return confirms(stale, response, true) ? { head: stale } : undefined
    // Without an ETag nobody can tell which of them it means.
    if (current === undefined) return undefined
    if (confirms(stale, response, false)) return { head: stale }
    return clientEtags.some((listed) => weakMatch(listed, current)) ? { etag: current } : undefined
  }
  const matching = variants.filter((head) => head.etag === current && !contradicts(head, response))
  return matching.length === 0 ? undefined : { head: matching[matching.length - 1] }
}

/** Whether a 304 says of its representation what the stored one is not. Some origins give all variants one ETag. */
function contradicts(head: Head, { fields }: ReceivedResponse): boolean {
  return TELL_VARIANTS.some((name) => {
    const said = fieldValue(fields, name)
    return said !== undefined && said.toLowerCase() !== fieldValue(head.fields, name)?.toLowerCase()
  })
}

/** What a client has; none where another of its conditions comes first (RFC 9110 section 13.2.2). */
function clientEtags(request: FieldList): string[] {
  if (hasField(request, 'if-match') || hasField(request, 'if-unmodified-since')) return []
  return etagsIn(fieldValue(request, 'if-none-match') ?? '')
}

/**
 * Whether a client asks for a content coding by name. Some origins give all codings of a resource one ETag. A weight of
 * nothing is a no however many zeros it has: here a doubt must not offer what the client cannot read.
 */
function accepts(request: FieldList, coding: string): boolean {
  if (coding === '') return true
  const accepted = listMembers((fieldValue(request, 'accept-encoding') ?? '').toLowerCase())
  return accepted.some(
    (member) => member.split(';')[0].trim() === coding && !/;\s*q=0(?:\.0*)?$/.test(member),
  )
}

/** Whether a stored response has a validator to ask with. One of unknown length is still on its way: a 304 would not complete it. */
function canValidate(head: Head): boolean {
  return head.length !== null && (head.etag !== null || head.lastModified !== null)
}
