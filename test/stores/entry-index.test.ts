import fc from 'fast-check'
import t from 'tap'
import { createEntryIndex, HEADS } from '../../lib/stores/entry-index.ts'

const operation = fc.record({
  kind: fc.constantFrom('add', 'addOldest', 'touch', 'remove'),
  object: fc.constantFrom('a', 'b', 'c'),
  generation: fc.constantFrom(HEADS, 1, 2),
  index: fc.constantFrom(0, 1, 5, 100_000),
  bytes: fc.nat(1000),
})

t.test('agrees with a plain list in order of use', async (t) => {
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 60 }), (operations) => {
      const index = createEntryIndex<number>()
      let model: { name: string; object: string; bytes: number }[] = []
      for (const { kind, object, generation, index: slice, bytes } of operations) {
        const at = generation === HEADS ? 0 : slice
        const name = `${object} ${generation} ${at}`
        const entry = index.find(object, generation, at)
        const known = model.find((each) => each.name === name)
        t.equal(entry === undefined, known === undefined)
        const rest = model.filter((each) => each.name !== name)
        if (kind === 'add') {
          index.add(object, generation, at, bytes, 0)
          model = [...rest, { name, object, bytes }]
        } else if (kind === 'addOldest' && entry === undefined) {
          index.addOldest(object, generation, at, bytes, 0)
          model = [{ name, object, bytes }, ...rest]
        } else if (kind === 'touch' && entry !== undefined) {
          index.touch(entry)
          model = [...rest, known!]
        } else if (kind === 'remove' && entry !== undefined) {
          index.remove(entry)
          model = rest
        }
        t.equal(index.count(), model.length)
        t.equal(
          index.bytes(),
          model.reduce((sum, each) => sum + each.bytes, 0),
        )
        t.equal(index.entriesOf('a').length, model.filter((each) => each.object === 'a').length)
      }
      for (const { name } of model) {
        const oldest = index.oldest()!
        t.equal(`${oldest.object} ${oldest.generation} ${oldest.index}`, name)
        index.remove(oldest)
      }
      t.equal(index.oldest(), undefined)
    }),
    { numRuns: 50 },
  )
})

t.test('lists one generation of an object', async (t) => {
  const index = createEntryIndex<number>()
  index.add('a', 1, 0, 1, 0)
  index.add('a', 2, 1_000_000, 1, 0)
  t.same(
    index.entriesOf('a', 2).map((each) => each.index),
    [1_000_000],
  )
})
