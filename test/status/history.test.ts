import t from 'tap'
import { createCounters, observeTtfb } from '../../lib/cache/counters.ts'
import { createHistory } from '../../lib/status/history.ts'
import { percentile } from '../../lib/status/percentiles.ts'
import { readCounters } from '../../lib/status/reading.ts'

t.test('rates are of the time that has really passed: a busy process misses samples', async (t) => {
  const counters = createCounters()
  const history = createHistory(1000, 5)
  history.take(readCounters(0, counters, undefined))
  counters.requests = 10
  history.take(readCounters(999, counters, undefined))
  counters.requests = 40
  history.take(readCounters(3999, counters, undefined))
  t.same(history.times(), [999, 3999])
  t.same(
    history.values('requestsPerSecond').map((rate) => Math.round(rate)),
    [10, 10],
  )
})

t.test('a coarse history takes one sample a step, whatever comes in between', async (t) => {
  const counters = createCounters()
  const history = createHistory(15_000, 240)
  for (let second = 0; second <= 60; second++) {
    history.take(readCounters(second * 1000 + (second % 2), counters, undefined))
    counters.requests += 2
  }
  t.same(history.times(), [15_001, 30_000, 45_001, 60_000])
  for (const rate of history.values('requestsPerSecond')) t.ok(Math.abs(rate - 2) < 0.01)
})

t.test('the oldest give way', async (t) => {
  const counters = createCounters()
  const history = createHistory(1000, 3)
  for (let second = 0; second <= 10; second++) {
    counters.l1Hits = second ** 2
    history.take(readCounters(second * 1000, counters, undefined))
  }
  t.same(history.times(), [8000, 9000, 10_000])
  t.same(history.values('l1HitsPerSecond'), [15, 17, 19])
})

t.test('TTFB is of the interval alone; without responses there is none', async (t) => {
  const counters = createCounters()
  const history = createHistory(1000, 10)
  for (let i = 0; i < 1000; i++) observeTtfb(counters, 5)
  history.take(readCounters(0, counters, undefined))
  for (let i = 0; i < 100; i++) observeTtfb(counters, i < 90 ? 0.002 : 0.2)
  history.take(readCounters(1000, counters, undefined))
  history.take(readCounters(2000, counters, undefined))
  const [p50, none] = history.values('ttfbP50Ms')
  t.ok(p50 > 1 && p50 <= 2.5, `${p50} ms`)
  t.ok(Number.isNaN(none))
  const [p99] = history.values('ttfbP99Ms')
  t.ok(p99 > 100 && p99 <= 250, `${p99} ms`)
})

t.test('percentiles as histogram_quantile has them', async (t) => {
  const bounds = [1, 2, 4]
  t.equal(percentile([0, 0, 0, 0], bounds, 0.5), null)
  t.equal(percentile([10, 0, 0, 0], bounds, 0.5), 0.5)
  t.equal(percentile([5, 5, 0, 0], bounds, 0.75), 1.5)
  t.equal(percentile([0, 0, 4, 0], bounds, 1), 4)
  t.equal(percentile([0, 0, 0, 7], bounds, 0.5), 4, 'of the open bucket nothing is known but where it begins')
})
