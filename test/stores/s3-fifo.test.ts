import fc from 'fast-check'
import t from 'tap'
import { type Candidate, createS3Fifo, MAX_USES } from '../../lib/stores/s3-fifo.ts'

interface Item extends Candidate<Item> {
  readonly name: number
}

/** A cache of numbers; what is asked for and not there is stored. */
function createCache(maxBytes: number, isNeeded: (name: number) => boolean = () => false) {
  const items = new Map<number, Item>()
  const evicted: number[] = []
  const kept = createS3Fifo<Item>({
    maxBytes,
    isNeeded: ({ name }) => isNeeded(name),
    nameOf: ({ name }) => hash(name),
    onEvicted({ name }) {
      items.delete(name)
      evicted.push(name)
    },
  })
  return {
    items,
    evicted,
    kept,
    has: (name: number) => items.has(name),
    remove(name: number) {
      const item = items.get(name)
      if (item === undefined) return
      items.delete(name)
      kept.remove(item)
    },
    /** True for a hit. */
    ask(name: number, bytes = 100): boolean {
      const found = items.get(name)
      if (found !== undefined) {
        found.uses = Math.min(MAX_USES, found.uses + 1)
        return true
      }
      kept.makeRoom(bytes)
      const item: Item = { name, bytes, uses: 0, main: false, older: null, newer: null }
      kept.add(item, hash(name))
      items.set(name, item)
      return false
    },
  }
}

const hash = (name: number) => Math.imul(name + 1, 0x9e3779b1) >>> 0

const range = (from: number, count: number) => Array.from({ length: count }, (_, i) => from + i)

t.test('never takes more than it may, loses nothing, and always has what came last', async (t) => {
  const operation = fc.record({
    name: fc.nat(40),
    bytes: fc.integer({ min: 1, max: 3000 }),
    kind: fc.constantFrom('ask', 'ask', 'ask', 'ask', 'remove'),
  })
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 300 }), (operations) => {
      const cache = createCache(10_000)
      let before: number | undefined
      for (const { name, bytes, kind } of operations) {
        if (kind === 'remove') {
          cache.remove(name)
          if (before === name) before = undefined
        } else {
          cache.ask(name, bytes)
          t.ok(cache.has(name))
          // Heads and their slice come one after the other.
          if (before !== undefined) t.ok(cache.has(before), 'the one before it is there too')
          before = name
        }
        const sum = [...cache.items.values()].reduce((all, each) => all + each.bytes, 0)
        t.ok(cache.kept.bytes() >= sum && cache.kept.bytes() <= 10_000)
        t.ok(cache.kept.bytes() - sum <= 10_000 / 64, 'what is remembered of others takes little')
      }
      for (const name of [...cache.items.keys()]) cache.remove(name)
      t.ok(cache.kept.bytes() <= 10_000 / 64)
      cache.kept.clear()
      t.equal(cache.kept.bytes(), 0)
    }),
    { numRuns: 200 },
  )
})

t.test('one entry may take everything there is', async (t) => {
  const cache = createCache(10_000)
  for (const name of range(0, 200)) cache.ask(name)
  cache.ask(1000, 10_000)
  t.same([...cache.items.keys()], [1000])
  t.equal(cache.kept.bytes(), 10_000)
})

t.test('what was asked for twice survives a scan of any length', async (t) => {
  const cache = createCache(10_000)
  const hot = range(0, 40)
  for (const name of [...hot, ...hot]) cache.ask(name)
  for (const name of range(1000, 100_000)) cache.ask(name)
  t.ok(
    hot.every((name) => cache.has(name)),
    'nothing but the small queue was needed for it',
  )
})

t.test('what nobody asks for any more leaves, however hot it was', async (t) => {
  const cache = createCache(10_000)
  for (const _ of range(0, 10)) for (const name of range(0, 80)) cache.ask(name)
  for (const name of range(1000, 2000)) {
    cache.ask(name)
    cache.ask(name)
  }
  t.equal(range(0, 80).filter((name) => cache.has(name)).length, 0)
})

t.test('what comes back soon after it left is spared the small queue', async (t) => {
  const cache = createCache(10_000)
  for (const name of range(0, 120)) cache.ask(name)
  t.notOk(cache.has(0))
  cache.ask(0)
  for (const name of range(1000, 30)) cache.ask(name)
  t.ok(cache.has(0), 'others of its time have left')
  t.notOk(cache.has(1))
})

t.test('a large entry comes back as soon only if a cache of such entries would have had it', async (t) => {
  const cache = createCache(100_000)
  cache.ask(0, 9000)
  for (const name of range(1, 120)) cache.ask(name, 1000)
  const since = cache.evicted.length - 1 - cache.evicted.indexOf(0)
  t.ok(cache.evicted.includes(0))
  t.ok(since * 9000 > 100_000 && since * 1000 < 90_000, 'too long ago for its size, not for that of others')
  cache.ask(0, 9000)
  t.notOk(cache.items.get(0)!.main)
  cache.ask(1, 1000)
  t.ok(cache.items.get(1)!.main)
})

t.test('an entry much larger than the others has to be asked for more often to stay', async (t) => {
  const cache = createCache(100_000)
  const uses: [name: number, bytes: number, uses: number][] = [
    [1, 900, 1],
    [2, 900, 3],
    [3, 500, 1],
    [4, 500, 2],
    [5, 100, 1],
  ]
  for (const [name, bytes, count] of uses) for (const _ of range(0, count + 1)) cache.ask(name, bytes)
  for (const name of range(1000, 2000)) cache.ask(name)
  t.same(
    uses.filter(([name]) => cache.has(name)).map(([name]) => name),
    [2, 4, 5],
  )
})

t.test('one put spares a bounded number of entries, though all were in use', async (t) => {
  const cache = createCache(1_000_000)
  const all = range(0, 9000)
  for (const _ of range(0, 2)) for (const name of all) cache.ask(name)
  for (const name of range(10_000, 1000)) cache.ask(name) // now they are in the main queue, and it is full
  while (cache.evicted.length === 0) cache.ask(20_000 + cache.items.size)
  for (const item of cache.items.values()) item.uses = MAX_USES
  const evicted = cache.evicted.length
  cache.kept.makeRoom(1_000_000 - cache.kept.bytes() + 100)
  t.equal(cache.evicted.length, evicted + 1)
  const spared = [...cache.items.values()].filter((item) => item.uses < MAX_USES).length
  t.ok(spared <= 64 + cache.items.size - 8900, `${spared} were spared`)
})

t.test('what others need is not evicted before them', async (t) => {
  // 0 is needed for 1 and 2; neither is asked for again.
  const cache = createCache(10_000, (name) => name === 0 && (cache.has(1) || cache.has(2)))
  for (const name of [0, 1, 2]) cache.ask(name)
  for (const name of range(1000, 20_000)) cache.ask(name)
  const left = [1, 2, 0].map((name) => cache.evicted.indexOf(name))
  t.ok(left[0] >= 0 && left[0] < left[1])
  t.ok(left[2] === -1 || left[2] > left[1])
})

t.test(
  'what needs others goes before them, also where the main queue holds little else than those',
  async (t) => {
    // 100 needs 0, 101 needs 1 and so on: large heads with small slices.
    const cache = createCache(10_000, (name) => name < 50 && cache.has(name + 100))
    for (const _ of range(0, 2)) for (const name of range(0, 9)) cache.ask(name, 1000)
    for (const name of range(100, 9)) cache.ask(name, 50)
    for (const name of range(200, 4)) {
      cache.ask(name, 500)
      for (const slice of range(100, 9)) if (cache.has(slice)) t.ok(cache.has(slice - 100), `${slice - 100}`)
    }
  },
)

t.test('what came last stays for the next one, though it is larger than the small queue', async (t) => {
  const cache = createCache(10_000)
  for (const _ of range(0, 3)) for (const name of range(0, 98)) cache.ask(name)
  cache.ask(1000, 2000)
  cache.ask(1001)
  t.ok(cache.has(1000))
})

t.test('what replaces an entry is as hot as that was', async (t) => {
  const cache = createCache(10_000)
  for (const name of [1, 1]) cache.ask(name)
  for (const name of range(1000, 200)) cache.ask(name)
  const before = cache.items.get(1)!
  t.ok(before.main)
  before.uses = 2
  cache.remove(1)
  const after: Item = { name: 1, bytes: 90, uses: 0, main: false, older: null, newer: null }
  cache.kept.replace(after, before)
  t.ok(after.main)
  t.equal(after.uses, 2)
})
