import fc from 'fast-check'
import t from 'tap'
import {
  coveringRun,
  missingRuns,
  neededPart,
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

t.test('a part is needed of slices that are not small, when it is not more than half of one', async (t) => {
  const S = 256 * 1024
  const length = 3 * S + 200_000
  const cases: [number, number, { from: number; to: number } | undefined][] = [
    [0, length - 1, undefined],
    [0, S / 2 - 1, { from: 0, to: S / 2 }],
    [0, S / 2, undefined],
    [S + 7, S + 7, { from: 7, to: 8 }],
    [S + S / 2, length, { from: S / 2, to: S }],
    [S + S / 2 - 1, length, undefined],
    [3 * S, Number.POSITIVE_INFINITY, undefined],
    [3 * S + 100_000, Number.POSITIVE_INFINITY, { from: 100_000, to: 200_000 }],
  ]
  for (const [offset, last, part] of cases) {
    t.same(neededPart(offset, last, S, length), part, `${offset}-${last}`)
  }
  t.equal(neededPart(0, 0, 128 * 1024 - 1, length), undefined, 'a small slice')
  t.same(neededPart(0, 0, 128 * 1024, length), { from: 0, to: 1 })
  t.equal(neededPart(3 * S, 3 * S, S, 3 * S + 100_000), undefined, 'a small last slice')
  t.same(neededPart(3 * S, 3 * S, S, null), { from: 0, to: 1 }, 'of unknown length')
})
