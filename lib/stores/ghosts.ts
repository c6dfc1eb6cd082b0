/**
 * What has lately been evicted: 8 bytes an entry, with nothing of its name or content. Like a cache with four places for each
 * bucket: of more, the one that went first is forgotten. It grows with what it is told to expect, up to a limit.
 */

const WAYS = 4
/** A name and a time, 32 bits each. */
const PLACE_BYTES = 8

export interface Ghosts {
  /** What this takes; nothing before the first eviction. */
  bytes(): number
  /** Makes room for so many, within the limit. */
  expect(count: number): void
  /** An entry of this name was evicted. */
  add(name: number): void
  /** How many entries have been evicted since that one (0 = it was the last), and forgets it; undefined: not known. */
  take(name: number): number | undefined
  clear(): void
}

/** @param maxBytes most that it may ever take */
export function createGhosts(maxBytes: number): Ghosts {
  // Both in one array, so that a bucket is one cache line; time 0 is an empty place.
  let places = new Uint32Array(0)
  let buckets = 0
  let now = 0
  const most = 2 ** Math.floor(Math.log2(Math.max(1, maxBytes / (WAYS * PLACE_BYTES))))

  function place(name: number, time: number): void {
    const first = (name & (buckets - 1)) * WAYS * 2
    let at = first
    for (let each = first; each < first + WAYS * 2; each += 2) {
      if (places[each] === name && places[each + 1] !== 0) {
        at = each
        break
      }
      if (places[each + 1] < places[at + 1]) at = each
    }
    places[at] = name
    places[at + 1] = time
  }

  function resize(count: number): void {
    const before = places
    buckets = count
    places = new Uint32Array(count * WAYS * 2)
    for (let each = 0; each < before.length; each += 2) {
      if (before[each + 1] !== 0) place(before[each], before[each + 1])
    }
  }

  function clear(): void {
    places = new Uint32Array(0)
    buckets = now = 0
  }

  return {
    bytes: () => places.byteLength,

    expect(count) {
      if (maxBytes < WAYS * PLACE_BYTES) return
      let wanted = Math.max(buckets, 1)
      while (wanted * WAYS < count && wanted < most) wanted *= 2
      if (wanted > buckets) resize(wanted)
    },

    add(name) {
      // Past 32 bits of evictions everything is forgotten, once.
      if (++now > 0xffffffff) {
        places.fill(0)
        now = 1
      }
      if (buckets > 0) place(name >>> 0, now)
    },

    take(name) {
      if (buckets === 0) return undefined
      const first = ((name >>> 0) & (buckets - 1)) * WAYS * 2
      for (let each = first; each < first + WAYS * 2; each += 2) {
        if (places[each] !== name >>> 0 || places[each + 1] === 0) continue
        const age = now - places[each + 1]
        places[each + 1] = 0
        return age
      }
      return undefined
    },

    clear,
  }
}
