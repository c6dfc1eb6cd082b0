import { NONE, type Records } from './records.ts'

/** Doubly linked lists through two words of records; a record is in one chain at most. */
export interface Chains {
  next(id: number): number
  previous(id: number): number
  insertAfter(id: number, before: number): void
  /** Puts a record before the first of a chain; `NONE` for an empty one. */
  prepend(id: number, first: number): void
  unlink(id: number): void
  /** All of a chain from `first` on. */
  from(first: number): number[]
}

export function createChains(records: Records, nextWord: number, previousWord: number): Chains {
  const next = (id: number) => records.link(id, nextWord)
  const previous = (id: number) => records.link(id, previousWord)

  function join(id: number, following: number): void {
    if (id !== NONE) records.set(id, nextWord, following)
    if (following !== NONE) records.set(following, previousWord, id)
  }

  return {
    next,
    previous,

    insertAfter(id, before) {
      const following = next(before)
      join(before, id)
      join(id, following)
    },

    prepend(id, first) {
      records.set(id, previousWord, NONE)
      join(id, first)
    },

    unlink: (id) => join(previous(id), next(id)),

    from(first) {
      const ids: number[] = []
      for (let id = first; id !== NONE; id = next(id)) ids.push(id)
      return ids
    },
  }
}
