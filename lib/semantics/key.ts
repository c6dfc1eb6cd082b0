import { remembered } from './remembered.ts'

/**
 * The target of a request and the key under which its responses are stored (RFC 9111 section 2).
 */

export interface Target {
  scheme: string
  /**
   * Host and port in lower case without the scheme's default port; '' for an HTTP/1.0 request that names no
   * host.
   */
  authority: string
  /** Path and query, byte for byte as they go upstream; `*` for `OPTIONS *`. */
  path: string
}

export type ParsedTarget = ({ ok: true } & Target) | { ok: false; status: 400; reason: string }

export interface CacheKeyOptions {
  /** Keep hosts apart; false only where every host serves the same. */
  includeHost: boolean
  /** Leave the query out of the key. It is sent upstream all the same. */
  ignoreQuery: boolean
  /** Names of the query parameters that count, null for all of them. */
  queryAllowlist: readonly string[] | null
}

/** What is not given: hosts are kept apart, the whole query counts. */
export function cacheKeyOptions(given: Partial<CacheKeyOptions> = {}): CacheKeyOptions {
  return {
    includeHost: given.includeHost ?? true,
    ignoreQuery: given.ignoreQuery ?? false,
    queryAllowlist: given.queryAllowlist ?? null,
  }
}

const DEFAULT_PORT: Readonly<Record<string, number>> = { http: 80, https: 443 }

/**
 * reg-name (without the comma that joins repeated Host fields) or IPv4 or [IPv6], and a port (RFC 3986
 * section 3.2).
 */
const AUTHORITY = /^(\[[0-9a-f:.]+\]|(?:[a-z0-9._~!$&'()*+;=-]|%[0-9a-f]{2})+)(?::(\d{0,5}))?$/i
const STRAY_PERCENT = /%(?![0-9a-f]{2})/i
const ABSOLUTE_FORM = /^([a-z][a-z0-9+.-]*):\/\/([^/?]*)(.*)$/is
// biome-ignore lint/suspicious/noControlCharactersInRegex: control bytes are what is looked for
const FORBIDDEN = /[\x00-\x20\x7f#]/

/**
 * Reads the request-target (RFC 9112 section 3.2). In absolute-form its authority counts; a Host that differs from it is
 * refused, since whoever reads the other one of the two would see another resource. Its scheme must be that of the
 * connection: a client may not choose under which scheme a response is stored. `*` is for OPTIONS only. The path is not normalised: what is keyed is what is sent upstream.
 *
 * @param host value of the Host field, all its lines joined, so that two of them are refused
 * @param scheme `http` or `https`, as the client sees the connection
 */
export function parseTarget(
  method: string,
  rawUrl: string,
  host: string | undefined,
  scheme: string,
): ParsedTarget {
  if (rawUrl === '') return refused('empty request target')
  if (FORBIDDEN.test(rawUrl)) return refused('forbidden character in the request target')
  const named = host === undefined ? '' : normaliseAuthority(host, scheme)
  if (named === undefined) return refused('invalid Host')

  if (rawUrl.startsWith('/')) return { ok: true, scheme, authority: named, path: rawUrl }
  if (rawUrl === '*') {
    return method === 'OPTIONS'
      ? { ok: true, scheme, authority: named, path: '*' }
      : refused('* without OPTIONS')
  }
  const absolute = ABSOLUTE_FORM.exec(rawUrl)
  if (absolute === null) return refused('request target of unknown form')
  if (absolute[1].toLowerCase() !== scheme)
    return refused('scheme of the request target is not that of the connection')
  const authority = normaliseAuthority(absolute[2], scheme)
  if (authority === undefined) return refused('invalid authority in the request target')
  if (host !== undefined && named !== authority) return refused('Host differs from the request target')
  const path = absolute[3].startsWith('/') ? absolute[3] : `/${absolute[3]}`
  return { ok: true, scheme, authority, path }
}

/**
 * The path and query in the one spelling of all that RFC 3986 section 6.2.2 calls equivalent: unreserved characters are
 * not percent-encoded, hexadecimal digits are upper case. A dot stays as it is: `%2E%2E` is no dot segment to us, and
 * must not become one for the origin.
 */
export function normalisedPath(path: string): string {
  // After a percent sign that encodes nothing, a decoded digit would make one that does: `%%341`.
  return STRAY_PERCENT.test(path) ? path : spelling(path)
}

/**
 * The same also where a percent sign encodes nothing. Paths that are two for a key may be one here: for a pattern, that then
 * means too much and never too little.
 */
export function spelling(path: string): string {
  if (!path.includes('%')) return path
  return path.replace(/%([0-9a-f]{2})/gi, (encoded, hex: string) => {
    const character = String.fromCharCode(Number.parseInt(hex, 16))
    return /[A-Za-z0-9_~-]/.test(character) ? character : encoded.toUpperCase()
  })
}

/**
 * The target that a Location or Content-Location field of a response names, when it is of the same origin as the target
 * of the request (RFC 9111 section 4.4); undefined when not.
 *
 * @param upstreamAuthority the origin's own host and port, by which it may call itself
 */
export function sameOriginTarget(
  reference: string,
  target: Target,
  upstreamAuthority: string,
): Target | undefined {
  const authority = target.authority === '' ? upstreamAuthority : target.authority
  // URL writes hosts in its own way, that of the target too: IPv6 addresses are shortened.
  const base = URL.parse(`${target.scheme}://${authority}${target.path}`)
  const url = base && URL.parse(reference, base.href)
  if (!url || (url.origin !== base.origin && url.host !== upstreamAuthority)) return undefined
  return { scheme: target.scheme, authority: target.authority, path: url.pathname + url.search }
}

/** The cache key: every part behind its length, so that no two targets can give the same key. */
export function cacheKey(target: Target, options: CacheKeyOptions): string {
  const authority = options.includeHost ? target.authority : ''
  const path = keyedPath(normalisedPath(target.path), options)
  return `${target.scheme.length}:${target.scheme}${authority.length}:${authority}${path.length}:${path}`
}

/** The target that a cache key was made of, as far as it is in the key. */
export function keyedTarget(key: string): Target {
  const [scheme, afterScheme] = part(key, 0)
  const [authority, afterAuthority] = part(key, afterScheme)
  const [path] = part(key, afterAuthority)
  return { scheme, authority, path }
}

/** The part of a key whose length stands at `at`, and where the next one begins. */
function part(key: string, at: number): [string, number] {
  const begin = key.indexOf(':', at) + 1
  const end = begin + Number(key.slice(at, begin - 1))
  return [key.slice(begin, end), end]
}

function keyedPath(path: string, options: CacheKeyOptions): string {
  const question = path.indexOf('?')
  if (question === -1) return path
  if (options.ignoreQuery) return path.slice(0, question)
  const allowed = options.queryAllowlist
  if (allowed === null) return path
  const kept = path
    .slice(question + 1)
    .split('&')
    .filter((parameter) => allowed.includes(parameterName(parameter)))
  return kept.length === 0 ? path.slice(0, question) : `${path.slice(0, question)}?${kept.join('&')}`
}

function parameterName(parameter: string): string {
  const equals = parameter.indexOf('=')
  return equals === -1 ? parameter : parameter.slice(0, equals)
}

/** A host, and a port, as keys have it; undefined when it is none. An empty port is the default port (RFC 9110 section 4.2.3). */
export function normaliseAuthority(value: string, scheme: string): string | undefined {
  const authority = readAuthority(value)
  if (authority === null) return undefined
  return authority.port === undefined || authority.port === DEFAULT_PORT[scheme]
    ? authority.host
    : authority.named
}

/** Of few hosts come all requests. */
const readAuthority = remembered((value: string) => {
  const match = AUTHORITY.exec(value)
  if (match === null) return null
  const host = match[1].toLowerCase()
  if (host.startsWith('[') && !host.includes(':')) return null
  const port = match[2] === undefined || match[2] === '' ? undefined : Number(match[2])
  return port !== undefined && port > 65535 ? null : { host, port, named: `${host}:${port}` }
})

function refused(reason: string): ParsedTarget {
  return { ok: false, status: 400, reason }
}
