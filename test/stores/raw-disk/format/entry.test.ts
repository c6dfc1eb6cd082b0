import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import { HEADS } from '../../../../lib/stores/entry-index.ts'
import { PIECE, seal } from '../../../../lib/stores/raw-disk/format/crc.ts'
import {
  decodeEntry,
  ENTRY_HEADER_BYTES,
  type EntryHeader,
  type EntryToWrite,
  entryLength,
  MAX_KEY,
  metaLength,
  piecesAreWhole,
  writeEntry,
} from '../../../../lib/stores/raw-disk/format/entry.ts'
import { sliceOf } from '../../helpers.ts'
import { damagedBytes, eachBitFlipped, u8, u32, u53 } from './damage.ts'

const SALT = 0x1234abcd
const BLOCK = 512

const sizes = fc.oneof(
  fc.nat(2000),
  fc.constantFrom(0, 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 3 * PIECE + 7),
)

const entries: fc.Arbitrary<EntryToWrite> = fc
  .record({
    key: fc.oneof(fc.string({ unit: 'grapheme', maxLength: 50 }), fc.constant('k'.repeat(MAX_KEY))),
    generation: fc.oneof(fc.constant(HEADS), u53),
    index: u32,
    regionGeneration: u53,
    sequence: u53,
    codec: fc.constantFrom('none' as const, 'zstd' as const),
    plain: u32,
    stored: sizes,
    segment: fc.integer({ min: 100, max: 128 * 1024 }),
    expires: u32,
    flags: u8,
  })
  .map(({ plain, segment, ...fields }) => ({
    ...fields,
    length: fields.codec === 'none' ? fields.stored : plain,
    segments: sliceOf(fields.index, fields.stored, segment).segments,
  }))

const example: EntryToWrite = {
  key: '5:https11:example.com2:/é',
  generation: 2 ** 34 + 1,
  index: 258,
  regionGeneration: 2 ** 33 + 2,
  sequence: 2 ** 32 + 3,
  codec: 'none',
  length: 5,
  stored: 5,
  expires: 1_800_000_000,
  flags: 4,
  segments: [Buffer.from('abc'), Buffer.from('de')],
}
/** Three pieces, each with other bytes. */
const large: EntryToWrite = {
  ...example,
  length: 2 * PIECE + 10,
  stored: 2 * PIECE + 10,
  segments: [0, 1, 2].map((piece) => Buffer.alloc(piece === 2 ? 10 : PIECE, piece + 1)),
}

function encode(entry: EntryToWrite, before = 0xdb): Buffer {
  const length = entryLength(Buffer.byteLength(entry.key), entry.stored)
  const bytes = Buffer.alloc(Math.ceil(length / BLOCK) * BLOCK, before)
  writeEntry(bytes, entry, SALT, bytes.length)
  return bytes
}

function decode(bytes: Buffer): EntryHeader {
  const header = decodeEntry(bytes, SALT)
  if (header === undefined || 'need' in header) throw new Error('no entry')
  return header
}

function pieceOf(bytes: Buffer, header: EntryHeader, piece: number): Buffer {
  const payload = bytes.subarray(header.metaLength, header.metaLength + header.stored)
  return payload.subarray(piece * PIECE, (piece + 1) * PIECE)
}

function wholePieces(bytes: Buffer, header: EntryHeader): boolean[] {
  return Array.from({ length: header.pieces }, (_, piece) =>
    piecesAreWhole(bytes, header, piece, pieceOf(bytes, header, piece), SALT),
  )
}

t.test('an entry is read as it was written, however its payload is cut', async () => {
  fc.assert(
    fc.property(entries, (entry) => {
      const bytes = encode(entry)
      const header = decode(bytes)
      const { segments, ...fields } = entry
      const keyLength = Buffer.byteLength(entry.key)
      const pieces = Math.ceil(entry.stored / PIECE)
      const meta = metaLength(keyLength, entry.stored)
      const payload = bytes.subarray(header.metaLength, header.metaLength + entry.stored)
      return (
        isDeepStrictEqual(header, { ...fields, keyLength, pieces, metaLength: meta }) &&
        payload.equals(Buffer.concat(segments)) &&
        wholePieces(bytes, header).every(Boolean)
      )
    }),
    { numRuns: 200 },
  )
})

t.test('every byte is written: nothing of what the memory held before gets onto the device', async (t) => {
  fc.assert(fc.property(entries, (entry) => encode(entry, 0xdb).equals(encode(entry, 0x24))))
  const bytes = Buffer.alloc(4096, 0xdb)
  writeEntry(bytes, example, SALT, 1024)
  const end = entryLength(Buffer.byteLength(example.key), example.stored)
  t.ok(
    bytes.subarray(end, 1024).every((byte) => byte === 0),
    'zeros up to the end of the last block',
  )
  t.ok(
    bytes.subarray(1024).every((byte) => byte === 0xdb),
    'and no further',
  )
})

t.test('the bytes of version 2', async (t) => {
  const bytes = encode(example)
  const keyLength = Buffer.byteLength(example.key)
  t.equal(bytes.toString('latin1', 0, 4), 'SLEN')
  t.equal(
    bytes.toString('hex', 8, ENTRY_HEADER_BYTES),
    '02' + // slice
      '00' + // not encoded
      '04' + // flags
      '00' +
      `${keyLength.toString(16)}000000` +
      '0200000002000000' + // generation of the region
      '0300000001000000' + // sequence
      '0100000004000000' + // generation
      '02010000' + // index
      '00d2496b' + // expires
      '05000000' +
      '05000000' +
      '0000000000000000',
  )
  t.equal(bytes.toString('utf8', 64, 64 + keyLength), example.key)
  t.equal(bytes.toString('utf8', 64 + keyLength + 8, 64 + keyLength + 13), 'abcde')

  const heads = encode({ ...example, generation: HEADS, codec: 'zstd' })
  t.equal(heads.toString('hex', 8, 10), '0101')
  t.equal(heads.toString('hex', 32, 40), '0000000000000000')
})

t.test('an entry with one bit changed before its payload is none', async (t) => {
  const bytes = Buffer.concat([encode(large), Buffer.alloc(300 * 1024)])
  eachBitFlipped(bytes, 0, decode(bytes).metaLength, (flipped, byte) => {
    if (decodeEntry(flipped, SALT) !== undefined) t.fail(`byte ${byte} changed and not noticed`)
  })
})

t.test('a piece with one bit changed is not whole, and the others are', async () => {
  const bytes = encode(large)
  const header = decode(bytes)
  fc.assert(
    fc.property(fc.nat(large.stored - 1), fc.nat(7), (at, bit) => {
      bytes[header.metaLength + at] ^= 1 << bit
      const whole = wholePieces(bytes, header)
      bytes[header.metaLength + at] ^= 1 << bit
      return whole.every((isWhole, piece) => isWhole === (piece !== Math.floor(at / PIECE)))
    }),
  )
})

t.test('a piece is whole in its own place and in its own length only', async (t) => {
  const bytes = encode(large)
  const header = decode(bytes)
  const first = pieceOf(bytes, header, 0)
  const last = pieceOf(bytes, header, 2)
  t.ok(piecesAreWhole(bytes, header, 2, last, SALT))
  t.notOk(piecesAreWhole(bytes, header, 1, first, SALT), 'another piece')
  t.notOk(piecesAreWhole(bytes, header, 2, last.subarray(1), SALT), 'too short')
  t.notOk(piecesAreWhole(bytes, header, 0, bytes.subarray(header.metaLength), SALT), 'too long')
  t.notOk(piecesAreWhole(bytes, header, 3, Buffer.alloc(0), SALT), 'beyond the last one')
  t.notOk(piecesAreWhole(bytes, header, -1, Buffer.alloc(0), SALT), 'before the first one')
  t.notOk(
    piecesAreWhole(bytes.subarray(0, header.metaLength - 1), header, 2, last, SALT),
    'no table to look in',
  )
  t.notOk(piecesAreWhole(bytes, header, 0, first, SALT + 1), 'of another format of the device')
})

t.test('what an earlier format of the device has left is no entry', async (t) => {
  t.equal(decodeEntry(encode(example), SALT + 1), undefined)
})

t.test('too few bytes: so many are needed', async (t) => {
  const bytes = encode(large)
  const { metaLength: meta } = decode(bytes)
  for (let length = 0; length < ENTRY_HEADER_BYTES; length++) {
    t.strictSame(decodeEntry(bytes.subarray(0, length), SALT), { need: ENTRY_HEADER_BYTES })
  }
  for (let length = ENTRY_HEADER_BYTES; length < meta; length++) {
    t.strictSame(decodeEntry(bytes.subarray(0, length), SALT), { need: meta })
  }
  t.ok(decode(bytes.subarray(0, meta)), 'the payload is not needed')
  t.equal(decodeEntry(Buffer.alloc(ENTRY_HEADER_BYTES), SALT), undefined, 'no magic: nothing more is needed')
})

t.test('lengths that are not true ask for little more', async (t) => {
  const bytes = encode(example).subarray(0, ENTRY_HEADER_BYTES)
  bytes.writeUInt32LE(0xffffffff, 52)
  t.strictSame(decodeEntry(bytes, SALT), { need: 64 + Buffer.byteLength(example.key) + 8 * 65536 })
  bytes.writeUInt32LE(MAX_KEY + 1, 12)
  t.equal(decodeEntry(bytes, SALT), undefined, 'no key is so long')
  bytes.writeUInt32LE(0xffffffff, 12)
  t.equal(decodeEntry(bytes, SALT), undefined)
})

t.test('fields that make no sense are no entry, even under a good checksum', async (t) => {
  const nonsense: [string, (bytes: Buffer) => void][] = [
    ['a third kind', (bytes) => bytes.writeUInt8(3, 8)],
    ['no kind', (bytes) => bytes.writeUInt8(0, 8)],
    ['an unknown codec', (bytes) => bytes.writeUInt8(2, 9)],
    ['a region generation that is not safe', (bytes) => bytes.writeBigUInt64LE(2n ** 53n, 16)],
    ['a sequence that is not safe', (bytes) => bytes.writeBigUInt64LE(2n ** 53n, 24)],
    ['a generation that is not safe', (bytes) => bytes.writeBigUInt64LE(2n ** 53n, 32)],
    ['another length without a codec', (bytes) => bytes.writeUInt32LE(6, 48)],
  ]
  for (const [what, change] of nonsense) {
    const bytes = encode(example)
    change(bytes)
    seal(bytes, bytes.readUInt32LE(0), metaLength(Buffer.byteLength(example.key), example.stored), SALT)
    t.equal(decodeEntry(bytes, SALT), undefined, what)
  }
})

t.test('no bytes make the decoder throw', async () => {
  const valid = encode(example)
  const { metaLength: meta } = decode(valid)
  fc.assert(
    fc.property(damagedBytes(valid), (bytes) => {
      const header = decodeEntry(bytes, SALT)
      const isUnchanged = bytes.subarray(0, meta).equals(valid.subarray(0, meta))
      return header === undefined || 'need' in header || isUnchanged
    }),
    { numRuns: 500 },
  )
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 400, maxLength: 400 }),
      fc.nat(300),
      u8,
      (noise, keyLength, stored) => {
        const bytes = Buffer.from(noise)
        bytes.writeUInt32LE(keyLength, 12)
        bytes.writeUInt32LE(stored, 52)
        seal(bytes, valid.readUInt32LE(0), metaLength(keyLength, stored), SALT)
        const header = decodeEntry(bytes, SALT)
        return header === undefined || ('key' in header && header.keyLength === keyLength)
      },
    ),
  )
})

t.test('a payload that is not as long as it is said to be, or does not fit, is refused', async (t) => {
  const into = Buffer.alloc(4096)
  t.throws(() => writeEntry(into, { ...example, stored: 6, length: 6 }, SALT, 4096), RangeError)
  t.throws(() => writeEntry(into, { ...example, stored: 4, length: 4 }, SALT, 4096), RangeError)
  t.throws(() => writeEntry(into, example, SALT, 64), RangeError)
  t.throws(() => writeEntry(into, example, SALT, 8192), RangeError)
})
