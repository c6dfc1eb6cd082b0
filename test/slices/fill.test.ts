import fc from 'fast-check'
import t from 'tap'
import { FILL_WINDOW } from '../../lib/slices/fill.ts'
import { createFillMemory } from '../../lib/slices/fill-memory.ts'
import type { FillReader } from '../../lib/slices/fill-reader.ts'
import { countedBlock } from '../helpers/blocks.ts'
import { bytesOf } from '../helpers/bytes.ts'
import { sendChunks, type TestFill, testFill } from './fills.ts'

const K = 1024

/** The slices that lie whole in `[start, end)` of a file. */
function wholeSlices(file: Buffer, sliceSize: number, start: number, end: number): Map<number, Buffer> {
  const slices = new Map<number, Buffer>()
  for (let index = 0; index * sliceSize < file.length; index++) {
    const first = index * sliceSize
    const last = Math.min(first + sliceSize, file.length)
    if (first >= start && last <= end) slices.set(index, file.subarray(first, last))
  }
  return slices
}

function sameSlices(found: Map<number, Buffer>, wanted: Map<number, Buffer>): boolean {
  return found.size === wanted.size && [...wanted].every(([index, bytes]) => found.get(index)?.equals(bytes))
}

const sizes = fc.array(fc.oneof(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 3000 })), {
  minLength: 1,
  maxLength: 6,
})

t.test('stores the slices that lie whole in what came, and no others', async () => {
  fc.assert(
    fc.property(
      fc.record({ sliceSize: fc.integer({ min: 1, max: 1000 }), length: fc.nat(5000), sizes }),
      fc.nat(5000),
      fc.nat(5000),
      fc.boolean(),
      ({ sliceSize, length, sizes }, a, b, lengthIsKnown) => {
        const file = bytesOf(1, length)
        const start = Math.min(a, b, length)
        // Without a known length a transfer is that of the whole: only its end tells.
        const end = lengthIsKnown ? Math.min(Math.max(a, b), length) : length
        const { fill, stored } = testFill({
          sliceSize,
          start: lengthIsKnown ? start : 0,
          end: lengthIsKnown ? end : null,
          length: lengthIsKnown ? length : null,
        })
        sendChunks(fill, file.subarray(fill.start, end), sizes)
        fill.finished()
        return fill.state === 'complete' && sameSlices(stored, wholeSlices(file, sliceSize, fill.start, end))
      },
    ),
  )
})

t.test('stores of a body that was cut only what was whole before (invariant 1)', async () => {
  fc.assert(
    fc.property(
      fc.record({
        sliceSize: fc.integer({ min: 1, max: 1000 }),
        length: fc.integer({ min: 1, max: 5000 }),
        sizes,
      }),
      fc.nat(5000),
      fc.boolean(),
      fc.boolean(),
      ({ sliceSize, length, sizes }, at, lengthIsKnown, byError) => {
        const file = bytesOf(2, length)
        const cut = at % length
        const known = lengthIsKnown ? length : null
        const test = testFill({ sliceSize, end: known, length: known })
        const { fill, stored, memory } = test
        sendChunks(fill, file.subarray(0, cut), sizes)
        // An unknown length ends cleanly by the last chunk only, and that did not come.
        if (byError || !lengthIsKnown) fill.failed(new Error('cut'))
        else fill.finished()
        const whole = wholeSlices(file, sliceSize, 0, cut)
        return (
          fill.state === 'failed' &&
          fill.error !== null &&
          memory.used === 0 &&
          test.settled === 1 &&
          sameSlices(stored, whole)
        )
      },
    ),
  )
})

t.test('a body longer than its length fails, and its upstream is stopped', async (t) => {
  const test = testFill({ sliceSize: 100, end: 150, length: 150 })
  test.fill.data(bytesOf(3, 100))
  test.fill.data(bytesOf(3, 51))
  t.equal(test.fill.state, 'failed')
  t.ok(test.aborted)
  t.same([...test.stored.keys()], [0])
})

t.test('is settled once, whatever follows', async (t) => {
  const test = testFill({ sliceSize: 100, end: 100, length: 100 })
  test.fill.data(bytesOf(4, 100))
  test.fill.finished()
  test.fill.failed(new Error('late'))
  test.fill.finished()
  test.fill.data(bytesOf(4, 5))
  t.equal(test.settled, 1)
  t.equal(test.fill.state, 'complete')
  t.equal(test.fill.error, null)
})

t.test('a first slice that does not begin at its boundary is not stored, the next ones are', async (t) => {
  const file = bytesOf(5, 350)
  const { fill, stored } = testFill({ sliceSize: 100, start: 150, end: 350, length: 350 })
  fill.data(file.subarray(150))
  fill.finished()
  t.same([...stored.keys()], [2, 3])
})

t.test(
  'runs ahead of its fastest reader by the window, and goes on when that has read (invariant 5)',
  async (t) => {
    const test = testFill({ sliceSize: 1024 * K, end: 4096 * K, length: 4096 * K })
    const reader = test.fill.attach(0)
    let sent = 0
    while (!test.paused && sent < 4096 * K) {
      test.fill.data(bytesOf(6, 16 * K))
      sent += 16 * K
    }
    t.ok(sent > FILL_WINDOW && sent <= FILL_WINDOW + 16 * K, `${sent} bytes ahead`)
    reader.advance(16 * K)
    t.notOk(test.paused)
  },
)

t.test(
  'the slowest reader does not hold the fill up, and is told to come back through the stores',
  async (t) => {
    const test = testFill({ sliceSize: 64 * K, end: 4096 * K, length: 4096 * K })
    const slow = test.fill.attach(0)
    const fast = test.fill.attach(0)
    for (let sent = 0; sent < 1024 * K; sent += 16 * K) {
      test.fill.data(bytesOf(7, 16 * K))
      fast.advance(16 * K)
      t.notOk(test.paused)
    }
    t.equal(slow.peek(), undefined)
    t.ok(slow.offset < test.fill.produced)
    t.notOk(test.fill.covers(slow.offset), 'its bytes are no longer here')
    // When the fast one leaves, the slow one does not pull the fill back: what it needs is in the stores.
    fast.detach()
    t.ok(test.paused)
    slow.detach()
  },
)

t.test('a single reader that stands still has its bytes kept', async (t) => {
  const file = bytesOf(8, 80 * K)
  const test = testFill({ sliceSize: 16 * K, end: 4096 * K, length: 4096 * K })
  const reader = test.fill.attach(0)
  sendChunks(test.fill, file, [8 * K])
  t.ok(test.paused)
  const pieces: Buffer[] = []
  for (let bytes = reader.peek(); bytes; bytes = reader.peek()) {
    pieces.push(bytes)
    reader.advance(bytes.length)
  }
  t.ok(Buffer.concat(pieces).equals(file))
})

t.test('ends when its last reader leaves, and keeps the whole slices (invariant 7)', async (t) => {
  const test = testFill({ sliceSize: 100, end: 100_000, length: 100_000 })
  const reader = test.fill.attach(0)
  test.fill.data(bytesOf(9, 250))
  reader.detach()
  t.equal(test.fill.state, 'abandoned')
  t.ok(test.aborted)
  t.same([...test.stored.keys()], [0, 1])
  t.equal(test.memory.used, 0)
})

t.test('is finished without readers when it is nearly done, was asked for, or is held', async (t) => {
  const nearly = testFill({ sliceSize: 100, end: 1000, length: 1000 })
  const reader = nearly.fill.attach(0)
  nearly.fill.data(bytesOf(10, 900))
  reader.detach()
  t.equal(nearly.fill.state, 'running', 'one slice is missing')

  const wanted = testFill({ sliceSize: 100, end: 100_000, length: 100_000 })
  wanted.fill.finishAlone()
  wanted.fill.attach(0).detach()
  wanted.fill.data(bytesOf(10, 90_000))
  t.match(wanted, { paused: false, aborted: false })

  const held = testFill({ sliceSize: 100, end: 100_000, length: 100_000 })
  const letGo = held.fill.hold()
  held.fill.attach(0).detach()
  t.equal(held.fill.state, 'running')
  letGo()
  letGo()
  t.equal(held.fill.state, 'abandoned')
})

t.test('a fill of which nothing is stored ends with its last reader, however near the end', async (t) => {
  const test = testFill({ sliceSize: 100, end: 1000, length: 1000, store: null })
  const reader = test.fill.attach(0)
  test.fill.data(bytesOf(11, 999))
  reader.detach()
  t.equal(test.fill.state, 'abandoned')
})

t.test('a transfer of unknown length that nobody wants may bring one slice more', async (t) => {
  const test = testFill({ sliceSize: 100 })
  const reader = test.fill.attach(0)
  test.fill.data(bytesOf(12, 250))
  reader.detach()
  t.equal(test.fill.state, 'running')
  test.fill.data(bytesOf(12, 99))
  t.equal(test.fill.state, 'running')
  test.fill.data(bytesOf(12, 1))
  t.equal(test.fill.state, 'abandoned')
})

t.test('truncated, it is complete at that place and its upstream is stopped', async (t) => {
  const file = bytesOf(13, 1000)
  const test = testFill({ sliceSize: 100, end: 1000, length: 1000 })
  const reader = test.fill.attach(0)
  test.fill.data(file.subarray(0, 150))
  test.fill.truncate(300)
  test.fill.data(file.subarray(150, 350))
  t.equal(test.fill.state, 'complete')
  t.equal(test.fill.end, 300)
  t.equal(test.fill.produced, 300)
  t.ok(test.aborted)
  t.ok(sameSlices(test.stored, wholeSlices(file, 100, 0, 300)))
  t.notOk(test.fill.covers(300))
  t.equal(reader.offset, 0)
})

t.test('wanted to its end, it goes on when the reader that had slowed it down leaves', async (t) => {
  const test = testFill({ sliceSize: 100 * K, end: 1000 * K, length: 1000 * K })
  test.fill.finishAlone()
  const reader = test.fill.attach(0)
  test.fill.data(bytesOf(13, 200 * K))
  t.ok(test.paused)
  reader.detach()
  t.notOk(test.paused)
  t.equal(test.fill.state, 'running')
})

t.test('truncated where it just stands, its upstream is stopped at once', async (t) => {
  const test = testFill({ sliceSize: 100, end: 1000, length: 1000 })
  test.fill.data(bytesOf(13, 300))
  test.fill.truncate(300)
  t.equal(test.fill.state, 'complete')
  t.ok(test.aborted)
})

t.test('truncating where it has been already, or beyond its end, changes nothing', async (t) => {
  const test = testFill({ sliceSize: 100, end: 1000, length: 1000 })
  test.fill.data(bytesOf(14, 250))
  test.fill.truncate(200)
  test.fill.truncate(1000)
  test.fill.truncate(2000)
  t.equal(test.fill.end, 1000)
  t.equal(test.fill.state, 'running')
})

t.test('told to stop storing, it goes on for its readers only', async (t) => {
  const test = testFill({ sliceSize: 100, end: 1000, length: 1000 })
  const reader = test.fill.attach(0)
  test.fill.data(bytesOf(15, 150))
  test.fill.stopStoring()
  test.fill.data(bytesOf(15, 850))
  test.fill.finished()
  t.same([...test.stored.keys()], [0])
  t.equal(test.fill.state, 'complete')
  t.ok(reader.peek())
})

t.test('without memory a slice is lost and counted, its bytes still reach the readers', async (t) => {
  const file = bytesOf(16, 300)
  const memory = createFillMemory(100)
  const test = testFill({ sliceSize: 100, end: 300, length: 300, memory })
  const reader = test.fill.attach(0)
  test.fill.data(file.subarray(0, 100))
  memory.used = 50 // another fill takes half
  test.fill.data(file.subarray(100, 200))
  memory.used = 0
  test.fill.data(file.subarray(200, 300))
  test.fill.finished()
  t.same([...test.stored.keys()], [0, 2])
  t.equal(test.lost, 1)
  t.equal(memory.used, 0)
  const pieces: Buffer[] = []
  for (let bytes = reader.peek(); bytes; bytes = reader.peek()) {
    pieces.push(bytes)
    reader.advance(bytes.length)
  }
  t.ok(Buffer.concat(pieces).equals(file))
})

t.test('a fill that stands still gives its slice up to one that moves', async (t) => {
  const memory = createFillMemory(300 * K)
  const still = testFill({ sliceSize: 1024 * K, end: 2048 * K, length: 2048 * K, memory })
  const reader = still.fill.attach(0)
  still.fill.data(bytesOf(17, 200 * K))
  t.ok(still.paused)
  const moving = testFill({ sliceSize: 256 * K, end: 256 * K, length: 256 * K, memory })
  moving.fill.data(bytesOf(18, 256 * K))
  moving.fill.finished()
  t.same([...moving.stored.keys()], [0])
  t.equal(still.lost, 1)
  t.equal(memory.used, 0)
  t.ok(reader.peek(), 'its reader still has its bytes')
})

t.test('calls back each of several readers, whichever came first and has left', async (t) => {
  for (const leaving of [0, 1, 2]) {
    const test = testFill({ sliceSize: 100 })
    const readers = [0, 1, 2].map(() => test.fill.attach(0))
    readers[leaving].detach()
    readers.push(test.fill.attach(0))
    const told: number[] = []
    for (const [index, reader] of readers.entries()) reader.onChange(() => told.push(index))
    test.fill.data(bytesOf(20, 10))
    t.same(
      told.sort(),
      [0, 1, 2, 3].filter((index) => index !== leaving),
    )
    t.equal(test.fill.readers, 3)
  }
})

t.test('bytes are kept for the only reader, also when it was not the first', async (t) => {
  const length = 1024 * K
  const test = testFill({ sliceSize: length, end: length, length, store: null })
  const first = test.fill.attach(0)
  const second = test.fill.attach(0)
  first.detach()
  for (let i = 0; i < 8; i++) test.fill.data(bytesOf(21 + i, 100 * K))
  t.equal(second.peek()?.length, 100 * K)
  second.advance(100 * K)
  t.notOk(test.fill.covers(0))
})

t.test('calls back once by bytes, by the end, by a failure and by detaching', async (t) => {
  const length = 1000
  const told = (what: (test: TestFill, reader: FillReader) => void) => {
    const test = testFill({ sliceSize: 100, end: length, length })
    const reader = test.fill.attach(0)
    let calls = 0
    reader.onChange(() => calls++)
    what(test, reader)
    return calls
  }
  t.equal(
    told(({ fill }) => {
      fill.data(bytesOf(19, 10))
      fill.data(bytesOf(19, 10))
    }),
    1,
  )
  t.equal(
    told(({ fill }) => fill.failed(new Error('gone'))),
    1,
  )
  t.equal(
    told((_, reader) => reader.detach()),
    1,
  )
  const test = testFill({ sliceSize: 100 })
  let ended = false
  test.fill.attach(0).onChange(() => (ended = test.fill.state === 'complete'))
  test.fill.finished()
  t.ok(ended)
})

t.test('what has come and lies in one piece is at hand, while somebody holds it', async (t) => {
  const bytes = bytesOf(1, 3000)
  const { fill } = testFill({ sliceSize: 2000, end: 3000, length: 3000 })
  const letGo = fill.hold()
  fill.data(bytes)
  fill.finished()
  for (const [first, last] of [
    [0, 1999],
    [0, 0],
    [500, 1500],
    [2000, 2999],
    [1999, 1999],
  ]) {
    t.ok(fill.atHand(first, last)?.equals(bytes.subarray(first, last + 1)), `${first}-${last}`)
  }
  t.equal(fill.atHand(0, 2000), undefined, 'two slices are two pieces')
  t.equal(fill.atHand(2000, 3000), undefined, 'beyond the end')
  t.equal(fill.atHand(3000, 3000), undefined)
  letGo()
  t.equal(fill.atHand(0, 0), undefined)
})

t.test('what lies in memory that is used again is not at hand', async (t) => {
  const block = countedBlock()
  const { fill } = testFill({ sliceSize: 64 * 1024, end: 2000, length: 2000, store: null })
  const letGo = fill.hold()
  fill.data(block.bytes.subarray(0, 2000), block)
  t.equal(fill.atHand(0, 1999), undefined)
  letGo()
})

t.test(
  'a small content that comes whole is stored as it came, a part of one in memory of its own',
  async (t) => {
    const memoryOf = (length: number, end: number) => {
      let stored: Buffer | undefined
      const { fill } = testFill({
        sliceSize: 1000,
        end,
        length: end,
        store: (_, { segments }) => void (stored = segments[0]),
      })
      const chunk = Buffer.allocUnsafe(end)
      fill.data(chunk.subarray(0, length))
      if (length < end) fill.data(chunk.subarray(length))
      return stored!.buffer === chunk.buffer
    }
    t.ok(memoryOf(100, 100))
    t.notOk(memoryOf(50, 100))
  },
)
