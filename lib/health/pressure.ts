import type { PressureReason } from '../cache/overload.ts'

/** The process at one moment. */
export interface Readings {
  /** Mean delay of the event loop in the last interval, in milliseconds. */
  delay: number
  /** Share of the last interval for which the event loop was busy, in percent. */
  percent: number
  /** Resident set of the process, in bytes. */
  rss: number
}

/** Most that is bearable; 0 = not looked at. */
export interface PressureLimits {
  maxEventLoopDelay: number
  maxEventLoopPercent: number
  maxRssBytes: number
}

/**
 * So many intervals in a row the event loop must be too busy. A load that uses what there is makes it busy all the time, and a
 * second of that harms nobody.
 */
const BUSY_INTERVALS = 5
/**
 * So many in a row the delay must be too long: one pause (a large collection of garbage, a neighbour on the same machine) is over
 * when it is seen, and to refuse requests then helps nobody.
 */
const DELAYED_INTERVALS = 3

export interface PressureWatch {
  /** The limits that were exceeded at the last look, in the order of how much they tell. */
  readonly reasons: readonly PressureReason[]
  look(readings: Readings, limits: PressureLimits): void
}

export function createPressureWatch(): PressureWatch {
  let busy = 0
  let delayed = 0
  let reasons: readonly PressureReason[] = []
  return {
    get reasons() {
      return reasons
    },
    look({ delay, percent, rss }, limits) {
      busy = exceeds(percent, limits.maxEventLoopPercent) ? busy + 1 : 0
      delayed = exceeds(delay, limits.maxEventLoopDelay) ? delayed + 1 : 0
      const found: PressureReason[] = []
      if (delayed >= DELAYED_INTERVALS) found.push('event_loop_delay')
      if (busy >= BUSY_INTERVALS) found.push('event_loop_percent')
      if (exceeds(rss, limits.maxRssBytes)) found.push('rss')
      reasons = found
    },
  }
}

function exceeds(value: number, most: number): boolean {
  return most > 0 && value > most
}
