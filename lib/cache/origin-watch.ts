import type { StoreLog } from '../stores/log.ts'
import type { Origin } from '../upstream/origin.ts'
import type { Counters } from './counters.ts'
import { errorText } from './problems.ts'

/** So many failed upstream requests in a row mean that the origin is down, and not one connection that was reset. */
export const ORIGIN_DOWN_AFTER = 3

/** An origin that comes and goes is told of once in so many milliseconds. */
const QUIET = 60_000

/**
 * Counts the failures of the origin in a row, and tells of the first and the last of them. What requests under way hear of an
 * origin that was replaced is no news of the one that is there now.
 */
export interface OriginWatch {
  failed(origin: Origin, error: Error): void
  answered(origin: Origin): void
  /** Another origin takes the place of the one watched: nothing is known of it. */
  replace(origin: Origin): void
}

export function createOriginWatch(
  watched: Origin,
  counters: Counters,
  log: StoreLog | undefined,
): OriginWatch {
  let downSince = 0
  /** When it was last told, and whether that is still so. */
  let toldAt = -Infinity
  let isTold = false
  let failures = 0

  return {
    failed(origin, error) {
      if (origin !== watched) return
      const now = performance.now()
      counters.originFailedAt = now
      const inARow = ++counters.originFailuresInARow
      if (inARow === 1) {
        downSince = now
        failures = 0
      }
      failures++
      if (isTold || inARow < ORIGIN_DOWN_AFTER || now - toldAt < QUIET) return
      isTold = true
      toldAt = now
      const { code } = error as { code?: string }
      log?.warn({ origin: origin.url.origin, failures, error: errorText(error), code }, 'origin down')
    },
    answered(origin) {
      if (origin !== watched || counters.originFailuresInARow === 0) return
      counters.originFailuresInARow = 0
      if (!isTold) return
      isTold = false
      const seconds = Math.round((performance.now() - downSince) / 1000)
      log?.info({ origin: origin.url.origin, failures, seconds }, 'origin back')
    },
    replace(origin) {
      watched = origin
      counters.originFailuresInARow = 0
      counters.originFailedAt = -Infinity
      isTold = false
      toldAt = -Infinity
    },
  }
}
