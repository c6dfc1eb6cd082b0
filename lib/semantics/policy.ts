import { type CacheControl, parseCacheControl } from './cache-control.ts'
import { fieldValue } from './fields.ts'
import { parseTargeted } from './targeted.ts'
import type { FieldList } from './types.ts'

/** What a response says of its own caching, read once when it arrives. */
export interface Policy {
  /** Of the first targeted field that is usable, else of Cache-Control. */
  readonly directives: CacheControl
  /** Expires as sent; undefined without one, and where a targeted field has replaced it. */
  readonly expires: string | undefined
  /** A lifetime may not be guessed. */
  readonly neverGuess: boolean
}

/**
 * The policy of a response. A targeted field replaces Cache-Control and Expires whole, not directive by directive
 * (RFC 9213 section 2.2).
 *
 * @param targets names of targeted fields in lower case, the one that counts first in front
 */
export function policyOf(fields: FieldList, targets: readonly string[]): Policy {
  for (const name of targets) {
    const directives = parseTargeted(fieldValue(fields, name))
    if (directives !== undefined) return { directives, expires: undefined, neverGuess: false }
  }
  const pragma = fieldValue(fields, 'pragma')
  return {
    directives: parseCacheControl(fieldValue(fields, 'cache-control')),
    expires: fieldValue(fields, 'expires'),
    // Undefined in responses (RFC 9111 section 5.4), but who writes it does not want to be guessed at.
    neverGuess: pragma !== undefined && /no-cache/i.test(pragma),
  }
}

/** Whether a response says itself how long it is fresh (RFC 9111 section 4.2.1). */
export function statesFreshness({ directives, expires }: Policy): boolean {
  return directives.maxAge !== null || directives.sMaxAge !== null || expires !== undefined
}
