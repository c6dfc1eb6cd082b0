/**
 * Lists of what there are mostly none or one of: they cost nothing until then, where a Set makes a table, and V8 a hash for each
 * object in it. A change makes another list: whoever walks over one walks over what was in it.
 */
export type Few<T> = readonly T[]

export const NONE: Few<never> = []

/** @param one not in it yet */
export function withOne<T>(few: Few<T>, one: T): Few<T> {
  return few.length === 0 ? [one] : [...few, one]
}

export function without<T>(few: Few<T>, one: T): Few<T> {
  if (few.length === 1) return few[0] === one ? NONE : few
  return few.filter((other) => other !== one)
}
