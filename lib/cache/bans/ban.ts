/**
 * What was purged, told by a name and a time instead of by looking for everything that it names: a stored response that
 * was asked for before counts as purged (Varnish calls this a ban).
 */

/** What a ban names. */
export type BanTarget =
  | { kind: 'all' }
  /** One cache key, all variants. */
  | { kind: 'key'; key: string }
  /** Responses with that tag: see `tagsOf`. */
  | { kind: 'tag'; tag: string }
  /** Responses of that group of one origin (RFC 9875). */
  | { kind: 'group'; scheme: string; authority: string; name: string }
  /** Paths as `readPattern` reads them, of one authority as it is in keys, or of all. */
  | { kind: 'paths'; authority: string | null; pattern: string }
  /** Responses with any tag or group: nobody knows which of them were purged. */
  | { kind: 'tagged' }

/**
 * - `gone`: never used again, not even to be validated;
 * - `invalid`: validated before it is used again (RFC 9111 section 4.4);
 * - `stale`: no longer fresh, so that what may be served stale is.
 */
export type BanMode = 'gone' | 'invalid' | 'stale'

export interface Ban {
  what: BanTarget
  mode: BanMode
  /** From `uniqueNow`: what has a smaller `order` is meant. */
  time: number
}

/** What bans say of one stored response, the sternest first. */
export interface Verdict {
  mode: BanMode
  /** When it was banned, in milliseconds since the epoch. */
  time: number
}
