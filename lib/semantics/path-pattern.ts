import { spelling } from './key.ts'

/**
 * Paths, query included, that are named together: all that begin with a text, or, where a `*` stands elsewhere than at
 * the end, all that a glob matches as a whole. A `*` stands for any characters, `/` among them.
 */
export type PathPattern = { prefix: string } | { parts: readonly string[] }

/** Reads a pattern. `/a/`, `/a/*`: prefix; `/a/*.jpg`: glob. */
export function readPattern(text: string): PathPattern {
  // Several in a row mean no more than one.
  const parts = spelling(text).split(/\*+/)
  if (parts.length === 1 || (parts.length === 2 && parts[1] === '')) return { prefix: parts[0] }
  return { parts }
}

/** Whether a glob matches a path: its parts come one after the other, the first in front and the last at the end. */
export function matchesGlob(parts: readonly string[], path: string): boolean {
  const last = parts[parts.length - 1]
  if (!path.startsWith(parts[0]) || !path.endsWith(last)) return false
  let at = parts[0].length
  for (let i = 1; i < parts.length - 1; i++) {
    // The leftmost place leaves the most for those that follow, so no other need be tried.
    const found = path.indexOf(parts[i], at)
    if (found === -1) return false
    at = found + parts[i].length
  }
  return at + last.length <= path.length
}
