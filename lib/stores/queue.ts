/** An intrusive doubly linked list, which knows how many bytes its entries count for. */

export interface Queued<E> {
  /** What the entry counts for; `resize` changes it. */
  bytes: number
  older: E | null
  newer: E | null
}

export interface Queue<E extends Queued<E>> {
  readonly count: number
  /** Sum of the entries' bytes. */
  readonly bytes: number
  readonly oldest: E | null
  readonly newest: E | null
  /** Adds an entry as the newest one. */
  push(entry: E): void
  /** Adds an entry as the oldest one. */
  unshift(entry: E): void
  /** Takes out an entry of this queue. */
  remove(entry: E): void
  /** An entry of this queue counts for more from now on, or for less. */
  resize(entry: E, bytes: number): void
  /** Forgets all entries at once. They stay linked among themselves. */
  clear(): void
}

export function createQueue<E extends Queued<E>>(): Queue<E> {
  const queue = {
    count: 0,
    bytes: 0,
    oldest: null as E | null,
    newest: null as E | null,

    push(entry: E): void {
      entry.older = queue.newest
      entry.newer = null
      if (queue.newest === null) queue.oldest = entry
      else queue.newest.newer = entry
      queue.newest = entry
      queue.count++
      queue.bytes += entry.bytes
    },

    unshift(entry: E): void {
      entry.newer = queue.oldest
      entry.older = null
      if (queue.oldest === null) queue.newest = entry
      else queue.oldest.older = entry
      queue.oldest = entry
      queue.count++
      queue.bytes += entry.bytes
    },

    remove(entry: E): void {
      if (entry.newer === null) queue.newest = entry.older
      else entry.newer.older = entry.older
      if (entry.older === null) queue.oldest = entry.newer
      else entry.older.newer = entry.newer
      entry.newer = entry.older = null
      queue.count--
      queue.bytes -= entry.bytes
    },

    resize(entry: E, bytes: number): void {
      queue.bytes += bytes - entry.bytes
      entry.bytes = bytes
    },

    clear(): void {
      queue.count = 0
      queue.bytes = 0
      queue.oldest = queue.newest = null
    },
  }
  return queue
}
