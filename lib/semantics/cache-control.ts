import { isFieldName, listMembers, trimWhitespace } from './fields.ts'
import { remembered } from './remembered.ts'
import type { Mutable } from './types.ts'

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

/** How a directive is kept: exactly one of the three. */
interface Directive {
  readonly flag?: Flag
  readonly scope?: Scope
  readonly duration?: Duration
}

/** The directives that we know, by their name in lower case. */
export const DIRECTIVES: ReadonlyMap<string, Directive> = new Map<string, Directive>([
  ['no-store', { flag: 'noStore' }],
  ['public', { flag: 'public' }],
  ['must-revalidate', { flag: 'mustRevalidate' }],
  ['proxy-revalidate', { flag: 'proxyRevalidate' }],
  ['must-understand', { flag: 'mustUnderstand' }],
  ['no-transform', { flag: 'noTransform' }],
  ['immutable', { flag: 'immutable' }],
  ['only-if-cached', { flag: 'onlyIfCached' }],
  ['no-cache', { scope: 'noCache' }],
  ['private', { scope: 'private' }],
  ['max-age', { duration: 'maxAge' }],
  ['s-maxage', { duration: 'sMaxAge' }],
  ['min-fresh', { duration: 'minFresh' }],
  ['max-stale', { duration: 'maxStale' }],
  ['stale-while-revalidate', { duration: 'staleWhileRevalidate' }],
  ['stale-if-error', { duration: 'staleIfError' }],
])

const NOTHING_STATED: CacheControl = Object.freeze(nothingStated())

const DIRECTIVE = /^([!#$%&'*+.^_`|~0-9a-z-]+)[\t ]*(?:=(.*)|(.+))?$/is

/** What makes a response more cacheable: not to be read into `public;no-store`. */
const ALLOWING: ReadonlySet<Flag> = new Set(['public', 'immutable', 'mustUnderstand'])

/**
 * Parses a combined Cache-Control field; never throws. Names match in any case, spaces around `=` and quoted
 * numbers are accepted, what is unknown is ignored. Where directives contradict each other the strictest
 * holds, and a duration that is no number counts as 0, that is stale (RFC 9111 section 4.2.1).
 */
export function parseCacheControl(value: string | undefined): CacheControl {
  return value === undefined || value === '' ? NOTHING_STATED : readDirectives(value)
}

const readDirectives = remembered((value: string): CacheControl => {
  const parsed = nothingStated()
  for (const member of listMembers(value)) {
    const match = DIRECTIVE.exec(member)
    if (match !== null) apply(parsed, match[1].toLowerCase(), match[3] === undefined ? match[2] : null)
  }
  return parsed
})

/** @param argument undefined without one; null when something else than one follows the name */
function apply(parsed: Mutable<CacheControl>, name: string, argument: string | undefined | null): void {
  const { flag, scope, duration } = DIRECTIVES.get(name) ?? {}
  if (flag !== undefined) parsed[flag] ||= argument !== null || !ALLOWING.has(flag)
  else if (scope !== undefined) parsed[scope] = widerScope(parsed[scope], argument ?? undefined)
  else if (duration !== undefined) parsed[duration] = stricter(parsed[duration], duration, argument)
}

function stricter(
  stated: number | null,
  duration: Duration,
  argument: string | undefined | null,
): number | null {
  const seconds = toSeconds(duration, argument)
  if (stated === null || seconds === null) return seconds ?? stated
  return duration === 'minFresh' ? Math.max(stated, seconds) : Math.min(stated, seconds)
}

/**
 * The fields that a directive is limited to, in lower case. `private=""` lists none, and so restricts as much as `private`
 * alone: CVE-2026-13697. So does what is no list of names.
 */
export function scopeOf(list: string): true | string[] {
  const listed = listMembers(list.toLowerCase())
  return listed.length > 0 && listed.every(isFieldName) ? listed : true
}

function widerScope(stated: boolean | readonly string[], argument: string | undefined): true | string[] {
  const listed = scopeOf(unquote(argument ?? ''))
  if (stated === true || listed === true) return true
  if (stated === false) return listed
  const names = stated as string[] // our own of before; copied for each directive the time would be quadratic
  for (const name of listed) names.push(name)
  return names
}

function toSeconds(duration: Duration, argument: string | undefined | null): number | null {
  if (argument === undefined && duration === 'maxStale') return MAX_DELTA_SECONDS
  const digits = unquote(argument ?? '')
  if (/^\d+$/.test(digits)) return Math.min(Number(digits), MAX_DELTA_SECONDS)
  return duration === 'minFresh' ? null : 0 // of min-fresh alone 0 would not be the strict reading
}

function unquote(argument: string): string {
  const text = trimWhitespace(argument)
  const quoted = text.length >= 2 && text.startsWith('"') && text.endsWith('"')
  return quoted ? text.slice(1, -1).replace(/\\(.)/gs, '$1') : text
}

/** A field without directives, to be filled in. */
export function nothingStated(): Mutable<CacheControl> {
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
