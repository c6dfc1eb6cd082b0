import t from 'tap'
import { createCounters, observeTtfb, TTFB_BUCKETS_SECONDS } from '../../lib/cache/counters.ts'
import { hitRate } from '../../lib/metrics/families.ts'
import { ttfbHistogram } from '../../lib/metrics/ttfb-histogram.ts'

t.test('times to first byte become cumulative buckets, a sum and a count', async (t) => {
  const counters = createCounters()
  for (const seconds of [0.0001, 0.0002, 0.0002, 3, 60]) observeTtfb(counters, seconds)
  const values = ttfbHistogram(counters)
  const bucket = (le: number | string) => values.find((value) => value.labels.le === le)?.value
  t.equal(bucket(0.0001), 1, 'a bound belongs to its bucket')
  t.equal(bucket(0.00025), 3)
  t.equal(bucket(2.5), 3)
  t.equal(bucket(5), 4)
  t.equal(bucket(10), 4)
  t.equal(bucket('+Inf'), 5)
  t.match(values.slice(-2), [
    { metricName: 'http_request_ttfb_seconds_sum', value: 63.0005 },
    { metricName: 'http_request_ttfb_seconds_count', value: 5 },
  ])
  t.equal(values.length, TTFB_BUCKETS_SECONDS.length + 3)
})

t.test('the hit rate is in percent, and 0 before there is anything to rate', async (t) => {
  t.equal(hitRate({ l1Hits: 0, l2Hits: 0, misses: 0 }), 0)
  t.equal(hitRate({ l1Hits: 2, l2Hits: 1, misses: 1 }), 75)
  t.equal(hitRate({ l1Hits: 0, l2Hits: 0, misses: 9 }), 0)
})
