import { HEADS } from '../entry-index.ts'
import type { Catalog } from './catalog.ts'
import { HEADS_NAME } from './index.ts'
import { generationWord, objectName } from './names.ts'
import { createPendingEntries, type PendingEntries } from './pending.ts'

/** Every entry that there is: on its way to the device, or in the index. Never the same one in both. */
export interface Known {
  readonly pending: PendingEntries
  readonly catalog: Catalog
  /** Id in the index; -1 = not there. */
  find(key: string, generation: number, index: number): number
  /** Forgets one entry; returns whether there was one. */
  forget(key: string, generation: number, index: number): boolean
  /** Forgets all entries of a key, or of one generation of it; returns how many. */
  forgetAll(key: string, generation?: number): number
}

export function createKnown(catalog: Catalog): Known {
  const pending = createPendingEntries()

  function find(key: string, generation: number, index: number): number {
    const { low, high } = objectName(key)
    return catalog.index.find(
      low,
      high,
      generationWord(generation),
      generation === HEADS ? HEADS_NAME : index,
    )
  }

  return {
    pending,
    catalog,
    find,

    forget(key, generation, index) {
      const waiting = pending.find(key, generation, index)
      if (waiting !== undefined) pending.cancel(waiting)
      const id = find(key, generation, index)
      if (id !== -1) catalog.remove(id)
      return waiting !== undefined || id !== -1
    },

    forgetAll(key, generation) {
      const waiting = pending.ofKey(key, generation)
      for (const entry of waiting) pending.cancel(entry)
      const { low, high } = objectName(key)
      const { index } = catalog
      const word = generation === undefined ? undefined : generationWord(generation)
      const ids = index
        .ofObject(low, high)
        .filter((id) => word === undefined || index.generation(id) === word)
      for (const id of ids) catalog.remove(id)
      return waiting.length + ids.length
    },
  }
}
