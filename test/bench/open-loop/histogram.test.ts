import fc from 'fast-check'
import t from 'tap'
import { createHistogram } from '../../../bench/open-loop/histogram.ts'

t.test('without samples there is no percentile', async (t) => {
  const histogram = createHistogram()
  t.ok(Number.isNaN(histogram.at(0.5)))
  t.equal(histogram.count(), 0)
})

t.test('percentiles of samples with known ranks', async (t) => {
  const histogram = createHistogram()
  for (let time = 1000; time >= 1; time--) histogram.record(time)
  t.equal(histogram.count(), 1000)
  t.equal(histogram.max(), 1000)
  for (const [share, expected] of [
    [0, 1],
    [0.5, 500],
    [0.99, 990],
    [0.999, 999],
    [1, 1000],
  ])
    t.ok(Math.abs(histogram.at(share) / expected - 1) < 0.01, `${share}: ${histogram.at(share)}`)
})

t.test('every percentile is that of the sorted samples, to within 1 %', async () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: 0.1, max: 4e8, noNaN: true }), { minLength: 1, maxLength: 50 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (samples, share) => {
        const histogram = createHistogram()
        for (const sample of samples) histogram.record(sample)
        const sorted = samples.toSorted((a, b) => a - b)
        const exact = sorted[Math.max(1, Math.ceil(samples.length * share)) - 1]
        // Half a unit is lost to rounding.
        return Math.abs(histogram.at(share) - exact) <= exact * 0.01 + 0.05
      },
    ),
  )
})

t.test('times beyond the range count as the longest', async (t) => {
  const histogram = createHistogram()
  histogram.record(-5)
  histogram.record(1e12)
  t.equal(histogram.count(), 2)
  t.equal(histogram.at(0.5), 0)
  t.ok(histogram.at(1) > 4e8)
})
