import type { Head } from '../../semantics/types.ts'
import type { Slice } from '../store.ts'

/** An entry that was put and is not in the index yet: reads are served from it. */
export interface Pending {
  readonly key: string
  /** `HEADS` for the list of heads. */
  readonly generation: number
  readonly index: number
  /** What the queue counts it for, in bytes. */
  readonly bytes: number
  readonly heads: readonly Head[] | undefined
  readonly slice: Slice
  /** Dropped or replaced. */
  gone: boolean
  /** Called when it reached its place, failed or went. */
  readonly done: (() => void)[]
}

/** All entries on their way, by name and by key. */
export interface PendingEntries {
  /** Entries that are wanted. */
  count(): number
  /** Bytes of all that memory is still held for, wanted or not. */
  bytes(): number
  find(key: string, generation: number, index: number): Pending | undefined
  add(entry: Pending): void
  /** Marks it as gone: no read finds it, and it comes into no index. */
  cancel(entry: Pending): void
  /** The entry is written, or its memory is free in another way. */
  settle(entry: Pending): void
  /** Those of a key, or of one generation of it. */
  ofKey(key: string, generation?: number): Pending[]
  all(): Pending[]
  /** Resolves when every entry of this moment has settled. */
  flush(): Promise<void>
}

export function createPendingEntries(): PendingEntries {
  const byKey = new Map<string, Map<string, Pending>>()
  const unsettled = new Set<Pending>()
  let count = 0
  let bytes = 0

  const nameOf = (generation: number, index: number): string => `${generation}.${index}`

  function unlink(entry: Pending): void {
    const own = byKey.get(entry.key)
    const name = nameOf(entry.generation, entry.index)
    if (own?.get(name) !== entry) return
    own.delete(name)
    if (own.size === 0) byKey.delete(entry.key)
    count--
  }

  return {
    count: () => count,
    bytes: () => bytes,
    find: (key, generation, index) => byKey.get(key)?.get(nameOf(generation, index)),

    add(entry) {
      const own = byKey.get(entry.key)
      const name = nameOf(entry.generation, entry.index)
      if (own === undefined) byKey.set(entry.key, new Map([[name, entry]]))
      else own.set(name, entry)
      unsettled.add(entry)
      count++
      bytes += entry.bytes
    },

    cancel(entry) {
      entry.gone = true
      unlink(entry)
    },

    settle(entry) {
      unlink(entry)
      if (unsettled.delete(entry)) bytes -= entry.bytes
      for (const done of entry.done) done()
    },

    ofKey(key, generation) {
      const own = [...(byKey.get(key)?.values() ?? [])]
      return generation === undefined ? own : own.filter((each) => each.generation === generation)
    },

    all: () => [...byKey.values()].flatMap((own) => [...own.values()]),

    async flush() {
      await Promise.all([...unsettled].map((entry) => new Promise<void>((done) => entry.done.push(done))))
    },
  }
}
