/** Entries by name, with a record for each object, so that forgetting an object costs no more than its own entries. */

/** In place of a generation: the entry is the key's list of heads. */
export const HEADS = -1

/** What an entry is found by: it is one stored slice, or the list of heads of one key. */
export interface Named {
  readonly object: string
  /** `HEADS` for the list of heads. */
  readonly generation: number
  readonly index: number
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
  let objects = new Map<string, Generation<E>[]>()
  let count = 0

  function find(object: string, generation: number, index: number): E | undefined {
    const generations = objects.get(object)
    if (generations === undefined) return undefined
    for (let i = 0; i < generations.length; i++) {
      if (generations[i].generation === generation) return generations[i].entries[index]
    }
    return undefined
  }

  return {
    count: () => count,
    find,

    add(entry) {
      const generations = objects.get(entry.object)
      const own = generations?.find((each) => each.generation === entry.generation)
      if (own === undefined) {
        // Array literals hold just what they are given: growing an empty array would reserve 17 places.
        const entries: (E | undefined)[] = entry.index === 0 ? [entry] : []
        entries[entry.index] = entry
        const first = { generation: entry.generation, entries, count: 1 }
        if (generations === undefined) objects.set(entry.object, [first])
        else generations.push(first)
      } else {
        own.entries[entry.index] = entry
        own.count++
      }
      count++
    },

    remove(entry) {
      const generations = objects.get(entry.object)!
      const at = generations.findIndex((each) => each.generation === entry.generation)
      const own = generations[at]
      own.entries[entry.index] = undefined
      if (--own.count === 0) generations.splice(at, 1)
      if (generations.length === 0) objects.delete(entry.object)
      count--
    },

    hasSlices(object) {
      const generations = objects.get(object)
      return generations?.some((each) => each.generation !== HEADS) ?? false
    },

    clear() {
      objects = new Map()
      count = 0
    },

    entriesOf(object, generation) {
      const found: E[] = []
      for (const each of objects.get(object) ?? []) {
        if (generation !== undefined && each.generation !== generation) continue
        // Object.values skips the gaps: a lone slice far into a huge object costs one step, not a million.
        for (const entry of Object.values(each.entries)) if (entry !== undefined) found.push(entry)
      }
      return found
    },

    // What is removed and added again during an iteration over a Map has moved to its end.
    objects: () => objects.keys(),
  }
}
