import type { Head } from '../../semantics/types.ts'

/** How long what is stale may still stand in for an origin that cannot be reached, in milliseconds. */
const GRACE = 24 * 3600 * 1000

/**
 * From when on nothing of these heads is of use, in seconds since the epoch; 0 = never so. A head with a validator can be
 * made fresh again for ever. One without is of use while it is fresh or may be served stale (RFC 5861), and where
 * nothing forbids it for another day: without an origin it is better than nothing (RFC 9111 section 4.2.4).
 */
export function expiryOf(heads: readonly Head[]): number {
  let latest = 0
  for (const head of heads) {
    if (head.etag !== null || head.lastModified !== null) return 0
    const until = Math.max(head.freshUntil, head.staleIfErrorUntil, head.staleWhileRevalidateUntil)
    latest = Math.max(latest, until + (head.mustRevalidate || head.noCache ? 0 : GRACE))
  }
  const seconds = Math.ceil(latest / 1000) + 1
  // What does not fit the word of the index is a century away.
  return seconds > 0xffff_ffff ? 0 : seconds
}
