import fc from 'fast-check'
import t from 'tap'
import { createGhosts } from '../../lib/stores/ghosts.ts'

t.test('takes nothing before it is told to expect something, and knows nothing', async (t) => {
  const ghosts = createGhosts(1e6)
  ghosts.add(1)
  t.equal(ghosts.take(1), undefined)
  t.equal(ghosts.bytes(), 0)
})

t.test('tells how many were evicted since, once', async (t) => {
  const ghosts = createGhosts(1e6)
  ghosts.expect(100)
  for (const name of [7, 0, 0xffffffff, -5]) ghosts.add(name)
  t.equal(ghosts.take(7), 3)
  t.equal(ghosts.take(7), undefined, 'it came back')
  t.equal(ghosts.take(0), 2, 'a name of 0 is a name')
  t.equal(ghosts.take(-1), 1, 'signed or not')
  t.equal(ghosts.take(-5), 0)
  ghosts.add(7)
  ghosts.add(8)
  ghosts.add(7)
  t.equal(ghosts.take(7), 0, 'the last time counts')
  ghosts.clear()
  t.equal(ghosts.take(8), undefined)
  t.equal(ghosts.bytes(), 0)
})

t.test('growing forgets nothing, and ends at the limit', async (t) => {
  const ghosts = createGhosts(10_000)
  for (let name = 0; name < 200; name++) {
    ghosts.expect(4 * (name + 1))
    ghosts.add(Math.imul(name, 0x9e3779b1))
  }
  let known = 0
  for (let name = 0; name < 200; name++) {
    if (ghosts.take(Math.imul(name, 0x9e3779b1)) === 199 - name) known++
  }
  t.ok(known >= 190, `${known} of 200 are known; a bucket may be full before the others`)
  ghosts.expect(1e9)
  t.ok(ghosts.bytes() <= 10_000)
  t.ok(ghosts.bytes() > 5000)
})

t.test('where there is no room for any, there are none', async (t) => {
  const ghosts = createGhosts(31)
  ghosts.expect(1000)
  ghosts.add(1)
  t.equal(ghosts.bytes(), 0)
  t.equal(ghosts.take(1), undefined)
})

t.test('never claims what was not evicted, and never forgets what went last', async () => {
  const operation = fc.record({ kind: fc.constantFrom('add', 'take'), name: fc.nat(50) })
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 200 }), (operations) => {
      const ghosts = createGhosts(128)
      ghosts.expect(16)
      const evicted: number[] = []
      const gone = new Set<number>()
      for (const { kind, name } of operations) {
        if (kind === 'add') {
          ghosts.add(name)
          evicted.push(name)
          gone.add(name)
          continue
        }
        const age = ghosts.take(name)
        if (age !== undefined) t.equal(evicted.length - 1 - evicted.lastIndexOf(name), age)
        if (age !== undefined) t.ok(gone.has(name))
        if (evicted.at(-1) === name && gone.has(name)) t.equal(age, 0)
        gone.delete(name)
      }
    }),
  )
})
