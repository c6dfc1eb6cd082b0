import type { Target } from '../semantics/key.ts'
import { shownTarget } from './shown.ts'

export interface HotObject {
  /** Scheme, host and path; all queries of a path are one object here. */
  target: string
  /** Requests a minute, estimated, over about the last minute and a half; what may be another's is left out. */
  requestsPerMinute: number
}

/**
 * Which objects are asked for most, by the space-saving algorithm (Metwally et al. 2005): a table of fixed size in which
 * a new object takes the place and the count of the least one, so that whatever makes up more than 1/256 of the requests
 * is in it.
 */
export interface HotObjects {
  /** From now on requests are counted; before, `see` is one comparison. */
  start(): void
  see(target: Target): void
  /** To be called about once a second: lets counts fade. */
  tick(seconds: number): void
  /** The hottest first. */
  top(limit: number): HotObject[]
}

const PLACES = 256
/** Seconds in which a count halves. */
const HALF_LIFE = 60
/** Up to so many requests a second each is counted, of more every 16th on average: the hot path pays a 16th of the cost. */
const COUNT_ALL_BELOW = 500
const EVERY = 16

/** @param random from 0 to 1, exclusive */
export function createHotObjects(random: () => number = Math.random): HotObjects {
  const places = new Map<string, number>()
  const names: string[] = []
  const counts = new Float64Array(PLACES)
  /** What of a count may be of objects that had the place before. */
  const inherited = new Float64Array(PLACES)
  let every = 0 // 0: nothing is counted
  let left = 1
  let seen = 0

  function placeOf(name: string): number {
    const known = places.get(name)
    if (known !== undefined) return known
    let place = names.length
    if (place === PLACES) {
      place = 0
      for (let other = 1; other < PLACES; other++) if (counts[other] < counts[place]) place = other
      places.delete(names[place])
      inherited[place] = counts[place]
    }
    names[place] = name
    places.set(name, place)
    return place
  }

  return {
    start: () => void (every = 1),

    see(target) {
      if (every === 0) return
      seen++
      if (--left > 0) return
      // Not exactly every 16th: clients that ask in a circle of 16 would show one object only.
      left = every === 1 ? 1 : 1 + Math.floor(random() * (2 * every - 1))
      counts[placeOf(shownTarget(target))] += every
    },

    tick(seconds) {
      if (every === 0) return
      every = seen > COUNT_ALL_BELOW * seconds ? EVERY : 1
      seen = 0
      const kept = 2 ** (-seconds / HALF_LIFE)
      for (let place = 0; place < names.length; place++) {
        counts[place] *= kept
        inherited[place] *= kept
      }
    },

    top(limit) {
      // A steady rate of r a second comes to rest at r / (1 - kept) of one second.
      const perMinute = 60 * (1 - 2 ** (-1 / HALF_LIFE))
      return names
        .map((target, place) => ({
          target,
          requestsPerMinute: (counts[place] - inherited[place]) * perMinute,
        }))
        .filter((object) => object.requestsPerMinute >= 0.01)
        .sort((a, b) => b.requestsPerMinute - a.requestsPerMinute)
        .slice(0, limit)
    },
  }
}
