import fc from 'fast-check'
import t from 'tap'
import { HEADS } from '../../../lib/stores/entry-index.ts'
import { encodePrefix, HEADER_LENGTH, isEntry, prefixLength } from '../../../lib/stores/file/format.ts'

const id = fc.record({
  key: fc.string({ unit: 'grapheme', maxLength: 50 }),
  generation: fc.oneof(fc.constant(HEADS), fc.maxSafeNat()),
  index: fc.nat(2 ** 32 - 1),
})
const payload = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 4 })

function encode(name: Parameters<typeof encodePrefix>[0], parts: Uint8Array[]): Buffer {
  const buffers = parts.map((each) => Buffer.from(each))
  return Buffer.concat([encodePrefix(name, buffers), ...buffers])
}

function accepts(name: Parameters<typeof encodePrefix>[0], file: Buffer): boolean {
  const at = prefixLength(name.key)
  return file.length >= at && isEntry(name, file.subarray(0, at), [file.subarray(at)])
}

t.test('an entry is accepted under its own name, however its payload is cut', async () => {
  fc.assert(fc.property(id, payload, (name, parts) => accepts(name, encode(name, parts))))
})

t.test('an entry is not accepted under another name', async () => {
  fc.assert(
    fc.property(id, id, payload, (name, other, parts) => {
      fc.pre(JSON.stringify(name) !== JSON.stringify(other))
      return !accepts(other, encode(name, parts))
    }),
  )
})

t.test('an entry with one bit changed, a byte more or a byte less is not accepted', async () => {
  fc.assert(
    fc.property(id, payload, fc.nat(), (name, parts, at) => {
      const file = encode(name, parts)
      const bit = at % (file.length * 8)
      const flipped = Buffer.from(file)
      flipped[bit >> 3] ^= 1 << (bit & 7)
      const shorter = file.subarray(0, at % file.length)
      return (
        !accepts(name, flipped) &&
        !accepts(name, shorter) &&
        !accepts(name, Buffer.concat([file, Buffer.alloc(1)]))
      )
    }),
  )
})

t.test('any bytes are refused without an error', async () => {
  fc.assert(
    fc.property(id, fc.uint8Array({ minLength: HEADER_LENGTH, maxLength: 200 }), (name, bytes) => {
      return !accepts(name, Buffer.from(bytes))
    }),
  )
})

t.test('a list of heads and a slice of generation 0 are not the same', async (t) => {
  const heads = { key: 'a', generation: HEADS, index: 0 }
  t.notOk(accepts({ ...heads, generation: 0 }, encode(heads, [])))
})
