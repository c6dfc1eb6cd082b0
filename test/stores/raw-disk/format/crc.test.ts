import fc from 'fast-check'
import t from 'tap'
import { crc, isSealed, saltOf, seal } from '../../../../lib/stores/raw-disk/format/crc.ts'
import { readU64, writeU64 } from '../../../../lib/stores/raw-disk/format/numbers.ts'
import { eachBitFlipped, u32, u53 } from './damage.ts'

t.test('for equal bytes two salts never give the same checksum', async () => {
  fc.assert(
    fc.property(fc.uint8Array(), u32, u32, (bytes, salt, other) => {
      fc.pre(salt !== other)
      return crc(Buffer.from(bytes), salt) !== crc(Buffer.from(bytes), other)
    }),
  )
})

t.test('the salt is that of the uuid', async (t) => {
  t.equal(saltOf(Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex')), 0xcecee288)
  t.not(saltOf(Buffer.alloc(16, 1)), saltOf(Buffer.alloc(16, 2)))
})

t.test(
  'a sealed record holds, and does not when a bit of it, its magic, length or salt is another',
  async (t) => {
    const record = Buffer.alloc(48, 0x5a)
    seal(record, 0x41424344, 40, 7)
    t.ok(isSealed(record, 0x41424344, 40, 7))
    t.notOk(isSealed(record, 0x41424345, 40, 7))
    t.notOk(isSealed(record, 0x41424344, 41, 7))
    t.notOk(isSealed(record, 0x41424344, 40, 8))
    t.notOk(isSealed(record.subarray(0, 40), 0x41424344, 41, 7))
    t.notOk(isSealed(record.subarray(0, 39), 0x41424344, 40, 7))
    t.notOk(isSealed(record.subarray(0, 3), 0x41424344, 40, 7))
    eachBitFlipped(record, 0, 40, (flipped) => {
      if (isSealed(flipped, 0x41424344, 40, 7)) t.fail('a changed bit was not noticed')
    })
  },
)

t.test('safe integers are the same after 64 bits', async (t) => {
  fc.assert(
    fc.property(u53, fc.nat(8), (value, at) => {
      const bytes = Buffer.alloc(16, 0xff)
      writeU64(bytes, value, at)
      return readU64(bytes, at) === value && bytes.readBigUInt64LE(at) === BigInt(value)
    }),
  )
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(2n ** 53n)
  t.equal(readU64(bytes, 0), -1, 'a number that is not safe is refused')
  t.equal(readU64(Buffer.alloc(8, 0xff), 0), -1)
})
