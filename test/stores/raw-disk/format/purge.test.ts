import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import { crc } from '../../../../lib/stores/raw-disk/format/crc.ts'
import {
  decodePurge,
  PURGE_RECORD_BYTES,
  type PurgeRecord,
  putPurge,
} from '../../../../lib/stores/raw-disk/format/purge.ts'
import { damagedBytes, eachBitFlipped, u32, u53 } from './damage.ts'

const SALT = 0x1234abcd
const example: PurgeRecord = {
  kind: 'heads',
  objectLow: 0x01020304,
  objectHigh: 0xa1a2a3a4,
  sequence: 2 ** 32 + 5,
}

function encode(record: PurgeRecord): Buffer {
  const bytes = Buffer.alloc(PURGE_RECORD_BYTES, 0xdb)
  putPurge(bytes, 0, record, SALT)
  return bytes
}

t.test('a purge is read as it was written, wherever it is', async () => {
  const kinds = fc.constantFrom('object' as const, 'heads' as const, 'all' as const)
  const records = fc.record(
    { kind: kinds, objectLow: u32, objectHigh: u32, sequence: u53 },
    { noNullPrototype: true },
  )
  fc.assert(
    fc.property(records, fc.nat(100), (record, at) => {
      const bytes = Buffer.alloc(at + PURGE_RECORD_BYTES + 10, 0xdb)
      putPurge(bytes, at, record, SALT)
      return (
        isDeepStrictEqual(decodePurge(bytes, at, SALT), record) && bytes[at + PURGE_RECORD_BYTES] === 0xdb
      )
    }),
  )
})

t.test('the bytes of version 1', async (t) => {
  const bytes = encode(example)
  t.equal(bytes.readUInt32LE(0), (Buffer.from('SLPG').readUInt32LE() ^ SALT) >>> 0)
  t.equal(bytes.toString('hex', 8), '02000000' + '04030201' + 'a4a3a2a1' + '00000000' + '0500000001000000')
  t.equal(encode({ ...example, kind: 'object' })[8], 1)
  t.equal(encode({ ...example, kind: 'all' })[8], 3)
})

t.test('a purge with one bit changed is known to be damaged, or still the same', async (t) => {
  eachBitFlipped(encode(example), 0, PURGE_RECORD_BYTES, (flipped, byte) => {
    const result = decodePurge(flipped, 0, SALT)
    const expected = byte < 4 ? example : 'damaged'
    if (!isDeepStrictEqual(result, expected)) t.fail(`byte ${byte} changed: ${result}`)
  })
})

t.test('zeros and what an earlier format of the device has left are no purges, and no damage', async (t) => {
  t.equal(decodePurge(Buffer.alloc(PURGE_RECORD_BYTES), 0, SALT), undefined)
  t.equal(decodePurge(encode(example), 0, SALT + 1), undefined)
  const unluckySalt = fc.nat(0xffffffff)
  fc.assert(
    fc.property(unluckySalt, (salt) => {
      fc.pre(salt !== SALT)
      return decodePurge(encode(example), 0, salt) === undefined
    }),
  )
})

t.test('fields that make no sense are damage, even under a good checksum', async (t) => {
  const change = (edit: (bytes: Buffer) => void) => {
    const bytes = encode(example)
    edit(bytes)
    bytes.writeUInt32LE(crc(bytes.subarray(8), SALT), 4)
    return decodePurge(bytes, 0, SALT)
  }
  t.equal(
    change((bytes) => bytes.writeUInt32LE(0, 8)),
    'damaged',
  )
  t.equal(
    change((bytes) => bytes.writeUInt32LE(4, 8)),
    'damaged',
  )
  t.equal(
    change((bytes) => bytes.writeBigUInt64LE(2n ** 53n, 24)),
    'damaged',
  )
})

t.test('no bytes make the decoder throw', async () => {
  fc.assert(
    fc.property(damagedBytes(encode(example)), fc.nat(100), (bytes, at) => {
      const result = decodePurge(bytes, at, SALT)
      return result === undefined || result === 'damaged' || isDeepStrictEqual(result, example)
    }),
    { numRuns: 500 },
  )
})
