import fc from 'fast-check'
import t from 'tap'
import { sliceIndex } from '../../lib/slices/arithmetic.ts'
import type { Fill } from '../../lib/slices/fill.ts'
import { type Sink, type SliceSource, sendRange } from '../../lib/slices/reader.ts'
import type { Slice } from '../../lib/stores/store.ts'
import { bytesOf } from '../helpers/bytes.ts'
import { sendChunks, testFill } from './fills.ts'

const turn = () => new Promise<boolean>((resolve) => setImmediate(resolve, true))

/** A client that takes everything, or wants a pause after each write, or goes away once it has `leaveAfter` bytes. */
function testSink(options: { full?: boolean; leaveAfter?: number } = {}): Sink & { received(): Buffer } {
  const { full = false, leaveAfter = Number.POSITIVE_INFINITY } = options
  const pieces: Buffer[] = []
  const callbacks = new Set<() => void>()
  let length = 0
  return {
    received: () => Buffer.concat(pieces),
    get gone() {
      return length >= leaveAfter
    },
    write(bytes) {
      pieces.push(bytes)
      length += bytes.length
      if (length >= leaveAfter) for (const callback of callbacks) callback()
      return !full
    },
    drained: turn,
    onGone(callback) {
      callbacks.add(callback)
      return () => void callbacks.delete(callback)
    },
  }
}

type Place = 'memory' | 'disk' | 'slow disk' | 'origin' | 'failing origin'

interface TestSource extends SliceSource {
  /** Runs of slices that were fetched, as [offset, end). */
  readonly fetched: [number, number][]
  failures: number
}

/** Slices of `file`, each in a place of its own; an origin that fails does so once, in the middle of what it sends. */
function testSource(
  file: Buffer,
  sliceSize: number,
  places: readonly Place[],
  chunks: readonly number[],
): TestSource {
  const broken = new Set(places.flatMap((place, index) => (place === 'failing origin' ? [index] : [])))
  const sliceAt = (index: number): Slice => {
    const bytes = file.subarray(index * sliceSize, (index + 1) * sliceSize)
    const middle = bytes.length >> 1
    return {
      length: bytes.length,
      segments: [bytes.subarray(0, middle), bytes.subarray(middle)].filter((s) => s.length),
    }
  }
  const isMissing = (index: number) => /origin/.test(places[index] ?? 'origin')
  const source: TestSource = {
    fetched: [],
    failures: 0,
    sliceSize,
    length: () => file.length,
    fromMemory: (index) => (places[index] === 'memory' ? sliceAt(index) : undefined),
    letGo() {},
    fromDisk(offset) {
      const index = sliceIndex(offset, sliceSize)
      if (places[index] === 'disk') return sliceAt(index)
      return places[index] === 'slow disk' ? turn().then(() => sliceAt(index)) : undefined
    },
    async fillAt(offset, last) {
      const from = sliceIndex(offset, sliceSize)
      let to = from
      while ((to + 1) * sliceSize <= last && isMissing(to + 1)) to++
      const start = from * sliceSize
      const end = Math.min((to + 1) * sliceSize, file.length)
      source.fetched.push([start, end])
      const { fill } = testFill({ sliceSize, start, end, length: file.length })
      void produce(fill, from, to, start, end)
      return fill
    },
    async afterFailure() {
      source.failures++
    },
    served() {},
  }

  async function produce(fill: Fill, from: number, to: number, start: number, end: number): Promise<void> {
    await turn()
    for (let index = from; index <= to; index++) {
      if (!broken.delete(index)) continue
      sendChunks(fill, file.subarray(start, index * sliceSize + (sliceSize >> 1)), chunks)
      return fill.failed(new Error('cut'))
    }
    sendChunks(fill, file.subarray(start, end), chunks)
    fill.finished()
  }
  return source
}

const place = fc.constantFrom<Place>('memory', 'disk', 'slow disk', 'origin', 'failing origin')

t.test('wherever the slices are, the client gets exactly the range', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        sliceSize: fc.integer({ min: 2, max: 3000 }),
        places: fc.array(place, { minLength: 1, maxLength: 8 }),
      }),
      fc.tuple(fc.nat(24_000), fc.nat(24_000), fc.nat(3000)),
      fc.array(fc.integer({ min: 1, max: 2000 }), { minLength: 1, maxLength: 4 }),
      fc.boolean(),
      async ({ sliceSize, places }, [a, b, short], chunks, full) => {
        const length = places.length * sliceSize - (short % sliceSize)
        const file = bytesOf(1, length)
        const range = { first: Math.min(a % length, b % length), last: Math.max(a % length, b % length) }
        const sink = testSink({ full })
        const source = testSource(file, sliceSize, places, chunks)
        const done = await sendRange(source, range, sink)
        return done && sink.received().equals(file.subarray(range.first, range.last + 1))
      },
    ),
  )
})

t.test('nothing is fetched that a store has, and neighbours by one fill', async (t) => {
  const file = bytesOf(2, 600)
  const source = testSource(file, 100, ['memory', 'origin', 'origin', 'disk', 'slow disk', 'origin'], [30])
  await sendRange(source, { first: 0, last: 599 }, testSink())
  t.same(source.fetched, [
    [100, 300],
    [500, 600],
  ])
})

t.test('a client that goes away ends the walk, from a store and from a fill', async (t) => {
  for (const place of ['memory', 'slow disk', 'origin'] as const) {
    const file = bytesOf(3, 1000)
    const sink = testSink({ leaveAfter: 250 })
    const source = testSource(file, 100, Array<Place>(10).fill(place), [20])
    t.equal(await sendRange(source, { first: 0, last: 999 }, sink), false, place)
    t.ok(sink.received().length < 400, `${place}: ${sink.received().length} bytes`)
  }
})

t.test(
  'a fill that failed before its reader could attach is a failure, not a reason to ask again at once',
  async (t) => {
    const source = testSource(bytesOf(4, 300), 100, ['memory', 'origin', 'origin'], [10])
    let asked = 0
    source.fillAt = async () => {
      asked++
      const { fill } = testFill({ sliceSize: 100, start: 100, end: 300, length: 300 })
      fill.failed(new Error('cut at once'))
      return fill
    }
    source.afterFailure = async (error) => {
      if (++source.failures === 3) throw error
    }
    const sink = testSink()
    await t.rejects(sendRange(source, { first: 0, last: 299 }, sink), { message: 'cut at once' })
    t.equal(asked, 3)
    t.equal(sink.received().length, 100)
  },
)

t.test('when no more can be had it throws, and what was sent is right', async (t) => {
  const file = bytesOf(5, 300)
  const source = testSource(file, 100, ['memory', 'failing origin', 'origin'], [10])
  source.afterFailure = (error) => Promise.reject(error)
  const sink = testSink()
  await t.rejects(sendRange(source, { first: 0, last: 299 }, sink), { message: 'cut' })
  t.ok(sink.received().equals(file.subarray(0, 150)))
})

t.test('of a representation of unknown length everything is sent, to its end', async (t) => {
  const file = bytesOf(6, 555)
  const { fill } = testFill({ sliceSize: 100 })
  const source: SliceSource = {
    sliceSize: 100,
    length: () => null,
    fromMemory: () => undefined,
    fromDisk: () => undefined,
    letGo() {},
    fillAt: () => Promise.reject(new Error('not needed')),
    afterFailure: (error) => Promise.reject(error),
    served() {},
  }
  const sink = testSink()
  const sending = sendRange(source, { first: 0, last: Number.POSITIVE_INFINITY }, sink, {
    fill,
    reader: fill.attach(0),
  })
  for (let at = 0; at < file.length; at += 37) {
    fill.data(file.subarray(at, at + 37))
    await turn()
  }
  fill.finished()
  t.equal(await sending, true)
  t.ok(sink.received().equals(file))
})
