import { fieldValue } from './fields.ts'
import type { Head } from './types.ts'

/**
 * The tags by which a stored response can be purged: those of Surrogate-Key (between spaces, as Fastly and Varnish have
 * them) and of Cache-Tag (between commas, as Akamai and Cloudflare do), and its Cache-Groups (RFC 9875). Case counts.
 */
export function tagsOf({ fields, groups }: Pick<Head, 'fields' | 'groups'>): Set<string> {
  const keys = surrogateKeys(fieldValue(fields, 'surrogate-key'))
  return new Set([...keys, ...cacheTags(fieldValue(fields, 'cache-tag')), ...groups])
}

/** The tags that a Surrogate-Key field names; several lines come joined by commas. */
export function surrogateKeys(value: string | undefined): string[] {
  return value === undefined ? [] : value.split(/[\s,]+/).filter((tag) => tag !== '')
}

/** The tags that a Cache-Tag field names; they may have spaces in them. */
export function cacheTags(value: string | undefined): string[] {
  if (value === undefined) return []
  return value
    .split(',')
    .map((tag) => tag.trim())
    .filter((tag) => tag !== '')
}
