import { keyedTarget, type Target } from '../semantics/key.ts'

/** Characters of a target or a text that are shown at most: a client may send 16 KiB of path. */
const MAX_SHOWN = 300

/**
 * A target as people see it: scheme, host and path. Not the query: it may carry what is nobody's business (tokens,
 * what somebody searched for), and one line then stands for all queries of a path.
 */
export function shownTarget({ scheme, authority, path }: Target): string {
  return bounded(`${scheme}://${authority}${withoutQuery(path)}`)
}

/** The same for a cache key. */
export function shownKey(key: string): string {
  return shownTarget(keyedTarget(key))
}

export function withoutQuery(path: string): string {
  const question = path.indexOf('?')
  return question === -1 ? path : path.slice(0, question)
}

export function bounded(text: string): string {
  return text.length <= MAX_SHOWN ? text : `${text.slice(0, MAX_SHOWN - 1)}…`
}
