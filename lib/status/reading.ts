import type { Counters } from '../cache/counters.ts'
import type { SliceStore } from '../stores/store.ts'

/** What was counted up to one moment, as far as it is shown over time. */
export interface Reading {
  /** Milliseconds of a clock that never goes back. */
  at: number
  requests: number
  l1Hits: number
  l2Hits: number
  misses: number
  bypass: number
  serverErrors: number
  bytesFromOrigin: number
  bytesFromCache: number
  bytesToClients: number
  /** As in `Counters`: not cumulative. */
  ttfbBuckets: number[]
  requestsInProgress: number
  l1Bytes: number
}

export function readCounters(
  at: number,
  counters: Counters | undefined,
  l1: SliceStore | undefined,
): Reading {
  return {
    at,
    requests: counters?.requests ?? 0,
    l1Hits: counters?.l1Hits ?? 0,
    l2Hits: counters?.l2Hits ?? 0,
    misses: counters?.misses ?? 0,
    bypass: counters?.bypass ?? 0,
    serverErrors: counters?.responsesByClass[5] ?? 0,
    bytesFromOrigin: counters?.bytesFromOrigin ?? 0,
    bytesFromCache: counters?.bytesFromCache ?? 0,
    bytesToClients: counters?.bytesToClients ?? 0,
    ttfbBuckets: counters?.ttfbBuckets.slice() ?? [],
    requestsInProgress: counters?.requestsNow ?? 0,
    l1Bytes: l1?.stats().bytes ?? 0,
  }
}
