import type { PressureReason } from './overload.ts'

/** What a PURGE request names. */
export type PurgeMethod = 'url' | 'prefix' | 'tag' | 'all'
export type PurgeResult = 'success' | 'denied' | 'invalid' | 'disabled' | 'failed'

/**
 * What the proxy counts while it serves: plain numbers, raised in place on the hot path and read when
 * somebody scrapes. Only ever growing, except where a name says `Now`.
 */
export interface Counters {
  /** Requests taken by the proxy, all methods. */
  requests: number
  /** Responses that the stores had whole, by the tier of their first slice; and those of which anything came from the origin. */
  l1Hits: number
  l2Hits: number
  misses: number
  /** Served stale because the origin failed or while it was asked again. */
  stale: number
  /** Stored responses that a 304 made fresh again. */
  revalidated: number
  /** Requests that the cache took no part in: other methods, upgrades, no store, a no-store request. */
  bypass: number
  /** Clients that waited for a transfer that another request had started. */
  coalesced: number
  /** Final responses by class: index 1 to 5. */
  responsesByClass: number[]
  /** Body bytes. */
  bytesFromOrigin: number
  bytesFromCache: number
  bytesToClients: number
  /** Upstream requests of every kind; those that failed; those that were attempts after a failure; transfers begun again after a cut body. */
  subrequests: number
  subrequestFailures: number
  subrequestRetries: number
  healedTransfers: number
  /** Answers of the origin refused because they were not the range, validator or length that was asked for. */
  identityRefusals: number
  /** Origin bodies that ended before their length, or otherwise uncleanly. */
  truncatedBodies: number
  /** Transfers that stopped before their end because nobody wanted them any more. */
  abandonedFills: number
  /** Connections of clients that were cut because their response could not be completed. */
  abortedResponses: number
  /** Clients that went away before their response was complete. */
  clientAborts: number
  /** Slices that no store took (queue full, store failing): the disk copy was lost, the client unharmed. */
  slicesNotStored: number
  /** Keys whose answers proved not cacheable, remembered for a while. */
  uncacheableAnswers: number
  /** Stored variants that gave way because their key had too many. */
  variantsDropped: number
  /** Requests refused with 503, by what there was too much of. */
  refused: Record<PressureReason, number>
  /** PURGE requests by what they named and how they ended. */
  purges: Record<PurgeMethod, Record<PurgeResult, number>>
  fillsNow: number
  requestsNow: number
  /** Time to first byte of responses, in the buckets of TTFB_BUCKETS_SECONDS, one more for +Inf; not cumulative. */
  ttfbBuckets: number[]
  ttfbSumSeconds: number
  /** Upstream requests that could not be sent or answered, since the last one that was. 0 = the origin answers. */
  originFailuresInARow: number
  /** When the last of them failed, by performance.now(); -Infinity = none did. */
  originFailedAt: number
}

/** Upper bounds in seconds, from 0.1 ms. */
export const TTFB_BUCKETS_SECONDS = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
] as const

export function createCounters(): Counters {
  return {
    requests: 0,
    l1Hits: 0,
    l2Hits: 0,
    misses: 0,
    stale: 0,
    revalidated: 0,
    bypass: 0,
    coalesced: 0,
    responsesByClass: [0, 0, 0, 0, 0, 0],
    bytesFromOrigin: 0,
    bytesFromCache: 0,
    bytesToClients: 0,
    subrequests: 0,
    subrequestFailures: 0,
    subrequestRetries: 0,
    healedTransfers: 0,
    identityRefusals: 0,
    truncatedBodies: 0,
    abandonedFills: 0,
    abortedResponses: 0,
    clientAborts: 0,
    slicesNotStored: 0,
    uncacheableAnswers: 0,
    variantsDropped: 0,
    refused: { event_loop_delay: 0, event_loop_percent: 0, rss: 0 },
    purges: { url: noPurges(), prefix: noPurges(), tag: noPurges(), all: noPurges() },
    fillsNow: 0,
    requestsNow: 0,
    ttfbBuckets: new Array(TTFB_BUCKETS_SECONDS.length + 1).fill(0),
    ttfbSumSeconds: 0,
    originFailuresInARow: 0,
    originFailedAt: -Infinity,
  }
}

function noPurges(): Record<PurgeResult, number> {
  return { success: 0, denied: 0, invalid: 0, disabled: 0, failed: 0 }
}

/** Counts one time to first byte, in seconds. */
export function observeTtfb(counters: Counters, seconds: number): void {
  let bucket = 0
  while (bucket < TTFB_BUCKETS_SECONDS.length && seconds > TTFB_BUCKETS_SECONDS[bucket]) bucket++
  counters.ttfbBuckets[bucket]++
  counters.ttfbSumSeconds += seconds
}
