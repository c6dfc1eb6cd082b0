/** Entries by name, with a record for each object, so that forgetting an object costs no more than its own entries. */

/** In place of a generation: the entry is the key's list of heads. */
export const HEADS = -1

/** What an entry is found by: it is one stored slice, or the list of heads of one key. */
export interface Named {
  readonly object: string
  /** `HEADS` for the list of heads, whose index is 0. */
  readonly generation: number
  readonly index: number
}

/** All entries of one object. Most have their heads and one slice, and nothing else: then there is no more than this. */
interface Stored<E> {
  heads: E | null
  /** The slice, where there is one; of several all are in `generations`. */
  only: E | null
  generations: Generation<E>[] | null
}

interface Generation<E> {
  readonly generation: number
  /** By slice index, with gaps: an array is a quarter of a Map where most objects have one slice. */
  readonly entries: (E | undefined)[]
  count: number
}

export interface EntryTable<E extends Named> {
  count(): number
  find(object: string, generation: number, index: number): E | undefined
  /** The name must be free. */
  add(entry: E): void
  /** Removes an entry that the table holds. */
  remove(entry: E): void
  /** Whether the object has any slice. */
  hasSlices(object: string): boolean
  /** Forgets all entries at once, however many. */
  clear(): void
  /** All entries of an object, or of one generation of it. */
  entriesOf(object: string, generation?: number): E[]
  /**
   * All objects, in no special order. Entries may come and go meanwhile: an object that is there when this is called, and
   * when this comes to its end, was given at least once; one that was gone in between is given again.
   */
  objects(): Iterable<string>
}

export function createEntryTable<E extends Named>(): EntryTable<E> {
  let objects = new Map<string, Stored<E>>()
  let count = 0

  return {
    count: () => count,

    find(object, generation, index) {
      const stored = objects.get(object)
      if (stored === undefined) return undefined
      if (generation === HEADS) return stored.heads ?? undefined
      const { only, generations } = stored
      if (only !== null) return only.generation === generation && only.index === index ? only : undefined
      return generations?.find((each) => each.generation === generation)?.entries[index]
    },

    add(entry) {
      let stored = objects.get(entry.object)
      if (stored === undefined) {
        stored = { heads: null, only: null, generations: null }
        objects.set(entry.object, stored)
      }
      if (entry.generation === HEADS) stored.heads = entry
      else if (stored.only === null && stored.generations === null) stored.only = entry
      else addToGenerations(stored, entry)
      count++
    },

    remove(entry) {
      const stored = objects.get(entry.object)!
      if (entry.generation === HEADS) stored.heads = null
      else if (stored.only !== null) stored.only = null
      else removeFromGenerations(stored, entry)
      if (stored.heads === null && !hasSlices(stored)) objects.delete(entry.object)
      count--
    },

    hasSlices(object) {
      const stored = objects.get(object)
      return stored !== undefined && hasSlices(stored)
    },

    clear() {
      objects = new Map()
      count = 0
    },

    entriesOf(object, generation) {
      const stored = objects.get(object)
      if (stored === undefined) return []
      const { heads, only, generations } = stored
      const found = [heads, only].filter((entry) => entry !== null)
      // Object.values skips the gaps: a lone slice far into a huge object costs one step, not a million.
      for (const { entries } of generations ?? [])
        for (const entry of Object.values(entries)) if (entry !== undefined) found.push(entry)
      return generation === undefined ? found : found.filter((entry) => entry.generation === generation)
    },

    // What is removed and added again during an iteration over a Map has moved to its end.
    objects: () => objects.keys(),
  }
}

function hasSlices({ only, generations }: Stored<Named>): boolean {
  return only !== null || generations !== null
}

function addToGenerations<E extends Named>(stored: Stored<E>, entry: E): void {
  const { only } = stored
  const generations = (stored.generations ??= [])
  stored.only = null
  for (const each of only === null ? [entry] : [only, entry]) {
    const own = generations.find(({ generation }) => generation === each.generation)
    if (own === undefined) generations.push(newGeneration(each))
    else {
      own.entries[each.index] = each
      own.count++
    }
  }
}

function newGeneration<E extends Named>(entry: E): Generation<E> {
  // Array literals hold just what they are given: growing an empty array would reserve 17 places.
  const entries: (E | undefined)[] = entry.index === 0 ? [entry] : []
  entries[entry.index] = entry
  return { generation: entry.generation, entries, count: 1 }
}

function removeFromGenerations<E extends Named>(stored: Stored<E>, entry: E): void {
  const generations = stored.generations!
  const at = generations.findIndex(({ generation }) => generation === entry.generation)
  const own = generations[at]
  own.entries[entry.index] = undefined
  if (--own.count === 0) generations.splice(at, 1)
  if (generations.length === 0) stored.generations = null
}
