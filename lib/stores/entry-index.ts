/**
 * What a store holds, found by object and kept in order of use: an intrusive list for "least recently used"
 * and a record for each object, so that forgetting an object costs no more than its own entries.
 */

/** In place of a generation: the entry is the key's list of heads. */
export const HEADS = -1

/** One stored slice, or the list of heads of one key. */
export interface Entry<V> {
  readonly object: string
  /** `HEADS` for the list of heads. */
  readonly generation: number
  readonly index: number
  /** What the entry counts for, in bytes. */
  readonly bytes: number
  readonly value: V
  older: Entry<V> | null
  newer: Entry<V> | null
}

interface Generation<V> {
  readonly generation: number
  /** By slice index, with gaps: an array is a quarter of a Map where most objects have one slice. */
  readonly entries: (Entry<V> | undefined)[]
  count: number
}

export interface EntryIndex<V> {
  count(): number
  /** Sum of the entries' bytes. */
  bytes(): number
  find(object: string, generation: number, index: number): Entry<V> | undefined
  /** Adds an entry as the one used last, in place of an older one of the same name. */
  add(object: string, generation: number, index: number, bytes: number, value: V): Entry<V>
  /** Adds an entry as the one whose use is longest ago. The name must be free. */
  addOldest(object: string, generation: number, index: number, bytes: number, value: V): Entry<V>
  /** Marks an entry as the one used last. */
  touch(entry: Entry<V>): void
  /** Removes an entry that the index holds. */
  remove(entry: Entry<V>): void
  /** The entry whose use is longest ago. */
  oldest(): Entry<V> | undefined
  /** Forgets all entries at once, however many. Returns the oldest of them, which leads to the others by `newer`. */
  clear(): Entry<V> | undefined
  /** All entries of an object, or of one generation of it. */
  entriesOf(object: string, generation?: number): Entry<V>[]
  /**
   * All objects, in no special order. Entries may come and go meanwhile: an object that is there when this is called, and
   * when this comes to its end, was given at least once; one that was gone in between is given again.
   */
  objects(): Iterable<string>
}

export function createEntryIndex<V>(): EntryIndex<V> {
  let objects = new Map<string, Generation<V>[]>()
  let newest: Entry<V> | null = null
  let oldest: Entry<V> | null = null
  let count = 0
  let bytes = 0

  function find(object: string, generation: number, index: number): Entry<V> | undefined {
    const generations = objects.get(object)
    if (generations === undefined) return undefined
    for (let i = 0; i < generations.length; i++) {
      if (generations[i].generation === generation) return generations[i].entries[index]
    }
    return undefined
  }

  function register(entry: Entry<V>): void {
    const generations = objects.get(entry.object)
    const own = generations?.find((each) => each.generation === entry.generation)
    if (own === undefined) {
      // Array literals hold just what they are given: growing an empty array would reserve 17 places.
      const entries: (Entry<V> | undefined)[] = entry.index === 0 ? [entry] : []
      entries[entry.index] = entry
      const first = { generation: entry.generation, entries, count: 1 }
      if (generations === undefined) objects.set(entry.object, [first])
      else generations.push(first)
    } else {
      own.entries[entry.index] = entry
      own.count++
    }
    count++
    bytes += entry.bytes
  }

  function unregister(entry: Entry<V>): void {
    const generations = objects.get(entry.object)!
    const at = generations.findIndex((each) => each.generation === entry.generation)
    const own = generations[at]
    own.entries[entry.index] = undefined
    if (--own.count === 0) generations.splice(at, 1)
    if (generations.length === 0) objects.delete(entry.object)
    count--
    bytes -= entry.bytes
  }

  function linkNewest(entry: Entry<V>): void {
    entry.older = newest
    entry.newer = null
    if (newest === null) oldest = entry
    else newest.newer = entry
    newest = entry
  }

  function linkOldest(entry: Entry<V>): void {
    entry.newer = oldest
    entry.older = null
    if (oldest === null) newest = entry
    else oldest.older = entry
    oldest = entry
  }

  function unlink(entry: Entry<V>): void {
    if (entry.newer === null) newest = entry.older
    else entry.newer.older = entry.older
    if (entry.older === null) oldest = entry.newer
    else entry.older.newer = entry.newer
    entry.newer = entry.older = null
  }

  function remove(entry: Entry<V>): void {
    unlink(entry)
    unregister(entry)
  }

  return {
    count: () => count,
    bytes: () => bytes,
    find,

    add(object, generation, index, size, value) {
      const before = find(object, generation, index)
      if (before !== undefined) remove(before)
      const entry: Entry<V> = { object, generation, index, bytes: size, value, older: null, newer: null }
      register(entry)
      linkNewest(entry)
      return entry
    },

    addOldest(object, generation, index, size, value) {
      const entry: Entry<V> = { object, generation, index, bytes: size, value, older: null, newer: null }
      register(entry)
      linkOldest(entry)
      return entry
    },

    touch(entry) {
      if (entry === newest) return
      unlink(entry)
      linkNewest(entry)
    },

    remove,
    oldest: () => oldest ?? undefined,

    clear() {
      const first = oldest ?? undefined
      objects = new Map()
      newest = oldest = null
      count = bytes = 0
      return first
    },

    entriesOf(object, generation) {
      const found: Entry<V>[] = []
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
