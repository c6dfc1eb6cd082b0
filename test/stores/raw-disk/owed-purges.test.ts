import t from 'tap'
import { createOwedPurges } from '../../../lib/stores/raw-disk/owed-purges.ts'
import type { SliceStore } from '../../../lib/stores/store.ts'

/** A store that writes down what it is told to forget, and says so many were there. */
function listener() {
  const told: string[] = []
  const store = {
    drop: async (key: string) => told.push(`drop ${key}`),
    clear: async () => told.push('clear') + 99,
    dropGeneration: (key: string, generation: number) => void told.push(`generation ${key} ${generation}`),
    putHeads: (key: string, heads: unknown[]) => told.push(`heads ${key} ${heads.length}`) > 0,
  }
  return { told, store: store as unknown as SliceStore }
}

const ignored = () => {}

t.test('what is owed is forgotten in the store, once, and who waits is told how much it was', async (t) => {
  const owed = createOwedPurges(ignored)
  const { told, store } = listener()
  t.ok(owed.isEmpty)
  const counts = [owed.drop('a'), owed.drop('a'), owed.drop('b')]
  owed.dropHeads('a')
  owed.dropHeads('c')
  owed.dropHeads('c')
  owed.dropGeneration('c', 7)
  owed.dropGeneration('c', 8)
  t.notOk(owed.isEmpty)
  await owed.apply(store)
  t.ok(owed.isEmpty)
  t.same(told, ['drop a', 'drop b', 'heads c 0', 'generation c 7', 'generation c 8'])
  t.same(await Promise.all(counts), [1, 1, 2])
  await owed.apply(store)
  t.equal(told.length, 5)
})

t.test('everything stands for what was owed before and what comes after', async (t) => {
  const owed = createOwedPurges(ignored)
  const { told, store } = listener()
  const before = owed.drop('a')
  const all = owed.clear()
  const after = owed.drop('b')
  owed.dropHeads('c')
  owed.dropGeneration('c', 1)
  await owed.apply(store)
  t.same(told, ['clear'])
  t.same(await Promise.all([before, all, after]), [0, 100, 0])
})

t.test('a promise resolves when that of the store does', async (t) => {
  const owed = createOwedPurges(ignored)
  const { store } = listener()
  const durable = Promise.withResolvers<number>()
  let told: number | undefined
  void owed.drop('a').then((count) => (told = count))
  await owed.apply({ ...store, drop: () => durable.promise })
  await new Promise(setImmediate)
  t.equal(told, undefined)
  durable.resolve(3)
  await new Promise(setImmediate)
  t.equal(told, 3)
})

t.test('with too many keys everything is forgotten', async (t) => {
  let warnings = 0
  const owed = createOwedPurges(() => warnings++, 10)
  const { told, store } = listener()
  const first = owed.drop('0')
  for (let i = 0; i < 10; i++) owed.dropHeads(`${i}`)
  t.equal(warnings, 0)
  const last = owed.drop('10')
  owed.dropHeads('11')
  t.equal(warnings, 1)
  await owed.apply(store)
  t.same(told, ['clear'])
  t.same(await Promise.all([first, last]), [0, 0])
})

t.test('what comes while it is applied is owed still', async (t) => {
  const owed = createOwedPurges(ignored)
  const { told, store } = listener()
  owed.dropHeads('a')
  const late: Promise<number>[] = []
  const busy = {
    ...store,
    putHeads(key: string, heads: []) {
      if (key === 'a') late.push(owed.clear())
      return store.putHeads(key, heads)
    },
  }
  while (!owed.isEmpty) await owed.apply(busy)
  t.same(told, ['heads a 0', 'clear'])
  t.same(await Promise.all(late), [101])
})

t.test('without a store to come everybody is told that nothing was removed', async (t) => {
  const owed = createOwedPurges(ignored)
  const counts = [owed.drop('a'), owed.drop('b')]
  owed.giveUp()
  const later = [owed.clear(), owed.drop('c')]
  owed.giveUp()
  t.same(await Promise.all([...counts, ...later]), [0, 0, 0, 0])
})
