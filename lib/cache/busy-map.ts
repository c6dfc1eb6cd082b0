/**
 * A Map whose entries come and go with the requests.
 *
 * V8 makes a new table for a Map when removed entries have used the old one up, and the old table keeps pointing to the
 * new one. Once a major collection has moved a table to where old objects live, all its successors stay until the next
 * major collection, with whatever was in them: every small collection copies what was dead long ago. A new Map has no such
 * ancestors.
 */
export interface BusyMap<K, V> {
  get(key: K): V | undefined
  set(key: K, value: V): void
  delete(key: K): void
  /** Oldest first. */
  values(): Iterable<V>
}

/** Removals after which the Map is made anew: seldom enough to cost nothing, often enough to keep little alive. */
const RENEW_AFTER = 500

export function createBusyMap<K, V>(): BusyMap<K, V> {
  let entries = new Map<K, V>()
  let removals = 0

  return {
    get: (key) => entries.get(key),
    set: (key, value) => void entries.set(key, value),
    delete(key) {
      if (!entries.delete(key)) return
      // A thousand that stay are not copied for every few hundred that go.
      if (++removals < RENEW_AFTER + entries.size) return
      removals = 0
      entries = new Map(entries)
    },
    values: () => entries.values(),
  }
}
