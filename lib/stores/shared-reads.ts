/**
 * Reads of a slow store that are under way: who asks for the same entry shares one read, and a read that
 * was overtaken by a put or a drop is not joined any more and does not bring its old result into memory.
 */
export interface SharedReads {
  /**
   * Joins the read of this entry that is under way.
   * @param entry names the entry among those of its key
   */
  join<T>(key: string, entry: string): Promise<T | undefined> | undefined
  /**
   * Lets others join a read, until it ends or is overtaken.
   * @param settle called with what was found; its result is what all get
   */
  share<T>(
    key: string,
    entry: string,
    read: Promise<T | undefined>,
    settle: (found: T, ended: EndedRead) => T,
  ): Promise<T | undefined>
  /** The entry has another state now than reads under way will find. */
  overtake(key: string, entry: string): void
  /** All entries of the key whose names begin so have. */
  overtakeKey(key: string, prefix?: string): void
  overtakeAll(): void
}

/** How a shared read has ended. */
export interface EndedRead {
  /** Somebody else gets its result too. */
  readonly joined: boolean
  /** The entry was put or dropped meanwhile. */
  readonly overtaken: boolean
}

interface Read {
  result: Promise<unknown>
  joined: boolean
}

export function createSharedReads(): SharedReads {
  const byKey = new Map<string, Map<string, Read>>()

  function forget(key: string, entry: string): void {
    const reads = byKey.get(key)
    if (reads?.delete(entry) && reads.size === 0) byKey.delete(key)
  }

  return {
    join<T>(key: string, entry: string) {
      const read = byKey.get(key)?.get(entry)
      if (read === undefined) return undefined
      read.joined = true
      return read.result as Promise<T | undefined>
    },

    share<T>(
      key: string,
      entry: string,
      read: Promise<T | undefined>,
      settle: (found: T, ended: EndedRead) => T,
    ) {
      const result = read.then((found) => {
        const overtaken = byKey.get(key)?.get(entry) !== shared
        if (!overtaken) forget(key, entry)
        return found === undefined ? undefined : settle(found, { joined: shared.joined, overtaken })
      })
      const shared: Read = { result, joined: false }
      const reads = byKey.get(key)
      if (reads === undefined) byKey.set(key, new Map([[entry, shared]]))
      else reads.set(entry, shared)
      return result
    },

    overtake: forget,

    overtakeKey(key, prefix = '') {
      for (const entry of byKey.get(key)?.keys() ?? []) if (entry.startsWith(prefix)) forget(key, entry)
    },

    overtakeAll: () => byKey.clear(),
  }
}
