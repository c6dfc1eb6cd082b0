import { createHash, timingSafeEqual } from 'node:crypto'
import type { PurgeMethod } from '../cache/counters.ts'
import { fieldValue, fieldValues, hasField } from '../semantics/fields.ts'
import { cacheTags, surrogateKeys } from '../semantics/tags.ts'
import type { FieldList } from '../semantics/types.ts'

/** What a purge names: the object of a target, paths of its host, tags, or everything. */
export type PurgeSubject =
  | { method: 'url' }
  | { method: 'prefix'; pattern: string }
  | { method: 'tag'; tags: readonly string[] }
  | { method: 'all' }

export type PurgeWish = PurgeSubject & { soft: boolean }

/** A PURGE that cannot be understood, and why. */
export interface BadPurge {
  method: PurgeMethod
  problem: string
}

/** Most characters of a pattern or tag: each look-up of something older reads all of them. */
const MAX_LENGTH = 4096

/**
 * What a PURGE request asks for (contract of pingora-slice): everything, tags, a pattern, or the object of its target.
 *
 * @param path path and query of the request target
 */
export function purgeWish(fields: FieldList, path: string): PurgeWish | BadPurge {
  const subject = subjectOf(fields, path)
  if ('problem' in subject) return subject
  const soft = flag(fields, 'x-purge-soft')
  return soft === undefined ? notAFlag(subject.method, 'X-Purge-Soft') : { ...subject, soft }
}

function subjectOf(fields: FieldList, path: string): PurgeSubject | BadPurge {
  const all = flag(fields, 'x-purge-all')
  if (all === undefined) return notAFlag('all', 'X-Purge-All')
  if (all) return { method: 'all' }

  if (hasField(fields, 'surrogate-key') || hasField(fields, 'x-purge-tag')) {
    const keys = surrogateKeys(fieldValue(fields, 'surrogate-key'))
    return tagSubject([...keys, ...cacheTags(fieldValue(fields, 'x-purge-tag'))])
  }
  const patterns = fieldValues(fields, 'x-purge-pattern')
  // Joined they would be one pattern that nobody meant.
  if (patterns.length > 1) return { method: 'prefix', problem: 'one X-Purge-Pattern a request' }
  const pattern = patterns[0] ?? (path.includes('*') ? path : undefined)
  return pattern === undefined ? { method: 'url' } : pathSubject(pattern)
}

/** Judges tags: at least one, none too long. */
export function tagSubject(tags: readonly string[]): PurgeSubject | BadPurge {
  if (tags.length === 0) return { method: 'tag', problem: 'no tag is named' }
  const long = tags.some((tag) => tag.length > MAX_LENGTH)
  return long
    ? { method: 'tag', problem: `a tag has ${MAX_LENGTH} characters at most` }
    : { method: 'tag', tags }
}

/** Judges a pattern: a path, from its first slash on. */
export function pathSubject(pattern: string): PurgeSubject | BadPurge {
  if (!pattern.startsWith('/')) {
    return {
      method: 'prefix',
      problem: `the pattern ${pattern.slice(0, 100)} is no path: it begins with /, and the host is that of the request`,
    }
  }
  if (pattern.length > MAX_LENGTH) {
    return { method: 'prefix', problem: `a pattern has ${MAX_LENGTH} characters at most` }
  }
  return { method: 'prefix', pattern }
}

/** Undefined when the field says neither true nor false. */
function flag(fields: FieldList, name: string): boolean | undefined {
  const value = fieldValue(fields, name)?.toLowerCase()
  if (value === undefined || value === 'false') return false
  return value === 'true' ? true : undefined
}

function notAFlag(method: PurgeMethod, name: string): BadPurge {
  return { method, problem: `${name} is true or false` }
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
