import fc from 'fast-check'
import t from 'tap'
import {
  type Carriable,
  chooseCarried,
  chooseVictim,
  reserveOf,
} from '../../../lib/stores/raw-disk/victim.ts'

const CLEAN = 0
const OPEN = 1
const SEALED = 2
const USED = 100

interface Region {
  state: number
  live: number
  generation: number
  busy: boolean
}

const sealed = (generation: number, live: number): Region => ({
  state: SEALED,
  live,
  generation,
  busy: false,
})

function victimOf(regions: Region[]): number {
  return chooseVictim({
    count: regions.length,
    state: Uint8Array.from(regions, (each) => each.state),
    live: Uint32Array.from(regions, (each) => each.live),
    used: Uint32Array.from(regions, (each) => (each.state === CLEAN ? 0 : USED)),
    generation: Float64Array.from(regions, (each) => each.generation),
    busy: (region) => regions[region].busy,
  })
}

t.test('takes one with nothing alive before all others', async (t) => {
  t.equal(victimOf([sealed(1, 5), sealed(2, 50), sealed(9, 0), sealed(3, 1)]), 2)
})

t.test('takes the one with most dead blocks, if they are four fifths', async (t) => {
  t.equal(victimOf([sealed(1, 50), sealed(5, 19), sealed(9, 10), sealed(3, 15)]), 2)
  t.equal(victimOf([sealed(1, 50), sealed(5, 20)]), 1, 'just enough')
  t.equal(victimOf([sealed(1, 50), sealed(9, 10), sealed(3, 10)]), 2, 'the older one of two')
  t.equal(victimOf([sealed(1, 50), sealed(3, 10), sealed(9, 10)]), 1)
})

t.test('else takes the oldest', async (t) => {
  t.equal(victimOf([sealed(7, 50), sealed(2 ** 40, 21), sealed(3, 100), sealed(5, 21)]), 2)
  t.equal(victimOf([sealed(2 ** 32 + 7, 50), sealed(2 ** 33, 50), sealed(2 ** 32 + 6, 50)]), 2)
})

t.test('takes none that is clean, open or busy', async (t) => {
  const region = fc.record({
    state: fc.constantFrom(CLEAN, OPEN, SEALED),
    live: fc.oneof(fc.nat(USED), fc.constantFrom(0, 20)),
    generation: fc.nat(1000),
    busy: fc.boolean(),
  })
  fc.assert(
    fc.property(fc.array(region, { maxLength: 12 }), (regions) => {
      const victim = victimOf(regions)
      const may = regions.filter((each) => each.state === SEALED && !each.busy)
      if (victim === -1) return may.length === 0
      const chosen = regions[victim]
      if (!may.includes(chosen)) return false
      const least = Math.min(...may.map((each) => each.live))
      if (least <= 20) return chosen.live === least
      return chosen.generation === Math.min(...may.map((each) => each.generation))
    }),
    { numRuns: 500 },
  )
  t.equal(victimOf([]), -1)
})

const entry = (id: number, blocks: number, kind: 'plain' | 'hit' | 'heads' | 'needed' | 'needed and hit') => {
  const wasHit = kind.endsWith('hit')
  return { id, blocks, wasHit, isHeads: /heads|needed/.test(kind), needed: kind.startsWith('needed') }
}

t.test('carries needed heads first, then what was hit, the small before the large', async (t) => {
  const entries = [
    entry(1, 10, 'hit'),
    entry(2, 1, 'plain'),
    entry(3, 3, 'needed'),
    entry(4, 4, 'hit'),
    entry(5, 2, 'heads'),
    entry(6, 4, 'needed and hit'),
    entry(7, 2, 'needed'),
  ]
  t.same(chooseCarried(entries, 100), [6, 7, 3, 4, 1])
  t.same(chooseCarried(entries, 9), [6, 7, 3])
  t.same(chooseCarried(entries, 5), [6], 'of the others none has room')
  t.same(chooseCarried(entries, 19), [6, 7, 3, 4], 'the largest has no room')
  t.same(chooseCarried([entry(1, 10, 'hit'), entry(2, 8, 'needed')], 10), [2])
  t.same(chooseCarried([entry(1, 4, 'needed and hit'), entry(2, 3, 'hit')], 3), [2], 'what fits, fits')
  t.same(chooseCarried([entry(1, 1, 'plain'), entry(2, 1, 'heads')], 10), [])
})

t.test(
  'carries no more than it may, nothing that has no worth, and leaves out only what has no room',
  async () => {
    const kinds = fc.constantFrom('plain', 'hit', 'heads', 'needed', 'needed and hit')
    const arbitrary = fc.array(fc.tuple(fc.integer({ min: 1, max: 50 }), kinds), { maxLength: 30 })
    fc.assert(
      fc.property(arbitrary, fc.nat(400), (each, maxBlocks) => {
        const entries: Carriable[] = each.map(([blocks, kind], id) => entry(id, blocks, kind))
        const ids = new Set(chooseCarried(entries, maxBlocks))
        const chosen = entries.filter(({ id }) => ids.has(id))
        const sum = chosen.reduce((total, { blocks }) => total + blocks, 0)
        if (sum > maxBlocks || chosen.length !== ids.size) throw new Error(`${sum} blocks`)
        for (const { id, wasHit, needed, blocks } of entries) {
          if (ids.has(id) && !wasHit && !needed) throw new Error('of no worth')
          if (!ids.has(id) && (wasHit || needed) && blocks <= maxBlocks - sum) throw new Error('had room')
        }
      }),
      { numRuns: 500 },
    )
  },
)

t.test('keeps a full cache between 0.8 and 0.9 used, where the number of regions allows it', async () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 3, max: 5000 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (regions, open) => {
        const reserve = reserveOf(regions)
        const used = (regions - reserve - 1 + open) / regions
        if (reserve < 2 || reserve >= regions) throw new Error(`${reserve} of ${regions}`)
        if (used > 0.9 && regions >= 10) throw new Error(`${used} used with ${reserve} of ${regions} clean`)
        if (used < 0.8 && regions >= 15) throw new Error(`${used} used with ${reserve} of ${regions} clean`)
        if (regions >= 100 && Math.abs(reserve / regions - 0.12) > 0.01) throw new Error(`${reserve} clean`)
      },
    ),
    { numRuns: 2000 },
  )
})
