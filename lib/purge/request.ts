import { createHash, timingSafeEqual } from 'node:crypto'
import type { PurgeMethod } from '../cache/counters.ts'
import { fieldValue } from '../semantics/fields.ts'
import type { FieldList } from '../semantics/types.ts'

/**
 * What a PURGE request asks for (contract of pingora-slice): everything, a tag, a pattern, or the object of its target.
 *
 * @param path path and query of the request target
 */
export function purgeMethod(fields: FieldList, path: string): PurgeMethod {
  if (fieldValue(fields, 'x-purge-all')?.toLowerCase() === 'true') return 'all'
  if (fieldValue(fields, 'surrogate-key') !== undefined || fieldValue(fields, 'x-purge-tag') !== undefined)
    return 'tag'
  if (fieldValue(fields, 'x-purge-pattern') !== undefined || path.includes('*')) return 'prefix'
  return 'url'
}

/** Whether a request shows the token, as `Authorization: Bearer T` or `X-Purge-Token: T`; compared in constant time. */
export function showsToken(fields: FieldList, token: string): boolean {
  const bearer = /^bearer +(.*)$/i.exec(fieldValue(fields, 'authorization') ?? '')?.[1]
  const shown = bearer ?? fieldValue(fields, 'x-purge-token') ?? ''
  // Digests have one length, so that the comparison does not tell the token's.
  return timingSafeEqual(digest(shown), digest(token))
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
