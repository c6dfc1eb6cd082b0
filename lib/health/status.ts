import { ORIGIN_DOWN_AFTER } from '../cache/origin-watch.ts'

/** What `/health` says: `degraded` still serves, `unhealthy` cannot serve anybody. */
export type HealthStatus = 'healthy' | 'degraded' | 'unhealthy'

/**
 * A failure says so many milliseconds that the origin is down. Only a request finds out that it is back, and a load balancer that
 * heeds `/ready` sends none.
 */
export const ORIGIN_DOWN_FOR = 10_000

/** What is known of the service at one moment. */
export interface HealthFacts {
  /** Upstream requests that failed since the last one that was answered. */
  originFailuresInARow: number
  /** Milliseconds since the last of them. */
  sinceOriginFailure: number
  /** Whether any store is there that could answer in the origin's stead. */
  hasStore: boolean
  /** Whether a store failed to read or write, or its counts did not agree, within the last minute; or it has given up its device. */
  storeFailing: boolean
  /** Whether requests are refused because the process is too busy. */
  underPressure: boolean
}

/** Judges the facts. Without an origin and without a store there is no way to serve. */
export function healthStatus(facts: HealthFacts): HealthStatus {
  const { originFailuresInARow, sinceOriginFailure, hasStore, storeFailing, underPressure } = facts
  const originDown = originFailuresInARow >= ORIGIN_DOWN_AFTER && sinceOriginFailure < ORIGIN_DOWN_FOR
  if (originDown && !hasStore) return 'unhealthy'
  return originDown || storeFailing || underPressure ? 'degraded' : 'healthy'
}

/** Tells of a count that only grows (errors) whether it grew lately. */
export interface GrowthWatch {
  /** Takes the count of this moment (milliseconds of any one clock) and answers for the window that ends now. */
  grew(count: number, now: number): boolean
}

/** Watches a count over a window of `windowMs`. What the count was at the first look is not growth. */
export function watchGrowth(windowMs: number): GrowthWatch {
  let last: number | null = null
  let grewAt = -Infinity
  return {
    grew(count, now) {
      if (last !== null && count > last) grewAt = now
      last = count
      return now - grewAt < windowMs
    },
  }
}
