import { type KeySchema, schema } from './schema.ts'
import { join } from './yaml.ts'

/** Every key of the configuration by its dotted path, in the order of the schema. */
export const knownKeys: ReadonlyMap<string, KeySchema> = new Map(listKeys(schema, ''))

function listKeys(section: KeySchema, path: string): [string, KeySchema][] {
  return Object.entries(section.properties ?? {}).flatMap(([name, key]) => {
    const at = join(path, name)
    return [[at, key], ...listKeys(key, at)] as [string, KeySchema][]
  })
}

/**
 * The known key that somebody who wrote `unknown` (a dotted path) most likely meant: one of that very name in
 * another section, else the one of the same section with the smallest edit distance.
 */
export function nearestKey(unknown: string): string {
  const { section, name } = split(unknown)
  const known = [...knownKeys.keys()]
  const elsewhere = known.find((key) => split(key).name === name)
  if (elsewhere !== undefined) return elsewhere
  return known
    .filter((key) => split(key).section === section)
    .map((key) => ({ key, distance: editDistance(name, split(key).name) }))
    .reduce((best, candidate) => (candidate.distance < best.distance ? candidate : best)).key
}

function split(key: string): { section: string; name: string } {
  const dot = key.lastIndexOf('.')
  return { section: key.slice(0, Math.max(dot, 0)), name: key.slice(dot + 1) }
}

/** Levenshtein's distance: the fewest insertions, deletions and substitutions that turn one text into the other. */
export function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let i = 0; i < a.length; i++) {
    const above = row
    row = [i + 1]
    for (let j = 0; j < b.length; j++) {
      row.push(Math.min(above[j + 1] + 1, row[j] + 1, above[j] + (a[i] === b[j] ? 0 : 1)))
    }
  }
  return row[b.length]
}
