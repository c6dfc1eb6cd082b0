/** What a store holds, found by object and kept in order of use: for "least recently used". */

import { createEntryTable, type Named } from './entry-table.ts'
import { createQueue, type Queued } from './queue.ts'

export { HEADS } from './entry-table.ts'

/** One stored slice, or the list of heads of one key. */
export interface Entry<V> extends Named, Queued<Entry<V>> {
  readonly value: V
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
  /** As of the table. */
  entriesOf(object: string, generation?: number): Entry<V>[]
  /** As of the table. */
  objects(): Iterable<string>
}

export function createEntryIndex<V>(): EntryIndex<V> {
  const table = createEntryTable<Entry<V>>()
  const order = createQueue<Entry<V>>()

  function remove(entry: Entry<V>): void {
    order.remove(entry)
    table.remove(entry)
  }

  return {
    count: table.count,
    bytes: () => order.bytes,
    find: table.find,

    add(object, generation, index, bytes, value) {
      const before = table.find(object, generation, index)
      if (before !== undefined) remove(before)
      const entry: Entry<V> = { object, generation, index, bytes, value, older: null, newer: null }
      table.add(entry)
      order.push(entry)
      return entry
    },

    addOldest(object, generation, index, bytes, value) {
      const entry: Entry<V> = { object, generation, index, bytes, value, older: null, newer: null }
      table.add(entry)
      order.unshift(entry)
      return entry
    },

    touch(entry) {
      if (entry === order.newest) return
      order.remove(entry)
      order.push(entry)
    },

    remove,
    oldest: () => order.oldest ?? undefined,

    clear() {
      const first = order.oldest ?? undefined
      table.clear()
      order.clear()
      return first
    },

    entriesOf: table.entriesOf,
    objects: table.objects,
  }
}
