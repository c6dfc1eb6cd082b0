/**
 * Reads of a slow store that are under way: who asks for the same entry shares one read, and a read that
 * was overtaken by a put or a drop is not joined any more and does not bring its old result into memory.
 */
export interface SharedReads {
  /**
   * The read of this entry that is under way.
   * @param entry names the entry among those of its key
   */
  find<T>(key: string, entry: string): Promise<T | undefined> | undefined
  /**
   * Lets others join a read, until it ends or is overtaken.
   * @param promote called with what was found, unless the entry was put or dropped meanwhile
   */
  share<T>(
    key: string,
    entry: string,
    read: Promise<T | undefined>,
    promote: (found: T) => void,
  ): Promise<T | undefined>
  /** The entry has another state now than reads under way will find. */
  overtake(key: string, entry: string): void
  /** All entries of the key whose names begin so have. */
  overtakeKey(key: string, prefix?: string): void
  overtakeAll(): void
}

export function createSharedReads(): SharedReads {
  const byKey = new Map<string, Map<string, Promise<unknown>>>()

  function forget(key: string, entry: string): void {
    const reads = byKey.get(key)
    if (reads?.delete(entry) && reads.size === 0) byKey.delete(key)
  }

  return {
    find: <T>(key: string, entry: string) => byKey.get(key)?.get(entry) as Promise<T | undefined> | undefined,

    share<T>(key: string, entry: string, read: Promise<T | undefined>, promote: (found: T) => void) {
      const shared = read.then((found) => {
        if (byKey.get(key)?.get(entry) === shared) {
          forget(key, entry)
          if (found !== undefined) promote(found)
        }
        return found
      })
      const reads = byKey.get(key)
      if (reads === undefined) byKey.set(key, new Map([[entry, shared]]))
      else reads.set(entry, shared)
      return shared
    },

    overtake: forget,

    overtakeKey(key, prefix = '') {
      for (const entry of byKey.get(key)?.keys() ?? []) if (entry.startsWith(prefix)) forget(key, entry)
    },

    overtakeAll: () => byKey.clear(),
  }
}
