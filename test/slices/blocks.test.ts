import fc from 'fast-check'
import t from 'tap'
import type { Fill } from '../../lib/slices/fill.ts'
import { type Sink, sendRange } from '../../lib/slices/reader.ts'
import { BLOCK_BYTES } from '../../lib/stores/memory-block.ts'
import { type CountedBlock, countedBlock } from '../helpers/blocks.ts'
import { bytesOf } from '../helpers/bytes.ts'
import { testFill } from './fills.ts'

/** A client that takes what it was sent when it is told to, and may leave. */
function lateSink() {
  const callbacks = new Set<() => void>()
  const untaken: { bytes: Buffer; taken?: () => void }[] = []
  const pieces: Buffer[] = []
  const sink = {
    gone: false,
    received: () => Buffer.concat(pieces),
    take() {
      for (const { bytes, taken } of untaken.splice(0)) {
        pieces.push(Buffer.from(bytes))
        taken?.()
      }
    },
    leave() {
      sink.gone = true
      for (const callback of callbacks) callback()
      for (const { taken } of untaken.splice(0)) taken?.()
    },
    write(bytes: Buffer, taken?: () => void) {
      untaken.push({ bytes, taken })
      return true
    },
    drained: async () => true,
    onGone(callback: () => void) {
      callbacks.add(callback)
      return () => void callbacks.delete(callback)
    },
  }
  return sink satisfies Sink & object
}

/** Sends bytes as a connection does that reads them into blocks, in reads of these sizes. */
function sendInBlocks(
  fill: Fill,
  bytes: Buffer,
  sizes: readonly number[],
  between: () => void,
): CountedBlock[] {
  const blocks: CountedBlock[] = []
  let block: CountedBlock | undefined
  let at = 0
  for (let sent = 0, i = 0; sent < bytes.length; i++) {
    if (block === undefined || at === BLOCK_BYTES) {
      block?.release()
      block = countedBlock()
      blocks.push(block)
      at = 0
    }
    const size = Math.min(sizes[i % sizes.length], BLOCK_BYTES - at, bytes.length - sent)
    bytes.copy(block.bytes, at, sent, sent + size)
    block.hold()
    fill.data(block.bytes.subarray(at, at + size), block)
    // Now and then something else lies in between, as the lines between chunks do.
    at = Math.min(BLOCK_BYTES, at + size + (i % 3 === 0 ? 7 : 0))
    sent += size
    between()
  }
  block?.release()
  return blocks
}

const source = {
  length: () => null,
  fromMemory: () => undefined,
  fromDisk: () => undefined,
  letGo() {},
  fillAt: () => Promise.reject(new Error('not asked for')),
  afterFailure: (error: Error) => Promise.reject(error),
  served() {},
}

const sizes = fc.array(
  fc.oneof(fc.integer({ min: 1, max: 20_000 }), fc.integer({ min: 60_000, max: 140_000 })),
  { minLength: 1, maxLength: 5 },
)

t.test(
  'each reader gets the bytes, and what nothing is stored of is given back when all have taken it',
  async () => {
    await fc.assert(
      fc.asyncProperty(
        sizes,
        fc.integer({ min: 1, max: 3 }),
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 200_000, max: 900_000 }),
        async (sizes, readers, every, length) => {
          const sliceSize = 100_000
          const file = bytesOf(71, length)
          const { fill } = testFill({ sliceSize, end: length, length, store: null })
          const range = { first: 0, last: length - 1 }
          const sinks = Array.from({ length: readers }, lateSink)
          const sending = sinks.map((sink) =>
            sendRange({ ...source, sliceSize }, range, sink, { fill, reader: fill.attach(0) }),
          )
          let reads = 0
          const blocks = sendInBlocks(fill, file, sizes, () => {
            reads++
            for (const [i, sink] of sinks.entries()) if (reads % (every + i) === 0) sink.take()
          })
          fill.finished()
          await Promise.all(sending)
          for (const sink of sinks) sink.take()
          return blocks.every((block) => block.isFree) && sinks.every((sink) => sink.received().equals(file))
        },
      ),
      { numRuns: 60 },
    )
  },
)

t.test('a reader that leaves gives back what it had not taken', async (t) => {
  const length = 4 * BLOCK_BYTES
  const { fill } = testFill({ sliceSize: BLOCK_BYTES, end: length, length, store: null })
  const sink = lateSink()
  const sending = sendRange({ ...source, sliceSize: BLOCK_BYTES }, { first: 0, last: length - 1 }, sink, {
    fill,
    reader: fill.attach(0),
  })
  const blocks = sendInBlocks(fill, bytesOf(72, length - 5), [BLOCK_BYTES], () => {})
  t.equal(blocks.filter((block) => block.isFree).length, 0, 'the client has taken nothing')
  sink.leave()
  await sending
  t.ok(blocks.every((block) => block.isFree))
})

// The pool of large blocks has a limit: what is lost is missed.
t.test('a transfer that nobody wants any more gives back what nobody took', async (t) => {
  const length = 4 * BLOCK_BYTES
  const { fill } = testFill({ sliceSize: BLOCK_BYTES, end: length, length, store: null })
  const reader = fill.attach(0)
  const blocks = sendInBlocks(fill, bytesOf(74, 2 * BLOCK_BYTES), [BLOCK_BYTES], () => {})
  t.notOk(blocks.some((block) => block.isFree))
  reader.detach()
  t.equal(fill.state, 'abandoned')
  t.ok(blocks.every((block) => block.isFree))
})

t.test('what is stored is held for the store, and its slices are the bytes', async () => {
  await fc.assert(
    fc.property(sizes, fc.integer({ min: 50_000, max: 300_000 }), (sizes, sliceSize) => {
      const file = bytesOf(73, 700_001)
      const slices: { segments: readonly Buffer[]; blocks?: readonly { release(): void }[] }[] = []
      const { fill } = testFill({
        sliceSize,
        end: file.length,
        length: file.length,
        store: (_index, slice) => void slices.push(slice),
      })
      const letGo = fill.hold()
      const blocks = sendInBlocks(fill, file, sizes, () => {})
      fill.finished()
      letGo()
      if (blocks.some((block) => block.isFree)) return false
      if (!Buffer.concat(slices.flatMap(({ segments }) => segments)).equals(file)) return false
      for (const slice of slices) for (const block of slice.blocks ?? []) block.release()
      return blocks.every((block) => block.isFree)
    }),
    { numRuns: 60 },
  )
})
