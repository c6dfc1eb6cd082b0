import fc from 'fast-check'
import t from 'tap'
import { createArena, PAGE, POISON } from '../../lib/stores/slabs.ts'

const slabOf = (pages: number, options?: { poison?: boolean }) =>
  createArena(pages * PAGE).slab(pages * PAGE, options)

t.test('memory begins on a page and is whole pages', async (t) => {
  const slab = slabOf(16)
  const buffer = slab.take(5000)!
  t.equal(buffer.byteOffset % PAGE, 0)
  t.equal(buffer.length, 2 * PAGE)
  t.equal(slab.usedBytes(), 2 * PAGE)
})

t.test('slabs of an arena do not overlap and end where it ends', async (t) => {
  const arena = createArena(16 * PAGE)
  const [a, b] = [arena.slab(7 * PAGE), arena.slab(9 * PAGE - 1)]
  const ofA = a.take(7 * PAGE)!.fill(1)
  b.take(9 * PAGE)!.fill(2)
  t.ok(ofA.every((byte) => byte === 1))
  const first = createArena(16 * PAGE)
    .slab(PAGE)
    .take(PAGE)!
  t.not(first[0], 1, 'another arena is other memory')
  t.throws(() => arena.slab(1), RangeError)
  t.throws(() => createArena(16 * PAGE).slab(0), RangeError)
  const odd = createArena(15 * PAGE)
  odd.slab(15 * PAGE)
  t.throws(() => odd.slab(PAGE), RangeError, 'beyond what the system gave')
  t.throws(() => b.give(ofA), RangeError)
})

t.test('a slab that is full gives nothing', async (t) => {
  const slab = slabOf(4)
  t.ok(slab.take(3 * PAGE))
  t.equal(slab.take(2 * PAGE), undefined)
  t.ok(slab.take(PAGE))
  t.equal(slab.take(1), undefined)
})

t.test('who waits is served in order, and take does not overtake', async (t) => {
  const slab = slabOf(4)
  const all = slab.take(4 * PAGE)!
  const served: string[] = []
  const large = slab.wait(3 * PAGE).then(() => served.push('large'))
  const small = slab.wait(PAGE).then(() => served.push('small'))
  slab.give(all.subarray(0, 2 * PAGE))
  await new Promise(setImmediate)
  t.same(served, [], 'the small one waits behind the large one')
  t.equal(slab.take(PAGE), undefined)
  slab.give(all.subarray(2 * PAGE))
  await Promise.all([large, small])
  t.same(served, ['large', 'small'])
  t.equal(slab.usedBytes(), 4 * PAGE)
})

t.test('what could never fit is told at once', async (t) => {
  const slab = slabOf(4)
  t.equal(slab.take(5 * PAGE), undefined)
  await t.rejects(slab.wait(4 * PAGE + 1), RangeError)
  await t.rejects(slab.wait(0), RangeError)
  await t.rejects(slab.wait(Number.NaN), RangeError)
  t.throws(() => slab.take(-1), RangeError)
})

t.test('refuses to take back what is not its own, not on a page, or back already', async (t) => {
  const slab = slabOf(8)
  const buffer = slab.take(4 * PAGE)!
  const stranger = slabOf(1).take(PAGE)!
  t.throws(() => slab.give(stranger), RangeError)
  t.throws(() => slab.give(buffer.subarray(1)), RangeError)
  t.throws(() => slab.give(buffer.subarray(0, 0)), RangeError)
  slab.give(buffer.subarray(PAGE, 2 * PAGE))
  t.throws(() => slab.give(buffer.subarray(PAGE, 2 * PAGE)), RangeError)
  t.throws(() => slab.give(buffer), RangeError, 'a part of it is back')
  t.equal(slab.usedBytes(), 3 * PAGE, 'a refused give changes nothing')
  const over = Buffer.from(buffer.buffer, buffer.byteOffset + 7 * PAGE, PAGE)
  t.throws(() => slab.give(over), RangeError, 'it was never taken')
})

t.test('a part that ends within a page stands for the page', async (t) => {
  const slab = slabOf(4)
  slab.give(slab.take(5000)!.subarray(0, 5000))
  t.equal(slab.usedBytes(), 0)
})

t.test('given pages are overwritten where that is asked for, others are not', async (t) => {
  const slab = slabOf(4, { poison: true })
  const buffer = slab.take(3 * PAGE)!.fill(7)
  slab.give(buffer.subarray(PAGE, PAGE + 10))
  t.equal(buffer[PAGE - 1], 7)
  t.equal(buffer[PAGE], POISON)
  t.equal(buffer[2 * PAGE - 1], POISON)
  t.equal(buffer[2 * PAGE], 7)
})

/** What a sequence of takes and gives in parts does, and what remains to be given. */
const steps = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: fc.record({ take: fc.integer({ min: 1, max: 9 * PAGE }) }) },
    { weight: 4, arbitrary: fc.record({ give: fc.nat(), from: fc.nat(), to: fc.nat() }) },
  ),
  { maxLength: 200 },
)

t.test('nothing is held twice, free runs are joined, and the whole comes back', async (t) => {
  const PAGES = 40
  fc.assert(
    fc.property(steps, (steps) => {
      const slab = slabOf(PAGES)
      const base = slab.take(PAGES * PAGE)!
      slab.give(base)
      const heldBy: (Buffer | null)[] = new Array(PAGES).fill(null)
      const held: Buffer[] = []
      const pageOf = (buffer: Buffer) => (buffer.byteOffset - base.byteOffset) / PAGE
      const longestFree = () =>
        Math.max(...heldBy.map((_, at) => [...heldBy, base].findIndex((each, i) => i >= at && each) - at))

      for (const step of steps) {
        if ('take' in step) {
          const wanted = Math.ceil(step.take / PAGE)
          const fits = longestFree() >= wanted
          const buffer = slab.take(step.take)
          if (fits !== !!buffer) throw new Error(`${wanted} pages, longest run ${longestFree()}: ${!!buffer}`)
          if (!buffer) continue
          for (let page = 0; page < wanted; page++) {
            if (heldBy[pageOf(buffer) + page]) throw new Error('overlaps')
            heldBy[pageOf(buffer) + page] = buffer
          }
          held.push(buffer)
        } else if (held.length > 0) {
          const [buffer] = held.splice(step.give % held.length, 1)
          const pages = buffer.length / PAGE
          const from = step.from % pages
          const to = from + 1 + (step.to % (pages - from))
          slab.give(buffer.subarray(from * PAGE, to * PAGE))
          heldBy.fill(null, pageOf(buffer) + from, pageOf(buffer) + to)
          if (from > 0) held.push(buffer.subarray(0, from * PAGE))
          if (to < pages) held.push(buffer.subarray(to * PAGE))
        }
        if (slab.usedBytes() !== heldBy.filter(Boolean).length * PAGE) throw new Error('usedBytes')
      }
      for (const buffer of held) slab.give(buffer)
      return slab.take(PAGES * PAGE)?.length === PAGES * PAGE
    }),
  )
  t.pass()
})
