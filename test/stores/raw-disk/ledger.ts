/** In place of a generation: the list of heads. */
export const HEADS = -1

/** Something that was put under a name. */
export interface Put {
  /** When, by the ledger's clock. */
  at: number
  seed: number
  length: number
}

/** What a store may answer about one name. */
interface Account {
  /** All that was put and may still be somewhere on the device, oldest first. */
  puts: Put[]
  /** All that was ever put. */
  all: Put[]
  /** What the store has, or nothing; `unknown` after a crash, until it has been asked. */
  current: Put | 'nothing' | 'unknown'
  /** Nothing that was put before this may ever be found again. */
  floor: number
  /** When what was last flushed was put: a kill cannot bring anything older back. The same for a power failure. */
  flushed: number
  synced: number
  changes: number
  /** The store had it not any more when a life ended, or when it was asked: the next life need not find it. */
  evicted: boolean
}

/**
 * Keeps account of what was put and dropped, and so of what may be found. A miss is always allowed (entries may be
 * evicted, and be lost when the power fails); but what was found missing does not come back by itself.
 */
export interface Ledger {
  /** @param accepted what the store said; a refused slice leaves the former one, refused heads leave none */
  put(key: string, generation: number, index: number, put: Omit<Put, 'at'>, accepted: boolean): void
  /** Each of these begins when it is called; the result is to be called when the store has answered. */
  removeHeads(key: string): () => void
  drop(key: string): () => void
  dropGeneration(key: string, generation: number): void
  clear(): () => void
  flush(): () => void
  checkpoint(): () => void
  /** A life ends, and the store may not have all that was put. @param has whether it had an entry */
  evictions(has: (key: string, generation: number, index: number) => boolean): void
  /** What the next life must find: it was there when it was flushed, or when a checkpoint was made, and nothing came after. */
  kept(which: 'flushed' | 'synced'): { key: string; generation: number; index: number }[]
  /** A question begins; its result judges the answer and returns what is wrong with it. */
  ask(
    key: string,
    generation: number,
    index: number,
  ): (isIt: ((put: Put) => boolean) | undefined, final: boolean) => string | undefined
  /**
   * A new life.
   * @param how `closed` keeps everything, `killed` what was flushed, `crashed` what was synced; after `damaged` anything
   * that was put and not purged since may be found, after `failed` also what was purged: the device may not have taken it
   */
  restart(how: 'closed' | 'killed' | 'crashed' | 'damaged' | 'failed'): void
  names(): { key: string; generation: number; index: number }[]
}

export function createLedger(): Ledger {
  const accounts = new Map<string, Account>()
  const parts = new Map<string, { key: string; generation: number; index: number }>()
  let clock = 0

  function account(key: string, generation: number, index: number): Account {
    const name = JSON.stringify([key, generation, index])
    let found = accounts.get(name)
    if (found === undefined) {
      found = {
        puts: [],
        all: [],
        current: 'nothing',
        floor: 0,
        flushed: 0,
        synced: 0,
        changes: 0,
        evicted: false,
      }
      accounts.set(name, found)
      parts.set(name, { key, generation, index })
    }
    return found
  }

  function forget(matches: (key: string, generation: number) => boolean): () => void {
    const at = ++clock
    const forgotten: Account[] = []
    for (const [name, { key, generation }] of parts) {
      if (!matches(key, generation)) continue
      const each = accounts.get(name)!
      each.current = 'nothing'
      each.changes++
      forgotten.push(each)
    }
    return () => {
      for (const each of forgotten) {
        each.floor = Math.max(each.floor, at)
        each.puts = each.puts.filter((put) => put.at > each.floor)
      }
    }
  }

  /** What is kept once the store has answered: what it holds now, or what was flushed before. */
  function keep(which: 'flushed' | 'synced'): () => void {
    const kept: [Account, number][] = []
    for (const each of accounts.values()) {
      if (which === 'synced') kept.push([each, each.flushed])
      else if (typeof each.current === 'object') kept.push([each, each.current.at])
    }
    return () => {
      for (const [each, at] of kept) each[which] = Math.max(each[which], at)
    }
  }

  return {
    put(key, generation, index, put, accepted) {
      const own = account(key, generation, index)
      if (accepted) {
        own.current = { ...put, at: ++clock }
        own.puts.push(own.current)
        own.all.push(own.current)
        own.changes++
      } else if (generation === HEADS) {
        own.current = 'nothing'
        own.changes++
      }
    },
    removeHeads: (key) => forget((each, generation) => each === key && generation === HEADS),
    drop: (key) => forget((each) => each === key),
    dropGeneration(key, generation) {
      forget((each, its) => each === key && its === generation)
    },
    clear: () => forget(() => true),
    flush: () => keep('flushed'),
    checkpoint: () => keep('synced'),

    evictions(has) {
      for (const [name, { key, generation, index }] of parts) {
        if (!has(key, generation, index)) accounts.get(name)!.evicted = true
      }
    },

    kept(which) {
      return [...parts].flatMap(([name, part]) => {
        const { current, evicted, [which]: at } = accounts.get(name)!
        return typeof current === 'object' && current.at <= at && !evicted ? [part] : []
      })
    },

    ask(key, generation, index) {
      const own = account(key, generation, index)
      const { current, changes } = own
      const askedAt = clock
      const before = current === 'unknown' ? [...own.puts] : current === 'nothing' ? [] : [current]
      return (isIt, final) => {
        if (isIt === undefined) {
          own.evicted = true
          if (own.changes === changes && final) own.current = 'nothing'
          return undefined
        }
        const allowed = [...before, ...own.puts.filter((put) => put.at > askedAt)]
        const found = allowed.findLast(isIt)
        if (found !== undefined && own.changes === changes) own.current = found
        if (found !== undefined) return undefined
        const former = own.all.findLast(isIt)
        const name = `${JSON.stringify(key)} ${generation} ${index}`
        if (former === undefined) return `${name}: bytes that were never put`
        const why =
          former.at < own.floor ? `purged at ${own.floor}` : `allowed: ${allowed.map((put) => put.at)}`
        return `${name}: what was put at ${former.at} is back, ${why}`
      }
    },

    restart(how) {
      for (const each of accounts.values()) {
        each.changes++
        if (how === 'closed') continue
        each.current = 'unknown'
        if (how === 'failed') each.floor = 0
        if (how === 'damaged' || how === 'failed') {
          const puts = each.all.filter((put) => put.at > each.floor)
          Object.assign(each, { puts, flushed: 0, synced: 0 })
          continue
        }
        const oldest = Math.max(
          each.floor,
          how === 'killed' ? Math.max(each.flushed, each.synced) : each.synced,
        )
        each.puts = each.puts.filter((put) => put.at >= oldest)
        if (how === 'crashed') each.flushed = each.synced
      }
    },

    names: () => [...parts.values()],
  }
}
