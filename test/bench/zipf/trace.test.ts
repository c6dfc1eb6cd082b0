import { isDeepStrictEqual } from 'node:util'
import t from 'tap'
import { createTrace, createZipf, figuresOf, MIXED, type TraceOptions } from '../../../bench/zipf/trace.ts'

const SMALL: TraceOptions = { ...MIXED, objects: 10_000, requests: 50_000, crawlLength: 500, shifts: 20 }
/** The catalogue alone. */
const PLAIN: TraceOptions = { ...SMALL, once: 0, crawls: 0, shifts: 0 }

function countsOf(ids: Uint32Array): number[] {
  const counts: number[] = []
  for (const id of ids) counts[id] = (counts[id] ?? 0) + 1
  return counts
}

t.test('the same seed makes the same trace, another one another', async (t) => {
  const [one, again, other] = [SMALL, SMALL, { ...SMALL, seed: 7 }].map(createTrace)
  // Not t.same: that describes how tens of thousands of numbers differ.
  t.ok(isDeepStrictEqual(one, again))
  t.notOk(isDeepStrictEqual(one.ids, other.ids))
  t.notOk(isDeepStrictEqual(one.sizes, other.sizes))
})

t.test('ranks follow the law of Zipf', async (t) => {
  const draw = createZipf(1000, 0.9)
  const counts = new Float64Array(1000)
  const steps = 1_000_000
  for (let i = 0; i < steps; i++) counts[draw(i / steps)]++
  let sum = 0
  for (let rank = 1; rank <= 1000; rank++) sum += rank ** -0.9
  for (const rank of [1, 2, 10, 100, 1000]) {
    const share = rank ** -0.9 / sum
    t.ok(Math.abs(counts[rank - 1] / steps - share) < 2 / steps, `rank ${rank}`)
  }
  t.equal(draw(0), 0)
  t.equal(draw(1 - 2 ** -53), 999)
})

t.test(
  'the popular objects of the catalogue are popular as they should be, wherever they stand in it',
  async (t) => {
    const counts = countsOf(createTrace(PLAIN).ids)
    const sorted = counts.filter((count) => count > 0).toSorted((a, b) => b - a)
    const ratio = Math.log(sorted[0] / sorted[99]) / Math.log(100)
    t.ok(Math.abs(ratio - 0.9) < 0.1, `the exponent of the first hundred is ${ratio}`)
    t.ok(counts.indexOf(sorted[0]) > 100, 'the catalogue is not in the order of popularity')
  },
)

t.test('sizes are log-normal within their limits', async (t) => {
  const { sizes } = createTrace({ ...PLAIN, objects: 100_000 })
  const sorted = sizes.toSorted()
  const at = (share: number) => sorted[Math.floor(sorted.length * share)]
  t.ok(Math.abs(at(0.5) / MIXED.medianBytes - 1) < 0.03, `median ${at(0.5)}`)
  // One and two standard deviations of the normal distribution.
  t.ok(Math.abs(Math.log(at(0.8413) / at(0.5)) - MIXED.sigma) < 0.05, `84 %: ${at(0.8413)}`)
  t.ok(Math.abs(Math.log(at(0.9772) / at(0.5)) - 2 * MIXED.sigma) < 0.1, `98 %: ${at(0.9772)}`)
  t.ok(sorted[0] >= MIXED.minBytes && sorted[sorted.length - 1] <= MIXED.maxBytes)
})

t.test('objects outside of the catalogue are asked for once', async (t) => {
  const trace = createTrace(SMALL)
  const outside = countsOf(trace.ids).slice(SMALL.objects)
  t.equal(trace.sizes.length, SMALL.objects + outside.length)
  t.ok(outside.every((count) => count === 1))
  const others = SMALL.requests - SMALL.crawls * SMALL.crawlLength
  t.ok(Math.abs(outside.length / others - SMALL.once) < 0.01, `${outside.length} of ${others}`)
})

t.test('crawlers walk through the catalogue', async (t) => {
  const { ids } = createTrace(SMALL)
  let longest: number[] = []
  let run = 1
  for (let at = 1; at < ids.length; at++) {
    run = ids[at] === (ids[at - 1] + 1) % SMALL.objects ? run + 1 : 1
    if (run >= SMALL.crawlLength) longest = [...longest, run]
  }
  t.equal(longest.length, SMALL.crawls)
})

t.test('popularity shifts in the course of a trace', async (t) => {
  const hottest = (ids: Uint32Array) => {
    const counts = countsOf(ids)
    return [...counts.keys()].sort((a, b) => (counts[b] ?? 0) - (counts[a] ?? 0)).slice(0, 10)
  }
  const common = (options: TraceOptions) => {
    const { ids } = createTrace(options)
    const [first, last] = [hottest(ids.subarray(0, 10_000)), hottest(ids.subarray(-10_000))]
    return first.filter((id) => last.includes(id)).length
  }
  t.ok(common(PLAIN) > 7)
  t.ok(common({ ...PLAIN, shifts: 200 }) < 6)
})

t.test('the figures of a trace', async (t) => {
  const sizes = Uint32Array.of(5, 10, 100, 1000)
  t.same(figuresOf({ options: MIXED, ids: Uint32Array.of(1, 2, 1, 0), sizes }), {
    distinct: 3,
    distinctBytes: 115,
    requestedBytes: 125,
    askedOnce: 2,
    largestBytes: 100,
  })
})
