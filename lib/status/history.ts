import { TTFB_BUCKETS_SECONDS } from '../cache/counters.ts'
import { percentile } from './percentiles.ts'
import type { Reading } from './reading.ts'

/** What is kept of each interval: rates a second, TTFB in milliseconds, and what was so at its end. */
export const SERIES = [
  'requestsPerSecond',
  'l1HitsPerSecond',
  'l2HitsPerSecond',
  'missesPerSecond',
  'bypassPerSecond',
  'serverErrorsPerSecond',
  'bytesFromOriginPerSecond',
  'bytesFromCachePerSecond',
  'bytesToClientsPerSecond',
  'ttfbP50Ms',
  'ttfbP90Ms',
  'ttfbP99Ms',
  'requestsInProgress',
  'l1Bytes',
] as const

export type Series = (typeof SERIES)[number]
/** NaN: there was nothing to tell it of. */
export type Sample = Record<Series, number>

/** The last so many samples, oldest first: memory is taken once and never grows. */
export interface History {
  readonly stepMs: number
  /** Takes what was counted up to now; a sample is made of it when a step is over. */
  take(reading: Reading): void
  /** Ends of the intervals, of the clock of the readings. They are no less than a step apart, and more where the process was busy. */
  times(): number[]
  values(series: Series): number[]
}

/** Timers fire a little early, too. */
const SLACK = 0.2

export function createHistory(stepMs: number, size: number): History {
  const times = new Float64Array(size)
  const rings = new Map(SERIES.map((series) => [series, new Float64Array(size)]))
  let before: Reading | undefined
  let next = 0
  let length = 0

  function inOrder(ring: Float64Array): number[] {
    const begin = length < size ? 0 : next
    return Array.from({ length }, (_, i) => ring[(begin + i) % size])
  }

  return {
    stepMs,

    take(reading) {
      if (before === undefined) {
        before = reading
        return
      }
      if (reading.at - before.at < stepMs - Math.min(SLACK * stepMs, 500)) return
      const sample = between(before, reading)
      times[next] = reading.at
      for (const [series, ring] of rings) ring[next] = sample[series]
      next = (next + 1) % size
      length = Math.min(length + 1, size)
      before = reading
    },

    times: () => inOrder(times),
    values: (series) => inOrder(rings.get(series)!),
  }
}

/** What was between two readings. */
export function between(before: Reading, now: Reading): Sample {
  const seconds = (now.at - before.at) / 1000
  const rate = (name: Exclude<keyof Reading, 'at' | 'ttfbBuckets'>) => (now[name] - before[name]) / seconds
  const observed = now.ttfbBuckets.map((count, bucket) => count - (before.ttfbBuckets[bucket] ?? 0))
  const ttfb = (share: number) => {
    const value = percentile(observed, TTFB_BUCKETS_SECONDS, share)
    return value === null ? Number.NaN : value * 1000
  }
  return {
    requestsPerSecond: rate('requests'),
    l1HitsPerSecond: rate('l1Hits'),
    l2HitsPerSecond: rate('l2Hits'),
    missesPerSecond: rate('misses'),
    bypassPerSecond: rate('bypass'),
    serverErrorsPerSecond: rate('serverErrors'),
    bytesFromOriginPerSecond: rate('bytesFromOrigin'),
    bytesFromCachePerSecond: rate('bytesFromCache'),
    bytesToClientsPerSecond: rate('bytesToClients'),
    ttfbP50Ms: ttfb(0.5),
    ttfbP90Ms: ttfb(0.9),
    ttfbP99Ms: ttfb(0.99),
    requestsInProgress: now.requestsInProgress,
    l1Bytes: now.l1Bytes,
  }
}
