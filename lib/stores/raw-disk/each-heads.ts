import type { Head } from '../../semantics/types.ts'
import { HEADS } from '../entry-index.ts'
import type { HeadsVisitor } from '../store.ts'
import { createTurns } from '../turns.ts'
import type { Counts } from './entries.ts'
import { HEADS_NAME } from './index.ts'
import type { Known } from './known.ts'
import { type ObjectName, objectName } from './names.ts'
import type { Reads } from './reads.ts'
import type { Regions } from './regions.ts'

/** Walks over all heads of a store, of which there may be several at a time. */
export interface HeadsWalks {
  /** As that of the store. Ends early, with false, when the index or the device cannot be used any more. */
  each(visit: HeadsVisitor, signal: AbortSignal): Promise<boolean>
  /** Heads were put under this key: their entry comes to another place of the index, which a walk may have passed. */
  put(key: string): void
}

export interface HeadsWalksOptions {
  known: Known
  counts: Counts
  regions: Regions
  reads: Reads
  isReadable(): boolean
}

interface Found {
  key: string
  heads: readonly Head[]
}

/** Slots of the index that are looked at before the entries among them are read: well under a tenth of a millisecond. */
const STEP = 1024

export function createHeadsWalks(options: HeadsWalksOptions): HeadsWalks {
  const { known, counts, regions, reads, isReadable } = options
  const { catalog, pending } = known
  /** Of each walk the keys that it has to look at besides. */
  const walks = new Set<Set<string>>()

  /** As they are when it resolves: who visits may write them anew. */
  async function headsOf({ low, high }: ObjectName): Promise<Found | 'failed' | undefined> {
    for (;;) {
      const id = catalog.index.find(low, high, HEADS_NAME, HEADS_NAME)
      if (id === -1) return undefined
      if (catalog.isExpired(id)) {
        catalog.expire(id)
        return undefined
      }
      const block = catalog.index.block(id)
      const found = await read(block, catalog.index.blocks(id))
      const now = catalog.index.find(low, high, HEADS_NAME, HEADS_NAME)
      if (now === -1) return undefined
      // Replaced, or carried over: what is there now counts.
      if (catalog.index.block(now) !== block) continue
      if (found === 'failed') return found
      if (found !== 'damaged' && isNamed(found.key, low, high)) return found
      counts.corrupt++
      catalog.remove(now)
      return undefined
    }
  }

  async function read(block: number, blocks: number): Promise<Found | 'failed' | 'damaged'> {
    const region = regions.regionOf(block)
    regions.pin(region)
    const stored = await reads.stored({ block, blocks, regionGeneration: regions.generation[region] })
    regions.unpin(region)
    if (typeof stored === 'string') return stored
    try {
      const { key, generation } = stored.header
      return generation === HEADS ? { key, heads: JSON.parse(stored.payload.toString()) } : 'damaged'
    } catch {
      return 'damaged'
    } finally {
      stored.release()
    }
  }

  return {
    put(key) {
      for (const more of walks) more.add(key)
    },

    async each(visit, signal) {
      const turn = createTurns()
      const mayGoOn = () => isReadable() && !signal.aborted
      let isComplete = true

      async function look(name: ObjectName, key?: string): Promise<void> {
        const waiting = key === undefined ? undefined : pending.find(key, HEADS, 0)
        const found = waiting ? { key: key!, heads: waiting.heads! } : await headsOf(name)
        if (signal.aborted) return
        if (found === 'failed') isComplete = false
        else if (found !== undefined) await visit(found.key, found.heads)
        await turn()
      }

      const more = new Set<string>()
      for (const { key, generation } of pending.all()) if (generation === HEADS) more.add(key)
      walks.add(more)
      try {
        const { index } = catalog
        let at = 0
        do {
          const names: ObjectName[] = []
          at = index.scan(at, STEP, (id) => {
            if (index.generation(id) !== HEADS_NAME) return
            names.push({ low: index.objectLow(id), high: index.objectHigh(id) })
          })
          for (const name of names) {
            if (!mayGoOn()) return false
            await look(name)
          }
          // A Set: what is added during the iteration is given, too.
          for (const key of more) {
            if (!mayGoOn()) return false
            more.delete(key)
            await look(objectName(key), key)
          }
          await turn()
          // Another index: everything was cleared, and what came later was put under way.
        } while (at !== 0 && catalog.index === index)
        return isComplete && mayGoOn()
      } finally {
        walks.delete(more)
      }
    },
  }
}

/** Two keys may share the 64 bits; another key than these stand for was never put in this place. */
function isNamed(key: string, low: number, high: number): boolean {
  const name = objectName(key)
  return name.low === low && name.high === high
}
