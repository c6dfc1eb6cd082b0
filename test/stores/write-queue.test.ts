import fc from 'fast-check'
import t from 'tap'
import { createWriteQueue } from '../../lib/stores/write-queue.ts'

/** A medium whose operations end when the test says so. */
function slowMedium(options: { maxBytes?: number; concurrency?: number } = {}) {
  const places = new Map<string, string>()
  const underWay: { name: string; finish: () => void }[] = []
  const operation = (name: string, effect: () => boolean) =>
    new Promise<boolean>((resolve) => underWay.push({ name, finish: () => resolve(effect()) }))
  const queue = createWriteQueue<string>({
    maxBytes: options.maxBytes ?? 100,
    concurrency: options.concurrency ?? 2,
    write: async (name, value) => void (await operation(name, () => !!places.set(name, value))),
    remove: (name) => operation(name, () => places.delete(name)),
  })
  const turn = () => new Promise(setImmediate)
  async function finish(at = 0): Promise<void> {
    underWay.splice(at, 1)[0].finish()
    await turn()
  }
  async function finishAll(): Promise<void> {
    while (underWay.length > 0) await finish()
  }
  return { queue, places, underWay, finish, finishAll }
}

t.test('writes no more than its concurrency at once', async (t) => {
  const { queue, underWay, finish } = slowMedium()
  for (const name of ['a', 'b', 'c']) queue.put(name, 'x', 1)
  t.same(
    underWay.map((each) => each.name),
    ['a', 'b'],
  )
  await finish()
  t.same(
    underWay.map((each) => each.name),
    ['b', 'c'],
  )
})

t.test('what waits and what is being written is readable', async (t) => {
  const { queue, finishAll } = slowMedium({ concurrency: 1 })
  queue.put('a', 'x', 1)
  queue.put('b', 'y', 1)
  t.equal(queue.pending('a'), 'x')
  t.equal(queue.pending('b'), 'y')
  await finishAll()
  t.equal(queue.pending('a'), undefined)
})

t.test('refuses what does not fit and has room again later', async (t) => {
  const { queue, finish } = slowMedium({ maxBytes: 10 })
  t.ok(queue.put('a', 'x', 6))
  t.notOk(queue.put('b', 'y', 5))
  t.equal(queue.pendingBytes(), 6)
  await finish()
  t.equal(queue.pendingBytes(), 0)
  t.ok(queue.put('b', 'y', 5))
})

t.test('a removal does not wait for writes', async (t) => {
  const { queue, underWay } = slowMedium({ concurrency: 1 })
  queue.put('a', 'x', 1)
  queue.put('b', 'y', 1)
  void queue.remove('c')
  t.same(
    underWay.map((each) => each.name),
    ['a', 'c'],
  )
})

t.test('a write under way is followed by the removal of its name', async (t) => {
  const { queue, places, finish, finishAll } = slowMedium()
  queue.put('a', 'x', 1)
  let removed = false
  const removal = queue.remove('a').then((found) => (removed = found))
  t.equal(queue.pending('a'), null)
  await finish()
  t.notOk(removed, 'the write ended, but its file is still there')
  await finishAll()
  t.ok(await removal)
  t.equal(places.size, 0)
})

t.test('flush waits for what was put before it and not for more', async (t) => {
  const { queue, finish } = slowMedium({ concurrency: 1 })
  queue.put('a', 'x', 1)
  let flushed = false
  void queue.flush().then(() => (flushed = true))
  queue.put('b', 'y', 1)
  t.notOk(flushed)
  await finish()
  t.ok(flushed)
})

t.test('whatever the order in which operations end, each name ends as wished last', async () => {
  const step = fc.record({
    name: fc.constantFrom('a', 'b', 'c'),
    value: fc.option(fc.string({ maxLength: 2 }), { nil: undefined }),
    finish: fc.option(fc.nat(), { nil: undefined }),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const { queue, places, underWay, finish, finishAll } = slowMedium({ maxBytes: 1000 })
      const wished = new Map<string, string>()
      for (const { name, value, finish: at } of steps) {
        if (value === undefined) {
          void queue.remove(name)
          wished.delete(name)
        } else {
          queue.put(name, value, 1)
          wished.set(name, value)
        }
        if (at !== undefined && underWay.length > 0) await finish(at % underWay.length)
      }
      const flushed = queue.flush()
      await finishAll()
      await flushed
      return (
        queue.pendingBytes() === 0 &&
        JSON.stringify([...places].sort()) === JSON.stringify([...wished].sort())
      )
    }),
    { numRuns: 100 },
  )
})
