import { listMembers, trimWhitespace } from './fields.ts'

/**
 * The directives of one Cache-Control field, of a request or a response (RFC 9111 section 5.2, RFC 5861, RFC
 * 8246). Durations are whole seconds, 0 to {@link MAX_DELTA_SECONDS}; null = not stated.
 */
export interface CacheControl {
  readonly noStore: boolean
  /** true, or only the fields listed (lower case). */
  readonly noCache: boolean | readonly string[]
  /** true, or only the fields listed (lower case). */
  readonly private: boolean | readonly string[]
  readonly public: boolean
  readonly mustRevalidate: boolean
  readonly proxyRevalidate: boolean
  readonly mustUnderstand: boolean
  readonly noTransform: boolean
  readonly immutable: boolean
  readonly onlyIfCached: boolean
  readonly maxAge: number | null
  readonly sMaxAge: number | null
  readonly minFresh: number | null
  /** {@link MAX_DELTA_SECONDS} for `max-stale` without a value: however stale. */
  readonly maxStale: number | null
  readonly staleWhileRevalidate: number | null
  readonly staleIfError: number | null
}

/** What larger durations count as (RFC 9111 section 1.2.2). */
export const MAX_DELTA_SECONDS = 2 ** 31

type Flag =
  | 'noStore'
  | 'public'
  | 'mustRevalidate'
  | 'proxyRevalidate'
  | 'mustUnderstand'
  | 'noTransform'
  | 'immutable'
  | 'onlyIfCached'
type Scope = 'noCache' | 'private'
type Duration = 'maxAge' | 'sMaxAge' | 'minFresh' | 'maxStale' | 'staleWhileRevalidate' | 'staleIfError'
type Mutable = { -readonly [K in keyof CacheControl]: CacheControl[K] }

const FLAGS: ReadonlyMap<string, Flag> = new Map([
  ['no-store', 'noStore'],
  ['public', 'public'],
  ['must-revalidate', 'mustRevalidate'],
  ['proxy-revalidate', 'proxyRevalidate'],
  ['must-understand', 'mustUnderstand'],
  ['no-transform', 'noTransform'],
  ['immutable', 'immutable'],
  ['only-if-cached', 'onlyIfCached'],
])

const SCOPES: ReadonlyMap<string, Scope> = new Map([
  ['no-cache', 'noCache'],
  ['private', 'private'],
])

const DURATIONS: ReadonlyMap<string, Duration> = new Map([
  ['max-age', 'maxAge'],
  ['s-maxage', 'sMaxAge'],
  ['min-fresh', 'minFresh'],
  ['max-stale', 'maxStale'],
  ['stale-while-revalidate', 'staleWhileRevalidate'],
  ['stale-if-error', 'staleIfError'],
])

const NOTHING_STATED: CacheControl = Object.freeze(nothingStated())

const DIRECTIVE = /^([!#$%&'*+.^_`|~0-9a-z-]+)[\t ]*(?:=(.*))?/is

/**
 * Parses a combined Cache-Control field; never throws. Names match in any case, spaces around `=` and quoted
 * numbers are accepted, what is unknown is ignored. Where directives contradict each other the strictest
 * holds, and a duration that is no number counts as 0, that is stale (RFC 9111 section 4.2.1).
 */
export function parseCacheControl(value: string | undefined): CacheControl {
  if (value === undefined || value === '') return NOTHING_STATED
  const parsed = nothingStated()
  for (const member of listMembers(value)) {
    const match = DIRECTIVE.exec(member)
    if (match !== null) apply(parsed, match[1].toLowerCase(), match[2])
  }
  return parsed
}

function apply(parsed: Mutable, name: string, argument: string | undefined): void {
  const flag = FLAGS.get(name)
  if (flag !== undefined) {
    parsed[flag] = true
    return
  }
  const scope = SCOPES.get(name)
  if (scope !== undefined) {
    parsed[scope] = widerScope(parsed[scope], argument)
    return
  }
  const duration = DURATIONS.get(name)
  if (duration === undefined) return
  const seconds = toSeconds(duration, argument)
  const stated = parsed[duration]
  if (stated === null || seconds === null) parsed[duration] = seconds ?? stated
  else parsed[duration] = duration === 'minFresh' ? Math.max(stated, seconds) : Math.min(stated, seconds)
}

/** `private=""` lists nothing, and so restricts as much as `private` alone: CVE-2026-13697. */
function widerScope(stated: boolean | readonly string[], argument: string | undefined): true | string[] {
  const listed =
    argument === undefined ? [] : listMembers(unquote(argument)).map((name) => name.toLowerCase())
  if (stated === true || listed.length === 0) return true
  return stated === false ? listed : [...stated, ...listed]
}

function toSeconds(duration: Duration, argument: string | undefined): number | null {
  if (argument === undefined && duration === 'maxStale') return MAX_DELTA_SECONDS
  const digits = argument === undefined ? '' : unquote(argument)
  if (/^\d+$/.test(digits)) return Math.min(Number(digits), MAX_DELTA_SECONDS)
  return duration === 'minFresh' ? null : 0 // of min-fresh alone 0 would not be the strict reading
}

function unquote(argument: string): string {
  const text = trimWhitespace(argument)
  const quoted = text.length >= 2 && text.startsWith('"') && text.endsWith('"')
  return quoted ? text.slice(1, -1).replace(/\\(.)/gs, '$1') : text
}

function nothingStated(): Mutable {
  return {
    noStore: false,
    noCache: false,
    private: false,
    public: false,
    mustRevalidate: false,
    proxyRevalidate: false,
    mustUnderstand: false,
    noTransform: false,
    immutable: false,
    onlyIfCached: false,
    maxAge: null,
    sMaxAge: null,
    minFresh: null,
    maxStale: null,
    staleWhileRevalidate: null,
    staleIfError: null,
  }
}
