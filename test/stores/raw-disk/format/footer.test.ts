import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import { crc, seal } from '../../../../lib/stores/raw-disk/format/crc.ts'
import {
  decodeFooter,
  decodeTrailer,
  encodeFooter,
  FOOTER_RECORD_BYTES,
  type FooterRecord,
  footerLength,
  TRAILER_BYTES,
} from '../../../../lib/stores/raw-disk/format/footer.ts'
import { damagedBytes, eachBitFlipped, u8, u24, u32, u53 } from './damage.ts'

const SALT = 0x1234abcd
const FIRST_BLOCK = 8192
const place = { region: 2, generation: 2 ** 32 + 5, firstBlock: FIRST_BLOCK, salt: SALT }

const records: fc.Arbitrary<FooterRecord[]> = fc.array(
  fc.record(
    {
      objectLow: u32,
      objectHigh: u32,
      generation: u32,
      index: u32,
      block: fc.integer({ min: FIRST_BLOCK, max: 0xffffffff }),
      blocks: u24,
      flags: u8,
      expires: u32,
      sequence: u53,
    },
    { noNullPrototype: true },
  ),
  { maxLength: 40 },
)

const example: FooterRecord[] = [
  {
    objectLow: 0x01020304,
    objectHigh: 0xa1a2a3a4,
    generation: 0xffffffff,
    index: 0xffffffff,
    block: FIRST_BLOCK + 258,
    blocks: 0x030201,
    flags: 0x80,
    expires: 0xfffffffe,
    sequence: 2 ** 33 + 7,
  },
  {
    objectLow: 5,
    objectHigh: 6,
    generation: 7,
    index: 8,
    block: FIRST_BLOCK + 1,
    blocks: 1,
    flags: 0,
    expires: 0,
    sequence: 9,
  },
]

function encode(some: FooterRecord[]): Buffer {
  const bytes = Buffer.alloc(footerLength(some.length), 0xdb)
  encodeFooter(bytes, some, place)
  return bytes
}

/** As recovery reads it: the trailer first. */
function decode(bytes: Buffer, salt = SALT): FooterRecord[] | undefined {
  const trailer = decodeTrailer(bytes.subarray(Math.max(0, bytes.length - TRAILER_BYTES)), salt)
  if (trailer === undefined) return undefined
  return decodeFooter(
    bytes.subarray(0, Math.max(0, bytes.length - TRAILER_BYTES)),
    trailer,
    FIRST_BLOCK,
    salt,
  )
}

t.test('a footer is read as it was written, and its length is what was said', async () => {
  fc.assert(
    fc.property(records, (some) => {
      const bytes = encode(some)
      const trailer = decodeTrailer(bytes.subarray(bytes.length - TRAILER_BYTES), SALT)
      return (
        isDeepStrictEqual(decode(bytes), some) &&
        trailer?.region === place.region &&
        trailer.generation === place.generation &&
        trailer.count === some.length
      )
    }),
  )
})

t.test('the bytes of version 1', async (t) => {
  const bytes = encode(example)
  t.equal(
    bytes.toString('hex', 0, FOOTER_RECORD_BYTES),
    '04030201' +
      'a4a3a2a1' +
      'ffffffff' +
      'ffffffff' +
      '02010000' + // block in the region
      '010203' + // blocks
      '80' + // flags
      'feffffff' +
      '00000000' +
      '0700000002000000',
  )
  const trailer = bytes.subarray(2 * FOOTER_RECORD_BYTES)
  t.equal(trailer.length, TRAILER_BYTES)
  t.equal(trailer.toString('latin1', 0, 4), 'SLFT')
  t.equal(trailer.toString('hex', 8, 24), '02000000' + '02000000' + '0500000001000000')
  t.equal(trailer.readUInt32LE(24), crc(bytes.subarray(0, 2 * FOOTER_RECORD_BYTES), SALT))
  t.ok(trailer.subarray(28).every((byte) => byte === 0))
})

t.test('a footer with one bit changed, or of another format of the device, is none', async (t) => {
  const bytes = encode(example)
  eachBitFlipped(bytes, 0, bytes.length, (flipped, byte) => {
    if (decode(flipped) !== undefined) t.fail(`byte ${byte} changed and not noticed`)
  })
  t.equal(decode(bytes, SALT + 1), undefined)
  t.strictSame(decode(bytes), example)
})

t.test('records of another footer, or too few of them, are none', async (t) => {
  const trailer = decodeTrailer(encode(example).subarray(-TRAILER_BYTES), SALT)!
  const others = encode([example[1], example[0]]).subarray(0, 2 * FOOTER_RECORD_BYTES)
  t.equal(decodeFooter(others, trailer, FIRST_BLOCK, SALT), undefined)
  const own = encode(example).subarray(0, 2 * FOOTER_RECORD_BYTES)
  t.equal(decodeFooter(own.subarray(FOOTER_RECORD_BYTES), trailer, FIRST_BLOCK, SALT), undefined)
  t.equal(decodeFooter(own, { ...trailer, count: 0xffffffff }, FIRST_BLOCK, SALT), undefined)
  t.ok(decodeFooter(own, trailer, FIRST_BLOCK, SALT))
})

t.test('fields that make no sense are no footer, even under good checksums', async (t) => {
  const unsafe = encode(example)
  unsafe.writeBigUInt64LE(2n ** 53n, 32)
  const trailer = unsafe.subarray(2 * FOOTER_RECORD_BYTES)
  trailer.writeUInt32LE(crc(unsafe.subarray(0, 2 * FOOTER_RECORD_BYTES), SALT), 24)
  seal(trailer, trailer.readUInt32LE(0), TRAILER_BYTES, SALT)
  t.ok(decodeTrailer(trailer, SALT))
  t.equal(decode(unsafe), undefined, 'a sequence that is not safe')

  trailer.writeBigUInt64LE(2n ** 53n, 16)
  seal(trailer, trailer.readUInt32LE(0), TRAILER_BYTES, SALT)
  t.equal(decodeTrailer(trailer, SALT), undefined, 'a generation that is not safe')

  const own = decodeTrailer(encode(example).subarray(-TRAILER_BYTES), SALT)!
  const bytes = encode(example).subarray(0, 2 * FOOTER_RECORD_BYTES)
  t.equal(decodeFooter(bytes, own, 0xffffffff, SALT), undefined, 'a block beyond the last possible one')
})

t.test('no bytes make the decoder throw', async () => {
  const valid = encode(example)
  fc.assert(
    fc.property(damagedBytes(valid), (bytes) => decode(bytes) === undefined || bytes.equals(valid)),
    { numRuns: 500 },
  )
})
