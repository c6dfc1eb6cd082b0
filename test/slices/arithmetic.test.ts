import fc from 'fast-check'
import t from 'tap'
import {
  coveringRun,
  missingRuns,
  runBytes,
  sliceCount,
  sliceIndex,
  sliceLength,
} from '../../lib/slices/arithmetic.ts'

const sliceSize = fc.integer({ min: 1, max: 16 * 1024 * 1024 })
/** Up to 1 TiB. */
const length = fc.integer({ min: 0, max: 2 ** 40 })

t.test('the slices of a representation cover it without gap or overlap', async () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1000 }), fc.integer({ min: 0, max: 50_000 }), (size, length) => {
      let at = 0
      for (let index = 0; index < sliceCount(length, size); index++) {
        const { first, last } = runBytes({ from: index, to: index }, size, length)
        if (first !== at || last - first + 1 !== sliceLength(index, size, length)) return false
        at = last + 1
      }
      return at === length
    }),
  )
})

t.test('every offset is in the slice of its index, and only in that', async () => {
  fc.assert(
    fc.property(sliceSize, length, (size, offset) => {
      const index = sliceIndex(offset, size)
      return index * size <= offset && offset < (index + 1) * size
    }),
  )
})

t.test('a covering run has the range, and no slice that the range does not touch', async () => {
  fc.assert(
    fc.property(sliceSize, length, length, (size, a, b) => {
      const range = { first: Math.min(a, b), last: Math.max(a, b) }
      const run = coveringRun(range, size)
      const bytes = runBytes(run, size, null)
      const tight = range.first - bytes.first < size && bytes.last - range.last < size
      return bytes.first <= range.first && range.last <= bytes.last && tight
    }),
  )
})

t.test('the last slice is short, except of an exact multiple', async (t) => {
  t.equal(sliceCount(0, 10), 0)
  t.equal(sliceCount(1, 10), 1)
  t.equal(sliceCount(10, 10), 1)
  t.equal(sliceCount(11, 10), 2)
  t.equal(sliceLength(1, 10, 11), 1)
  t.equal(sliceLength(0, 10, 10), 10)
  t.same(runBytes({ from: 1, to: 3 }, 10, 25), { first: 10, last: 24 })
  t.same(runBytes({ from: 1, to: 3 }, 10, null), { first: 10, last: 39 })
})

t.test('missing runs are all that is missing, each as long as it can be, in order', async () => {
  fc.assert(
    fc.property(fc.array(fc.boolean(), { minLength: 1, maxLength: 40 }), fc.nat({ max: 10 }), (has, from) => {
      const to = from + has.length - 1
      const runs = missingRuns(from, to, (index) => has[index - from])
      const missing = new Set<number>()
      for (const [i, run] of runs.entries()) {
        // A present slice stands between two runs.
        if (i > 0 && run.from <= runs[i - 1].to + 1) return false
        for (let index = run.from; index <= run.to; index++) missing.add(index)
      }
      return has.every((present, i) => missing.has(from + i) === !present)
    }),
  )
})
