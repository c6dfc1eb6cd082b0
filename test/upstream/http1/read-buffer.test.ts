import fc from 'fast-check'
import t from 'tap'
import type { MemoryBlock } from '../../../lib/stores/memory-block.ts'
import { createReadBuffer } from '../../../lib/upstream/http1/read-buffer.ts'

const KIB = 1024

/** What a connection read, as its receiver keeps it: every byte has the same value. */
interface Chunk {
  bytes: Buffer
  block: MemoryBlock | undefined
  value: number
}

const size = fc.oneof(fc.nat(300), fc.integer({ min: 1, max: 70 * KIB }), fc.constant(1024 * KIB))

t.test('what was taken stays what it is until its receiver lets go of it, whatever others read', async () => {
  const read = fc.record({
    connection: fc.nat(3),
    bytes: size,
    /** How much of what was read first belongs to something else: a head. */
    skip: fc.nat(500),
    more: fc.oneof(fc.constant(0), size, fc.constant(Number.POSITIVE_INFINITY)),
    passes: fc.boolean(),
    /** Content in several pieces, as chunks are. */
    pieces: fc.integer({ min: 1, max: 3 }),
    forget: fc.nat(10),
  })
  await fc.assert(
    fc.property(fc.array(read, { maxLength: 40 }), (reads) => {
      const connections = Array.from({ length: 4 }, createReadBuffer)
      const kept: Chunk[] = []
      let value = 0
      for (const { connection, bytes, skip, more, passes, pieces, forget } of reads) {
        const buffer = connections[connection]
        buffer.begin(passes)
        const length = Math.min(bytes, buffer.next.length)
        value = (value + 1) % 251
        buffer.next.fill(value, 0, length)
        let from = Math.min(skip, length)
        for (let piece = pieces; piece > 0; piece--) {
          const to = piece === 1 ? length : from + Math.floor((length - from) / piece)
          const chunk = buffer.take(from, to, more)
          if (chunk.length !== to - from) return false
          kept.push({ bytes: chunk, block: buffer.taken, value })
          from = to
        }
        buffer.advance(length, more)
        if (buffer.next.length === 0) return false
        for (const { block } of kept.splice(0, forget)) block?.release()
        if (!kept.every((chunk) => chunk.bytes.every((byte) => byte === chunk.value))) return false
      }
      for (const { block } of kept) block?.release()
      for (const buffer of connections) buffer.advance(0, 0)
      return true
    }),
    { numRuns: 300 },
  )
})

t.test('a large content that is passed on is read into the same blocks, over and over', async (t) => {
  const buffer = createReadBuffer()
  buffer.begin(true)
  const used = new Set<ArrayBufferLike>()
  for (let rest = 100; rest > 0; rest--) {
    const read = buffer.next.length
    const chunk = buffer.take(0, read, rest * 128 * KIB)
    const block = buffer.taken
    buffer.advance(read, rest * 128 * KIB)
    used.add(chunk.buffer)
    block?.release()
  }
  // What comes last does not fill a large block.
  t.ok(used.size <= 4, `${used.size} buffers`)
})

t.test('what may be kept lies in memory of which little is left over', async (t) => {
  for (const length of [20 * KIB, 100 * KIB, 128 * KIB, 1024 * KIB, 1024 * KIB + 5000]) {
    const buffer = createReadBuffer()
    buffer.begin(false)
    const memory = new Set<ArrayBufferLike>()
    for (let rest = length; rest > 0; ) {
      const read = Math.min(rest, buffer.next.length)
      rest -= read
      memory.add(buffer.take(0, read, rest).buffer)
      buffer.advance(read, rest)
    }
    const bytes = [...memory].reduce((sum, each) => sum + each.byteLength, 0)
    t.ok(bytes <= length * 1.01 + 8192, `${length} bytes lie in ${bytes}`)
  }
})

t.test('a connection that waits has no memory of its own', async (t) => {
  const [buffer, other] = [createReadBuffer(), createReadBuffer()]
  const shared = other.next.buffer
  buffer.begin(true)
  t.equal(buffer.next.buffer, shared)
  buffer.take(0, 60 * KIB, 1e6)
  buffer.advance(60 * KIB, 1e6)
  t.not(buffer.next.buffer, shared)
  buffer.advance(10, 0)
  t.equal(buffer.next.buffer, shared)
})

t.test('a small content shares memory with others', async (t) => {
  const buffer = createReadBuffer()
  for (const passes of [true, false]) {
    buffer.begin(passes)
    t.ok(buffer.take(100, 1100, 0).buffer.byteLength > 1000)
    buffer.advance(1100, 0)
  }
})

t.test(
  'what passes is read into large blocks where much of it is to come; what may be kept never is',
  async (t) => {
    for (const [passes, rest, length] of [
      [true, 1024 * KIB, 512 * KIB],
      [true, 500 * KIB, 128 * KIB],
      [false, 1024 * KIB, 128 * KIB],
    ] as const) {
      const buffer = createReadBuffer()
      buffer.begin(passes)
      buffer.take(0, 0, rest)
      buffer.advance(0, rest)
      t.equal(buffer.next.length, length)
      buffer.taken?.release()
      buffer.advance(buffer.next.length, 0)
    }
  },
)
