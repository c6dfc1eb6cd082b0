import fc from 'fast-check'
import t from 'tap'
import {
  MOST_COPIED,
  ROOM_BYTES,
  SUM_BYTES,
  sumHolds,
  sumsIn,
  writeSum,
  writeSumOfParts,
} from '../../../lib/stores/checksum/checksum.ts'
import { keyBytes } from '../../../lib/stores/checksum/definition.ts'
import { plainSum } from '../../../lib/stores/checksum/plain.ts'
import { wasm } from '../../../lib/stores/checksum/wasm.ts'
import { bytesNamed, sumByDefinition } from './by-definition.ts'

const u32 = fc.oneof(fc.nat(0xffff_ffff), fc.constantFrom(0, 0x8000_0000, 0xffff_ffff))
/** Around the ends of stripes and of what is mixed at once. */
const lengths = fc.oneof(
  fc.nat(200),
  fc.nat(5000),
  fc.constantFrom(0, 1, 63, 64, 65, 1023, 1024, 1025, 1087, 1088, 2048, MOST_COPIED - 1, MOST_COPIED),
)
const contents = fc
  .tuple(lengths, fc.constantFrom('zeros', 'ones', 'random'), fc.nat())
  .map(([length, kind, name]) =>
    kind === 'random' ? bytesNamed(`${name}`, length) : Buffer.alloc(length, kind === 'zeros' ? 0 : 0xff),
  )

const KEY = keyBytes()

function sum(bytes: Buffer, seed: number): bigint {
  const into = Buffer.alloc(SUM_BYTES)
  writeSum(bytes, seed, into, 0)
  return into.readBigUInt64LE(0)
}

/** Memory of WebAssembly, in which sums need no copy. */
function known(bytes: number): Buffer {
  const memory = new wasm.Memory({ initial: bytes / 65536 + 1, maximum: bytes / 65536 + 1 })
  sumsIn(memory, bytes)
  t.ok(ROOM_BYTES <= 65536)
  return Buffer.from(memory.buffer, 0, bytes)
}
const memory = known(4 * 65536)

t.test('all ways of summing agree with the definition', async () => {
  fc.assert(
    fc.property(contents, u32, fc.nat(100), (bytes, seed, at) => {
      const expected = sumByDefinition(bytes, seed, KEY)
      const into = Buffer.alloc(SUM_BYTES)
      plainSum(bytes, seed, into, 0)
      memory.fill(0xdb)
      bytes.copy(memory, at)
      return (
        into.readBigUInt64LE(0) === expected &&
        sum(bytes, seed) === expected &&
        sum(memory.subarray(at, at + bytes.length), seed) === expected
      )
    }),
    { numRuns: 300 },
  )
})

t.test('the checksum stays what it is: devices have it', async (t) => {
  const hex = (bytes: Buffer, seed: number) => sum(bytes, seed).toString(16)
  t.equal(hex(Buffer.alloc(0), 0), '0')
  t.equal(hex(Buffer.from('slicestream'), 1), '4155a835f15b1b3')
  t.equal(hex(bytesNamed('a piece', 65536), 0x1234abcd), 'c1f684f1843eb4dc')
  t.equal(KEY.readBigUInt64LE(0), 0xe220_a839_7b1d_cdafn, 'the first number of SplitMix64')
})

t.test('more than fits a piece is summed in known memory', async (t) => {
  const bytes = bytesNamed('long', 3 * 65536 + 5)
  bytes.copy(memory)
  t.equal(sum(memory.subarray(0, bytes.length), 3), sumByDefinition(bytes, 3, KEY))
  t.throws(() => sum(bytes, 3), RangeError)
})

t.test('of several parts it is the sum of the sums of each 64 KiB, wherever they are cut', async () => {
  const parts = fc.array(fc.oneof(fc.nat(3000), fc.nat(70_000), fc.constantFrom(0, 65536, 131_072)), {
    maxLength: 5,
  })
  fc.assert(
    fc.property(parts, fc.boolean(), (lengths, isKnown) => {
      const bytes = bytesNamed(
        'parts',
        lengths.reduce((a, b) => a + b, 0),
      )
      const held =
        isKnown && bytes.length <= memory.length ? memory.subarray(0, bytes.length) : Buffer.from(bytes)
      bytes.copy(held)
      let at = 0
      const cut = lengths.map((length) => held.subarray(at, (at += length)))
      const sums: Buffer[] = []
      for (let from = 0; from < bytes.length; from += 65536) {
        const each = Buffer.alloc(SUM_BYTES)
        each.writeBigUInt64LE(sumByDefinition(bytes.subarray(from, from + 65536), 0, KEY))
        sums.push(each)
      }
      const into = Buffer.alloc(SUM_BYTES)
      writeSumOfParts(cut, into, 0)
      return into.readBigUInt64LE(0) === sumByDefinition(Buffer.concat(sums), 0, KEY)
    }),
    { numRuns: 60 },
  )
})

t.test('it holds for these bytes, this length and this seed only', async (t) => {
  const bytes = bytesNamed('piece', 4096)
  const sums = Buffer.alloc(24, 0xff)
  writeSum(bytes, 7, sums, 8)
  t.equal(sums.readUInt32LE(4), 0xffff_ffff)
  t.equal(sums.readUInt32LE(16), 0xffff_ffff)
  t.ok(sumHolds(bytes, 7, sums, 8))
  t.notOk(sumHolds(bytes, 8, sums, 8))
  t.notOk(sumHolds(bytes.subarray(1), 7, sums, 8))
  t.notOk(sumHolds(Buffer.concat([bytes, Buffer.alloc(1)]), 7, sums, 8), 'a zero more')
  for (let bit = 0; bit < 64; bit++) {
    sums[8 + (bit >> 3)] ^= 1 << (bit & 7)
    if (sumHolds(bytes, 7, sums, 8)) t.fail(`bit ${bit} of the sum is not compared`)
    sums[8 + (bit >> 3)] ^= 1 << (bit & 7)
  }
})

t.test('for equal bytes, two seeds or two lengths of zeros never give the same', async () => {
  fc.assert(
    fc.property(
      contents,
      u32,
      u32,
      (bytes, seed, other) => seed === other || sum(bytes, seed) !== sum(bytes, other),
    ),
  )
  const seen = new Set(Array.from({ length: 2100 }, (_, length) => sum(Buffer.alloc(length), 0)))
  t.equal(seen.size, 2100)
})

t.test('each flipped bit is noticed', async (t) => {
  for (const fill of [0x00, 0xff]) {
    const bytes = memory.subarray(0, 1100).fill(fill)
    const seen = new Set([sum(bytes, 1)])
    for (let bit = 0; bit < 8800; bit++) {
      bytes[bit >> 3] ^= 1 << (bit & 7)
      seen.add(sum(bytes, 1))
      bytes[bit >> 3] ^= 1 << (bit & 7)
    }
    t.equal(seen.size, 8801)
  }
})

t.test('the damage that disks do is noticed', async (t) => {
  const piece = bytesNamed('whole', MOST_COPIED)
  const page = 512
  const bytes = memory.subarray(0, MOST_COPIED)
  piece.copy(bytes)
  const whole = sum(bytes, 1)
  const damaged = (damage: () => void): boolean => {
    piece.copy(bytes)
    damage()
    return bytes.equals(piece) || sum(bytes, 1) !== whole
  }
  fc.assert(
    fc.property(fc.nat(127), fc.nat(127), fc.nat(), (a, b, name) => {
      const [from, to] = [a * page, b * page]
      const swap = () => {
        piece.copy(bytes, from, to, to + page)
        piece.copy(bytes, to, from, from + page)
      }
      return (
        damaged(() => bytes.fill(0, from, from + page)) &&
        damaged(() => bytes.fill(0, Math.min(from, to))) &&
        damaged(() => piece.copy(bytes, to, from, from + page)) &&
        damaged(swap) &&
        damaged(() => piece.copy(bytes, from, 0, MOST_COPIED - from)) &&
        damaged(() => bytesNamed(`${name}`, page).copy(bytes, from))
      )
    }),
    { numRuns: 300 },
  )
  t.pass()
})

t.test('bursts of up to 64 bits are noticed wherever they lie', async (t) => {
  fc.assert(
    fc.property(contents, fc.nat(), fc.bigInt({ min: 1n, max: 2n ** 64n - 1n }), (content, place, burst) => {
      fc.pre(content.length >= 9)
      const bytes = Buffer.from(content)
      const before = sum(bytes, 0)
      const bit = place % ((bytes.length - 8) * 8)
      for (let i = 0; i < 64; i++)
        if ((burst >> BigInt(i)) & 1n) bytes[(bit + i) >> 3] ^= 1 << ((bit + i) & 7)
      return sum(bytes, 0) !== before
    }),
    { numRuns: 300 },
  )
  t.pass()
})
