import fc from 'fast-check'
import t from 'tap'
import { createAdmission } from '../../../lib/stores/raw-disk/admission.ts'

const BYTES = 32 * 1024
/** What a half is made for: ten bits a name. */
const NAMES = (BYTES * 8) / 2 / 10

const random = (seed: number) => {
  let state = seed
  return () => {
    state = (state + 0x9e3779b9) | 0
    let word = Math.imul(state ^ (state >>> 16), 0x21f0aaad)
    word = Math.imul(word ^ (word >>> 15), 0x735a2d97)
    return (word ^ (word >>> 15)) >>> 0
  }
}

/** The two words of the nth of many names. */
const shapes: Record<string, (next: () => number, n: number) => [number, number]> = {
  'all of it random': (next) => [next(), next()],
  'slices of one object, which differ in one word': (_, n) => [0x12345678, Math.imul(n, 0x9e3779b1) >>> 0],
  'a counter in the other word': (_, n) => [n, 0],
}

t.test('a name is second from the second time on', async () => {
  const name = fc.tuple(fc.integer({ min: 0, max: 0xffffffff }), fc.integer({ min: 0, max: 0xffffffff }))
  fc.assert(
    fc.property(fc.uniqueArray(name, { maxLength: 100, selector: String }), (names) => {
      const admission = createAdmission({ bytes: BYTES })
      for (const each of names) if (admission.isSecond(...each)) throw new Error(`${each} is new`)
      for (const each of names) if (!admission.isSecond(...each)) throw new Error(`${each} is known`)
      for (const each of names) if (!admission.isSecond(...each)) throw new Error(`${each} is known still`)
    }),
    { numRuns: 50 },
  )
})

t.test('fewer than one new name in fifty looks known, however many there were', async (t) => {
  for (const [shape, nameOf] of Object.entries(shapes)) {
    const admission = createAdmission({ bytes: BYTES })
    const next = random(7)
    let wrong = 0
    const count = Math.floor(NAMES * 8)
    for (let n = 0; n < count; n++) if (admission.isSecond(...nameOf(next, n))) wrong++
    t.ok(wrong / count < 0.02, `${wrong} of ${count}: ${shape}`)
    t.ok(wrong > 0, 'a filter of that size cannot be perfect')
  }
})

t.test(
  'what was seen is known for as many other names as a half is made for, and forgotten at last',
  async (t) => {
    const admission = createAdmission({ bytes: BYTES })
    const next = random(3)
    const seen = Array.from({ length: 200 }, () => [next(), next()] as const)
    for (const each of seen) admission.isSecond(...each)
    for (let n = 0; n < NAMES - 200; n++) admission.isSecond(next(), next())
    t.equal(seen.slice(0, 100).filter((each) => admission.isSecond(...each)).length, 100, 'all of them')
    for (let n = 0; n < NAMES * 2; n++) admission.isSecond(next(), next())
    const late = seen.slice(100).filter((each) => admission.isSecond(...each)).length
    t.ok(late < 10, `${late} of 100 look known still`)
  },
)

t.test('what keeps coming is never forgotten', async (t) => {
  const admission = createAdmission({ bytes: BYTES })
  const next = random(5)
  admission.isSecond(1, 2)
  for (let turn = 0; turn < 20; turn++) {
    for (let n = 0; n < NAMES / 2; n++) admission.isSecond(next(), next())
    t.ok(admission.isSecond(1, 2))
  }
})

t.test('too little memory is refused', async (t) => {
  t.throws(() => createAdmission({ bytes: 100 }), RangeError)
  t.throws(() => createAdmission({ bytes: Number.NaN }), RangeError)
})
