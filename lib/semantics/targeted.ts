import { type CacheControl, DIRECTIVES, MAX_DELTA_SECONDS, nothingStated, scopeOf } from './cache-control.ts'
import { parseDictionary } from './structured-fields.ts'

/**
 * A targeted field such as CDN-Cache-Control (RFC 9213). It is a dictionary of RFC 9651, read strictly: keys in lower
 * case, durations as integers. Undefined when it is to be ignored: absent, empty or malformed (section 2.1), or with a
 * directive that we know in a type that it cannot have. To ignore such a directive alone could make cacheable what
 * Cache-Control forbids.
 */
export function parseTargeted(value: string | undefined): CacheControl | undefined {
  const members = value === undefined ? undefined : parseDictionary(value)
  if (members === undefined || members.size === 0) return undefined
  const parsed = nothingStated()
  for (const [name, item] of members) {
    const { flag, scope, duration } = DIRECTIVES.get(name) ?? {}
    if (flag !== undefined) {
      if (item.type !== 'boolean') return undefined
      parsed[flag] = item.value
    } else if (scope !== undefined) {
      // `private`, or `private="set-cookie"`
      if (item.type === 'boolean') parsed[scope] = item.value
      else if (item.type === 'string' || item.type === 'token') parsed[scope] = scopeOf(item.value)
      else return undefined
    } else if (duration !== undefined) {
      if (item.type !== 'integer') return undefined
      parsed[duration] = Math.min(Math.max(item.value, 0), MAX_DELTA_SECONDS)
    }
  }
  return parsed
}
