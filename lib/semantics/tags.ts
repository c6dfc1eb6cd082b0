import { fieldValue } from './fields.ts'
import type { FieldList, Head } from './types.ts'

/** Tags of one response that count, as Fastly and Cloudflare limit them by bytes of a field of 16 KiB. */
const MAX_TAGS = 1000

/**
 * The tags by which a stored response can be purged: those of Surrogate-Key (between spaces, as Fastly and Varnish have
 * them) and of Cache-Tag (between commas, as Akamai and Cloudflare do), and its Cache-Groups (RFC 9875). Case counts.
 */
export function tagsOf({ fields, groups }: Pick<Head, 'fields' | 'groups'>): Set<string> {
  const tags = [...surrogateKeys(fieldValue(fields, 'surrogate-key')), ...cacheTags(fields)]
  return new Set([...tags.slice(0, MAX_TAGS), ...groups])
}

/** The tags that a Surrogate-Key field names; several lines come joined by commas. */
export function surrogateKeys(value: string | undefined): string[] {
  return value === undefined ? [] : value.split(/[\s,]+/).filter((tag) => tag !== '')
}

function cacheTags(fields: FieldList): string[] {
  const value = fieldValue(fields, 'cache-tag')
  if (value === undefined) return []
  return value
    .split(',')
    .map((tag) => tag.trim())
    .filter((tag) => tag !== '')
}
