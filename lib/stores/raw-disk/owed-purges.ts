import type { SliceStore } from '../store.ts'
import { createTurns } from '../turns.ts'

/** What is to be forgotten on a device that cannot be reached yet. */
export interface OwedPurges {
  /** As those of the store; they resolve when the store's have, or at `giveUp`. */
  drop(key: string): Promise<number>
  clear(): Promise<number>
  dropGeneration(key: string, generation: number): void
  dropHeads(key: string): void
  readonly isEmpty: boolean
  /** Forgets all of it in the store. More may be owed when it resolves. */
  apply(store: SliceStore): Promise<void>
  /** There will be no store: whoever waits is told that nothing was removed. */
  giveUp(): void
}

/** What is to be forgotten under one key. */
interface Wish {
  /** Everything. */
  all: boolean
  heads: boolean
  generations: Set<number>
  readonly waiting: ((removed: number) => void)[]
}

/** Keys that are remembered; with more, everything is forgotten. Each put that is refused meanwhile is one. */
const MAX_KEYS = 100_000

/** @param onMany told when more keys are owed than are remembered */
export function createOwedPurges(onMany: () => void, maxKeys: number = MAX_KEYS): OwedPurges {
  let keys = new Map<string, Wish>()
  /** Who waits for everything to be forgotten; undefined: it need not be. */
  let all: ((removed: number) => void)[] | undefined

  function forgetAll(): ((removed: number) => void)[] {
    all ??= []
    // The number is not told apart by key any more.
    for (const { waiting } of keys.values()) for (const resolve of waiting) all.push(() => resolve(0))
    keys = new Map()
    return all
  }

  function wishOf(key: string): Wish | undefined {
    if (all !== undefined) return undefined
    const known = keys.get(key)
    if (known !== undefined) return known
    if (keys.size === maxKeys) {
      onMany()
      forgetAll()
      return undefined
    }
    const wish: Wish = { all: false, heads: false, generations: new Set(), waiting: [] }
    keys.set(key, wish)
    return wish
  }

  function tell(waiting: readonly ((removed: number) => void)[], removed: Promise<number>): void {
    // Where it could not be written down, the store tries again.
    void removed
      .catch(() => 0)
      .then((count) => {
        for (const resolve of waiting) resolve(count)
      })
  }

  return {
    drop(key) {
      const wish = wishOf(key)
      if (wish !== undefined) wish.all = true
      return new Promise((resolve) => {
        if (wish !== undefined) wish.waiting.push(resolve)
        else all!.push(() => resolve(0))
      })
    },

    clear: () => new Promise((resolve) => void forgetAll().push(resolve)),

    dropGeneration(key, generation) {
      wishOf(key)?.generations.add(generation)
    },

    dropHeads(key) {
      const wish = wishOf(key)
      if (wish !== undefined) wish.heads = true
    },

    get isEmpty() {
      return all === undefined && keys.size === 0
    },

    async apply(store) {
      const turn = createTurns()
      if (all !== undefined) tell(all, store.clear())
      all = undefined
      for (const [key, wish] of keys) {
        keys.delete(key)
        if (wish.all) tell(wish.waiting, store.drop(key))
        else {
          if (wish.heads) store.putHeads(key, [])
          for (const generation of wish.generations) store.dropGeneration(key, generation)
        }
        await turn()
      }
    },

    giveUp() {
      tell(forgetAll(), Promise.resolve(0))
      all = undefined
    },
  }
}
