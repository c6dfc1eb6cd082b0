import { NONE, type Records } from './records.ts'

/** Doubly linked lists through two words of records; a record is in one chain at most. */
export interface Chains {
  next(id: number): number
  previous(id: number): number
  /** Makes a record the only one of its chain. */
  begin(id: number): void
  insertAfter(id: number, before: number): void
  insertBefore(id: number, after: number): void
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

    begin(id) {
      records.set(id, nextWord, NONE)
      records.set(id, previousWord, NONE)
    },

    insertAfter(id, before) {
      const following = next(before)
      records.set(id, nextWord, NONE)
      join(before, id)
      join(id, following)
    },

    insertBefore(id, after) {
      const preceding = previous(after)
      records.set(id, previousWord, NONE)
      join(id, after)
      join(preceding, id)
    },

    unlink: (id) => join(previous(id), next(id)),

    from(first) {
      const ids: number[] = []
      for (let id = first; id !== NONE; id = next(id)) ids.push(id)
      return ids
    },
  }
}
