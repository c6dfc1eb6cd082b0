/** Random numbers that follow from a seed, so that a failure can be repeated. */
export interface Random {
  /** An integer from 0 to `below` - 1. */
  below(below: number): number
  /** True with this probability. */
  chance(probability: number): boolean
  pick<T>(from: readonly T[]): T
  /** The same values in another order. */
  shuffled<T>(values: readonly T[]): T[]
}

/** mulberry32: small, and good enough to mix up the order of writes. */
export function createRandom(seed: number): Random {
  let state = seed >>> 0
  function next(): number {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (limit: number) => Math.floor(next() * limit)
  return {
    below,
    chance: (probability) => next() < probability,
    pick: (from) => from[below(from.length)],
    shuffled(values) {
      const order = [...values]
      for (let at = order.length - 1; at > 0; at--) {
        const other = below(at + 1)
        ;[order[at], order[other]] = [order[other], order[at]]
      }
      return order
    },
  }
}
