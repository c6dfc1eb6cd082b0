import fc from 'fast-check'
import t from 'tap'
import { createIdTable } from '../../../lib/stores/raw-disk/index/table.ts'
import { createIndex, HEADS_NAME, MAX_BLOCKS, type RawIndex } from '../../../lib/stores/raw-disk/index.ts'

const REGIONS = 4
const BLOCKS_PER_REGION = 100
const U32 = 0xffffffff

interface Entry {
  name: readonly [number, number, number, number]
  block: number
  blocks: number
  flags: number
  expires: number
}

const u32 = fc.integer({ min: 0, max: U32 })
const byte = fc.nat(255)
const block = fc.nat(REGIONS * BLOCKS_PER_REGION - 1)
const blocks = fc.oneof(fc.integer({ min: 1, max: 9 }), fc.constantFrom(MAX_BLOCKS, 2 ** 23))
// Few names, so that they come again, and objects that differ in one half only.
const name = fc.tuple(
  fc.constantFrom(0, 1, 2, U32),
  fc.constantFrom(0, 1, U32),
  fc.constantFrom(0, 7, HEADS_NAME),
  fc.constantFrom(0, 1, 2, 2 ** 31, HEADS_NAME),
)
const operation = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('add' as const),
      name,
      block,
      blocks,
      flags: byte,
      expires: u32,
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('remove' as const), name }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('change' as const), name, flags: byte, expires: u32 }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('move' as const), name, block, blocks }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('drop' as const), name }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('reclaim' as const), region: fc.nat(REGIONS - 1) }) },
)
// Capacities decide how many bits of a slot are left for the tag: with 2^30 only one, so nearly all look alike.
const shape = fc.record({
  capacity: fc.constantFrom(20, 1000, 2 ** 30),
  shards: fc.constantFrom(undefined, 1, 2),
  expected: fc.constantFrom(0, 100),
})

const entryOf = (index: RawIndex, id: number): Entry => ({
  name: [index.objectLow(id), index.objectHigh(id), index.generation(id), index.index(id)],
  block: index.block(id),
  blocks: index.blocks(id),
  flags: index.flags(id),
  expires: index.expires(id),
})

const add = (index: RawIndex, { name, block, blocks, flags, expires }: Entry): number =>
  index.add(...name, block, blocks, flags, expires)

const sorted = (entries: Iterable<Entry>): string[] => [...entries].map((each) => JSON.stringify(each)).sort()

function expectSame(found: Iterable<Entry>, expected: Iterable<Entry>, what: string): void {
  const [a, b] = [sorted(found), sorted(expected)]
  if (JSON.stringify(a) !== JSON.stringify(b)) throw new Error(`${what}: ${a.join()} instead of ${b.join()}`)
}

function expectAll(index: RawIndex, model: Map<string, Entry>): void {
  const entries = [...model.values()]
  if (index.count !== entries.length) throw new Error(`${index.count} entries instead of ${entries.length}`)
  for (const each of entries) expectSame([entryOf(index, index.find(...each.name))], [each], 'find')
  for (const each of entries) {
    const [low, high] = each.name
    const own = entries.filter(({ name }) => name[0] === low && name[1] === high)
    const ids = index.ofObject(low, high)
    expectSame(
      ids.map((id) => entryOf(index, id)),
      own,
      'ofObject',
    )
    for (const id of ids) if (index.hasOthers(id) !== own.length > 1) throw new Error('hasOthers')
  }
  for (let region = 0; region < REGIONS; region++) {
    const own = entries.filter((each) => Math.floor(each.block / BLOCKS_PER_REGION) === region)
    const ids = index.ofRegion(region)
    expectSame(
      ids.map((id) => entryOf(index, id)),
      own,
      'ofRegion',
    )
  }
  const scanned: Entry[] = []
  index.scan(0, U32, (id) => scanned.push(entryOf(index, id)))
  expectSame(scanned, entries, 'scan')
}

t.test('agrees with a Map, whatever is added, moved and removed', async () => {
  const operations = fc.array(operation, { maxLength: 120, size: 'max' })
  fc.assert(
    fc.property(shape, operations, (options, operations) => {
      const index = createIndex({ ...options, regions: REGIONS, blocksPerRegion: BLOCKS_PER_REGION })
      const model = new Map<string, Entry>()
      const removeAll = (ids: number[]) => {
        for (const id of ids) {
          model.delete(`${entryOf(index, id).name}`)
          index.remove(id)
        }
      }
      for (const each of operations) {
        if (each.kind === 'reclaim') removeAll(index.ofRegion(each.region))
        else if (each.kind === 'drop') removeAll(index.ofObject(each.name[0], each.name[1]))
        else {
          const id = index.find(...each.name)
          const known = model.get(`${each.name}`)
          if ((id === -1) !== (known === undefined)) throw new Error(`find of ${each.name}: ${id}`)
          if (each.kind === 'add' && known === undefined) {
            const { kind, ...entry } = each
            const added = add(index, entry)
            if ((added === -1) !== (model.size === options.capacity)) throw new Error(`add: ${added}`)
            if (added !== -1) model.set(`${entry.name}`, entry)
          } else if (each.kind === 'remove' && known !== undefined) removeAll([id])
          else if (each.kind === 'change' && known !== undefined) {
            index.setFlags(id, each.flags)
            index.setExpires(id, each.expires)
            Object.assign(known, { flags: each.flags, expires: each.expires })
          } else if (each.kind === 'move' && known !== undefined) {
            index.setPlace(id, each.block, each.blocks)
            Object.assign(known, { block: each.block, blocks: each.blocks })
          }
        }
      }
      expectAll(index, model)
    }),
    { numRuns: 300 },
  )
})

t.test('keeps what it holds while it grows and while most of it goes again', async (t) => {
  const index = createIndex({ capacity: 2 ** 20, regions: 2000, blocksPerRegion: 100 })
  const objectOf = (i: number) => [Math.imul(i >> 2, 0x9e3779b1) >>> 0, i >> 2] as const
  const count = 100_000
  for (let i = 0; i < count; i++) index.add(...objectOf(i), 1, i & 3, i, 1, 0, 0)
  const missing = () => {
    let wrong = 0
    for (let i = 0; i < count; i++) {
      const id = index.find(...objectOf(i), 1, i & 3)
      const gone = i % 100 !== 0 && removed
      if (gone ? id !== -1 : id === -1 || index.block(id) !== i) wrong++
    }
    return wrong
  }
  let removed = false
  t.equal(missing(), 0, 'all are found')
  t.equal(index.ofRegion(7).length, 100)
  for (let i = 0; i < count; i++) if (i % 100 !== 0) index.remove(index.find(...objectOf(i), 1, i & 3))
  removed = true
  t.equal(missing(), 0, 'those that stayed are found, those that went are not')
  t.equal(index.count, count / 100)
  const bytes = index.bytes()
  for (let i = 0; i < count; i++) if (i % 100 !== 0) index.add(...objectOf(i), 1, i & 3, i, 1, 0, 0)
  removed = false
  t.equal(missing(), 0, 'those that came back are found')
  t.equal(index.bytes(), bytes, 'in the memory of those that went')
})

t.test('takes at most 64 bytes an entry, however many objects they are of', async (t) => {
  const count = 250_000
  for (const expected of [0, count]) {
    for (const slicesPerObject of expected ? [1] : [1, 5]) {
      const index = createIndex({ capacity: count, regions: 100, blocksPerRegion: 65536, expected })
      let most = 0
      for (let i = 0; i < count; i++) {
        const object = Math.floor(i / slicesPerObject)
        index.add(object, ~object >>> 0, 1, i % slicesPerObject, i, 1, 0, 0)
        // Without a promise, in all of the last steps of growth.
        if (i > (expected ? count - 2 : count / 2)) most = Math.max(most, index.bytes() / (i + 1))
      }
      t.ok(most <= 64, `${most} bytes an entry, ${slicesPerObject} of an object`)
    }
  }
})

t.test('a table hardly grows for the ids that it was told to expect', async (t) => {
  const rehashedOf = (expected: number) => {
    let rehashed = 0
    const hashOf = (id: number) => {
      rehashed++
      return Math.imul(id, 0x9e3779b1)
    }
    const table = createIdTable({ capacity: 200_000, expected, hashOf })
    for (let id = 0; id < 100_000; id++) table.add(Math.imul(id, 0x9e3779b1), id)
    return rehashed
  }
  t.ok(rehashedOf(0) > 100_000)
  t.ok(rehashedOf(100_000) < 20_000)
})

t.test('a table takes as much memory an id at all times while it grows', async (t) => {
  const hashOf = (id: number) => Math.imul(id, 0x9e3779b1)
  const table = createIdTable({ capacity: 2 ** 20, hashOf })
  const each: number[] = []
  for (let id = 0; id < 400_000; id++) {
    table.add(hashOf(id), id)
    if (id >= 200_000 && id % 100 === 0) each.push(table.bytes() / id)
  }
  const [least, most] = [Math.min(...each), Math.max(...each)]
  t.ok(most / least < 1.15, `${least} to ${most}`)
})

t.test('a table hardly offers an id for a hash that is not there', async (t) => {
  const hashOf = (id: number) => Math.imul(id, 0x9e3779b1) ^ id
  const table = createIdTable({ capacity: 20_000, hashOf })
  for (let id = 0; id < 20_000; id++) table.add(hashOf(id), id)
  let offered = 0
  for (let other = 20_000; other < 40_000; other++) if (table.first(hashOf(other)) !== -1) offered++
  t.ok(offered < 200, `${offered} of 20000`)
})

t.test('takes memory for the entries that are there, not for its capacity', async (t) => {
  const index = createIndex({ capacity: 2 ** 28, regions: 100, blocksPerRegion: 65536 })
  t.ok(index.bytes() < 2 ** 20, `${index.bytes()} bytes while it is empty`)
  for (let i = 0; i < 20_000; i++) index.add(i, i, 1, 0, i, 1, 0, 0)
  t.ok(index.bytes() < 5 * 2 ** 20, `${index.bytes()} bytes with 20,000 entries`)
})

t.test('lists ids that may be removed, one by one, while the list is read', async (t) => {
  const index = createIndex({ capacity: 1000, regions: 2, blocksPerRegion: 500 })
  for (let i = 0; i < 500; i++) index.add(5, 5, 1, i, i, 1, 0, 0)
  index.add(5, 5, HEADS_NAME, HEADS_NAME, 999, 1, 0, 0)
  for (const id of index.ofRegion(0)) index.remove(id)
  t.equal(index.count, 1)
  t.same(index.ofRegion(0), [])
  t.same(index.ofObject(5, 5), index.ofRegion(1), 'only the heads, which are in the other region')
  for (const id of index.ofObject(5, 5)) index.remove(id)
  t.equal(index.count, 0)
  t.same(index.ofObject(5, 5), [])
})

t.test('a scan visits once what is there all the time, whatever comes and goes meanwhile', async () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 1, max: 60 }),
      fc.array(fc.tuple(fc.boolean(), fc.nat(59)), { maxLength: 200 }),
      (step, count, changes) => {
        const index = createIndex({ capacity: 1000, regions: 1, blocksPerRegion: 1000 })
        const stay = new Set<number>()
        const put = (i: number) => index.add(i, 0, 1, 0, i, 1, 0, 0)
        for (let i = 0; i < count; i++) stay.add(put(i))
        const visits = new Map<number, number>()
        let from = 0
        do {
          from = index.scan(from, step, (id) => visits.set(id, (visits.get(id) ?? 0) + 1))
          for (const [come, i] of changes.splice(0, 5)) {
            const id = index.find(i, 0, 1, 0)
            if (come && id === -1) put(i)
            else if (!come && id !== -1) {
              stay.delete(id)
              index.remove(id)
            }
          }
        } while (from !== 0)
        for (const id of stay) if (visits.get(id) !== 1) throw new Error(`${id}: ${visits.get(id)} visits`)
        for (const [id, times] of visits) if (times !== 1) throw new Error(`${id}: ${times} visits`)
      },
    ),
  )
})

t.test('a scan looks at no more slots than asked, and ends at 0', async (t) => {
  const index = createIndex({ capacity: 1000, regions: 1, blocksPerRegion: 1000 })
  t.equal(
    index.scan(0, 10, () => t.fail('nothing is there')),
    0,
  )
  for (let i = 0; i < 25; i++) index.add(i, 0, 1, 0, i, 1, 0, 0)
  const steps: number[][] = []
  let from = 0
  do {
    const visited: number[] = []
    from = index.scan(from, 10, (id) => visited.push(id))
    steps.push(visited)
  } while (from !== 0)
  t.same(
    steps.map((each) => each.length),
    [10, 10, 5],
  )
})

t.test('refuses what is over its capacity, and takes it when there is room again', async (t) => {
  const index = createIndex({ capacity: 3, regions: 1, blocksPerRegion: 10 })
  const ids = [0, 1, 2].map((i) => index.add(1, 2, 3, i, i, 1, 0, 0))
  t.equal(new Set(ids).size, 3)
  t.equal(index.add(1, 2, 3, 3, 3, 1, 0, 0), -1)
  t.equal(index.find(1, 2, 3, 3), -1)
  index.remove(ids[1])
  t.not(index.add(1, 2, 3, 3, 3, 1, 0, 0), -1)
  t.equal(index.count, 3)
})

t.test('a place outside the regions is refused and changes nothing', async (t) => {
  const index = createIndex({ capacity: 10, regions: 2, blocksPerRegion: 10 })
  const id = index.add(1, 2, 3, 0, 19, MAX_BLOCKS, 255, U32)
  for (const [block, blocks] of [
    [20, 1],
    [-1, 1],
    [Number.NaN, 1],
    [0, 0],
    [0, MAX_BLOCKS + 1],
  ]) {
    t.throws(() => index.add(1, 2, 3, 1, block, blocks, 0, 0), RangeError)
    t.throws(() => index.setPlace(id, block, blocks), RangeError)
  }
  t.equal(index.count, 1)
  t.same(entryOf(index, id), { name: [1, 2, 3, 0], block: 19, blocks: MAX_BLOCKS, flags: 255, expires: U32 })
  t.throws(() => createIndex({ capacity: 2 ** 31, regions: 2, blocksPerRegion: 10 }), RangeError)
})

t.test('the table of ids finds each one among hashes that all are alike, and closes every gap', async () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.boolean(), fc.nat(39)), { maxLength: 300, size: 'max' }),
      // Homes at the end of a shard, so that searches go on at its begin, and homes that overlap.
      fc.array(fc.constantFrom(0, 1 << 27, 0x7fffffff, -1, -(1 << 26), -(1 << 27)), {
        minLength: 40,
        maxLength: 40,
      }),
      (changes, hashes) => {
        const table = createIdTable({ capacity: 2 ** 30, shards: 1, hashOf: (id) => hashes[id] })
        const present = new Set<number>()
        for (const [add, id] of changes) {
          if (add === present.has(id)) continue
          if (add) table.add(hashes[id], id)
          else table.remove(hashes[id], id)
          if (add) present.add(id)
          else present.delete(id)
          for (let wanted = 0; wanted < 40; wanted++) {
            let found = table.first(hashes[wanted])
            while (found !== -1 && found !== wanted) found = table.next()
            if ((found === wanted) !== present.has(wanted)) throw new Error(`id ${wanted}`)
          }
        }
      },
    ),
    { numRuns: 100 },
  )
})
