import fc from 'fast-check'
import t from 'tap'
import { createSegments } from '../../lib/slices/segments.ts'
import { MAX_SEGMENT } from '../../lib/stores/store.ts'
import { bytesOf } from '../helpers/bytes.ts'

const SLICE = 200_000
/** Small chunks are copied together, large ones kept as they came: sizes around both limits. */
const chunkSize = fc.oneof(
  fc.integer({ min: 0, max: 100 }),
  fc.integer({ min: 32_000, max: 33_000 }),
  fc.integer({ min: 1, max: 300_000 }),
)
const start = fc.integer({ min: 0, max: 3 * SLICE })

t.test('what was appended is found at its offset, whatever the chunks', async () => {
  fc.assert(
    fc.property(start, fc.array(chunkSize, { maxLength: 12 }), (start, sizes) => {
      const total = sizes.reduce((sum, size) => sum + size, 0)
      const bytes = bytesOf(1, total)
      const segments = createSegments(start, SLICE)
      let sent = 0
      for (const size of sizes) {
        segments.append(bytes.subarray(sent, sent + size))
        sent += size
      }
      if (segments.start !== start || segments.end !== start + total) return false
      if (segments.at(start - 1) !== undefined || segments.at(start + total) !== undefined) return false
      for (let offset = start; offset < start + total; ) {
        const found = segments.at(offset)
        if (!found || found.length === 0 || found.length > MAX_SEGMENT) return false
        if (!found.equals(bytes.subarray(offset - start, offset - start + found.length))) return false
        // No segment goes over a slice's end.
        if (Math.floor(offset / SLICE) !== Math.floor((offset + found.length - 1) / SLICE)) return false
        offset += found.length
      }
      return true
    }),
  )
})

t.test('the segments of a slice are its bytes and nothing else', async () => {
  fc.assert(
    fc.property(fc.array(chunkSize, { minLength: 1, maxLength: 12 }), (sizes) => {
      const bytes = bytesOf(
        2,
        Math.max(
          SLICE,
          sizes.reduce((sum, size) => sum + size, 0),
        ),
      )
      const segments = createSegments(0, SLICE)
      let sent = 0
      for (const size of [...sizes, bytes.length]) {
        const part = bytes.subarray(sent, sent + size)
        segments.append(part)
        sent += part.length
      }
      for (let from = 0; from + SLICE <= bytes.length; from += SLICE) {
        const slice = Buffer.concat(segments.between(from, from + SLICE).segments)
        if (!slice.equals(bytes.subarray(from, from + SLICE))) return false
      }
      return true
    }),
  )
})

t.test('what a reader holds stays as it was while more is appended', async (t) => {
  const bytes = bytesOf(3, 5000)
  const segments = createSegments(0, SLICE)
  const held: [number, Buffer][] = []
  for (let at = 0; at < bytes.length; at += 100) {
    segments.append(bytes.subarray(at, at + 100))
    held.push([at, segments.at(at)!])
  }
  t.ok(held.every(([at, found]) => found.equals(bytes.subarray(at, at + found.length))))
})

t.test('a small chunk that lies in more memory is copied, and that may be used again', async (t) => {
  const chunk = Buffer.alloc(1001, 1).subarray(1)
  const segments = createSegments(0, SLICE)
  segments.append(chunk)
  chunk.fill(2)
  t.ok(segments.at(0)!.every((byte) => byte === 1))
})

t.test('forgetting drops whole segments before an offset and keeps the rest', async () => {
  fc.assert(
    fc.property(
      fc.array(chunkSize, { minLength: 1, maxLength: 150 }),
      fc.nat({ max: 1000 }),
      (sizes, share) => {
        const small = sizes.map((size) => size % 40_000)
        const total = small.reduce((sum, size) => sum + size, 0)
        const bytes = bytesOf(4, total)
        const segments = createSegments(0, SLICE)
        let sent = 0
        for (const size of small) {
          segments.append(bytes.subarray(sent, sent + size))
          sent += size
          segments.dropBefore(Math.floor((sent * share) / 1000))
        }
        const kept = Math.floor((sent * share) / 1000)
        if (segments.end !== total || segments.start > kept || kept - segments.start > MAX_SEGMENT)
          return false
        for (let offset = kept; offset < total; ) {
          const found = segments.at(offset)
          if (!found?.equals(bytes.subarray(offset, offset + found.length))) return false
          offset += found.length
        }
        segments.dropBefore(total)
        return segments.start === total && segments.at(total - 1) === undefined
      },
    ),
  )
})

t.test('a small chunk that has memory of its own is kept as it came, and never written to', async (t) => {
  const own = Buffer.alloc(10, 'a')
  const segments = createSegments(0, SLICE)
  segments.append(own)
  segments.append(Buffer.alloc(5, 'b'))
  t.equal(segments.at(0), own)
  t.equal(own.toString(), 'a'.repeat(10))
  t.equal(segments.at(10)?.toString(), 'b'.repeat(5))

  const view = Buffer.alloc(100, 'c').subarray(0, 10)
  const others = createSegments(SLICE - 10, SLICE)
  others.append(view)
  t.equal(others.at(SLICE - 10)?.buffer.byteLength, 10, 'what lies in more memory is copied')
})

t.test('chunks with memory of their own are found at their offsets, whatever their sizes', async () => {
  fc.assert(
    fc.property(start, fc.array(fc.tuple(chunkSize, fc.boolean()), { maxLength: 12 }), (start, chunks) => {
      const segments = createSegments(start, SLICE)
      const all = bytesOf(
        3,
        chunks.reduce((sum, [size]) => sum + size, 0),
      )
      let sent = 0
      for (const [size, isOwn] of chunks) {
        const part = all.subarray(sent, sent + size)
        const own = Buffer.allocUnsafeSlow(size)
        part.copy(own)
        segments.append(isOwn ? own : part)
        sent += size
      }
      const found: Buffer[] = []
      for (let at = start; at < start + sent; at += found.at(-1)!.length) found.push(segments.at(at)!)
      return segments.end === start + sent && Buffer.concat(found).equals(all)
    }),
  )
})
