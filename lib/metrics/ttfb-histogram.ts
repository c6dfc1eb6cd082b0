import { type Counters, TTFB_BUCKETS_SECONDS } from '../cache/counters.ts'

export const TTFB_NAME = 'http_request_ttfb_seconds'

/** One line of a Prometheus histogram, in the shape that the client library writes out. */
export interface HistogramValue {
  metricName: string
  labels: { le?: number | string }
  value: number
}

/** The counts of times to first byte as a Prometheus histogram: cumulative buckets, their sum and count. */
export function ttfbHistogram(counters: Counters | undefined): HistogramValue[] {
  let count = 0
  const buckets = [...TTFB_BUCKETS_SECONDS, '+Inf' as const].map((le, index) => {
    count += counters?.ttfbBuckets[index] ?? 0
    return { metricName: `${TTFB_NAME}_bucket`, labels: { le }, value: count }
  })
  return [
    ...buckets,
    { metricName: `${TTFB_NAME}_sum`, labels: {}, value: counters?.ttfbSumSeconds ?? 0 },
    { metricName: `${TTFB_NAME}_count`, labels: {}, value: count },
  ]
}
