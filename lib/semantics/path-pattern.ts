/**
 * Paths, query included, that are named together: all that begin with a text, or, where a `*` stands elsewhere than at
 * the end, all that a glob matches as a whole. A `*` stands for any characters, `/` among them.
 */
export type PathPattern = { prefix: string } | { parts: readonly string[] }

/**
 * A path or pattern in one spelling, as keys have it; unlike there also where a percent sign encodes nothing. Paths that are
 * two for a key may be one here: then too much is meant, never too little.
 */
export function spelling(path: string): string {
  if (!path.includes('%')) return path
  return path.replace(/%([0-9a-f]{2})/gi, (encoded, hex: string) => {
    const character = String.fromCharCode(Number.parseInt(hex, 16))
    return /[A-Za-z0-9_~-]/.test(character) ? character : encoded.toUpperCase()
  })
}

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
