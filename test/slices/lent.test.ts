import fc from 'fast-check'
import t from 'tap'
import { sliceIndex } from '../../lib/slices/arithmetic.ts'
import { type Sink, type SliceSource, sendRange } from '../../lib/slices/reader.ts'
import type { Slice } from '../../lib/stores/store.ts'
import { bytesOf } from '../helpers/bytes.ts'

const turn = () => new Promise<boolean>((resolve) => setImmediate(resolve, true))

/** Slices of `file` in memory that is overwritten when it is given back; of each read, the part from `margin` bytes before the offset. */
function lendingSource(file: Buffer, sliceSize: number, segment: number, margin: number | null) {
  let lent = 0
  function lend(bytes: Buffer, from: number | undefined): Slice {
    const segments: Buffer[] = []
    for (let at = 0; at < bytes.length; at += segment) {
      segments.push(Buffer.from(bytes.subarray(at, at + segment)))
    }
    const isLent = segments.map(() => true)
    lent += segments.length
    const release = (at: number) => {
      if (isLent[at]) lent--
      isLent[at] = false
      segments[at].fill(0xdb)
    }
    const releaseAll = () => {
      for (let at = 0; at < segments.length; at++) release(at)
    }
    return { length: bytes.length, segments, from, loan: { release, releaseAll } }
  }
  const source = {
    lent: () => lent,
    reads: 0,
    lettingGo: 0,
    sliceSize,
    length: () => file.length,
    fromMemory: () => undefined,
    fromDisk(offset, last) {
      source.reads++
      const index = sliceIndex(offset, sliceSize)
      const start = index * sliceSize
      const bytes = file.subarray(start, start + sliceSize)
      if (margin === null) return turn().then(() => lend(bytes, undefined))
      const from = Math.max(0, offset - start - margin)
      return lend(bytes.subarray(from, last + 1 - start), from)
    },
    letGo: () => void source.lettingGo++,
    fillAt: () => Promise.reject(new Error('the disk has everything')),
    afterFailure: (error) => Promise.reject(error),
    served() {},
  } satisfies SliceSource & Record<string, unknown>
  return source
}

/** A client whose socket takes each write `delay` turns later, and which has gone after `leaveAfter` bytes. */
function takingSink(delay: number, leaveAfter: number): Sink & { received(): Buffer; waiting(): number } {
  const pieces: Buffer[] = []
  let written = 0
  let waiting = 0
  async function take(bytes: Buffer, taken: (() => void) | undefined): Promise<void> {
    for (let i = 0; i < delay; i++) await turn()
    pieces.push(Buffer.from(bytes))
    waiting--
    taken?.()
  }
  return {
    received: () => Buffer.concat(pieces),
    waiting: () => waiting,
    get gone() {
      return written >= leaveAfter
    },
    write(bytes, taken) {
      written += bytes.length
      waiting++
      void take(bytes, taken)
      return written % 3 === 0
    },
    drained: turn,
    onGone: () => () => {},
  }
}

t.test('lent segments are sent before they are given back, and all are', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        length: fc.integer({ min: 1, max: 4000 }),
        sliceSize: fc.integer({ min: 1, max: 900 }),
        segment: fc.integer({ min: 20, max: 400 }),
        margin: fc.option(fc.nat(500)),
        delay: fc.nat(3),
        leaveAfter: fc.oneof(fc.constant(Number.POSITIVE_INFINITY), fc.nat(3000)),
      }),
      fc.nat(4000),
      fc.nat(4000),
      async ({ length, sliceSize, segment, margin, delay, leaveAfter }, a, b) => {
        const file = bytesOf(7, length)
        const range = { first: Math.min(a % length, b % length), last: Math.max(a % length, b % length) }
        const source = lendingSource(file, sliceSize, segment, margin)
        const sink = takingSink(delay, leaveAfter)
        const done = await sendRange(source, range, sink)
        while (sink.waiting() > 0) await turn()
        const received = sink.received()
        const wanted = file.subarray(range.first, range.last + 1)
        if (source.lent() !== 0 || !received.equals(wanted.subarray(0, received.length))) return false
        return sink.gone ? !done : done && received.length === wanted.length
      },
    ),
  )
})

t.test('a client that takes nothing for a while has the rest looked up again', async (t) => {
  const file = bytesOf(8, 1000)
  const source = lendingSource(file, 1000, 100, 0)
  const sink = takingSink(1, Number.POSITIVE_INFINITY)
  let patience = 3
  sink.drained = (within) => turn().then(() => within === undefined || patience-- > 0)
  t.ok(await sendRange(source, { first: 5, last: 989 }, sink))
  while (sink.waiting() > 0) await turn()
  t.ok(sink.received().equals(file.subarray(5, 990)))
  t.ok(source.reads > 1)
  t.ok(source.lettingGo > 0, 'nor is anything read ahead for it')
  t.equal(source.lent(), 0)
})

t.test('a part that is not where the reader is counts for nothing, and is given back', async (t) => {
  const file = bytesOf(9, 1000)
  for (const from of [700, 100]) {
    const source = lendingSource(file, 1000, 100, 0)
    const { fromDisk } = source
    source.fromDisk = (offset, last) => ({ ...(fromDisk(offset, last) as Slice), length: 300, from })
    const sink = takingSink(0, Number.POSITIVE_INFINITY)
    await t.rejects(sendRange(source, { first: 500, last: 999 }, sink), {
      message: 'the disk has everything',
    })
    t.equal(source.lent(), 0)
  }
})

t.test('when writing throws, nothing stays lent', async (t) => {
  const source = lendingSource(bytesOf(10, 1000), 1000, 100, null)
  const sink = takingSink(0, Number.POSITIVE_INFINITY)
  sink.write = () => {
    throw new Error('no more')
  }
  await t.rejects(sendRange(source, { first: 0, last: 999 }, sink), { message: 'no more' })
  t.equal(source.lent(), 0)
})
