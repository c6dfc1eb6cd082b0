import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import { seal } from '../../../../lib/stores/raw-disk/format/crc.ts'
import {
  decodeRegionHeader,
  encodeRegionHeader,
  REGION_HEADER_BYTES,
  type RegionHeader,
} from '../../../../lib/stores/raw-disk/format/region.ts'
import { damagedBytes, eachBitFlipped, u32, u53 } from './damage.ts'

const SALT = 0x1234abcd
const example: RegionHeader = { region: 258, generation: 2 ** 32 + 5, state: 'written' }

function encode(header: RegionHeader, length = REGION_HEADER_BYTES): Buffer {
  const bytes = Buffer.alloc(length, 0xdb)
  encodeRegionHeader(bytes, header, SALT)
  return bytes
}

t.test('a region header is read as it was written, and zeros fill its block', async () => {
  const states = fc.constantFrom('written' as const, 'clean' as const)
  fc.assert(
    fc.property(
      fc.record({ region: u32, generation: u53, state: states }, { noNullPrototype: true }),
      (header) => {
        const bytes = encode(header, 512)
        const rest = bytes.subarray(REGION_HEADER_BYTES)
        return isDeepStrictEqual(decodeRegionHeader(bytes, SALT), header) && rest.every((byte) => byte === 0)
      },
    ),
  )
})

t.test('the bytes of version 1', async (t) => {
  const bytes = encode(example)
  t.equal(bytes.toString('latin1', 0, 4), 'SLRG')
  t.equal(
    bytes.toString('hex', 8, 32),
    '02010000' + '01' + '000000' + '0500000001000000' + '0000000000000000',
  )
  t.equal(encode({ ...example, state: 'clean' })[12], 2)
})

t.test('a region header with one bit changed, or of another format of the device, is none', async (t) => {
  eachBitFlipped(encode(example), 0, REGION_HEADER_BYTES, (flipped, byte) => {
    if (decodeRegionHeader(flipped, SALT) !== undefined) t.fail(`byte ${byte} changed and not noticed`)
  })
  t.equal(decodeRegionHeader(encode(example), SALT + 1), undefined)
})

t.test('no bytes make the decoder throw, and no fields make no sense', async (t) => {
  fc.assert(
    fc.property(damagedBytes(encode(example)), (bytes) => {
      const isUnchanged = bytes.subarray(0, REGION_HEADER_BYTES).equals(encode(example))
      return decodeRegionHeader(bytes, SALT) === undefined || isUnchanged
    }),
  )
  const third = encode(example)
  third[12] = 3
  seal(third, third.readUInt32LE(0), REGION_HEADER_BYTES, SALT)
  t.equal(decodeRegionHeader(third, SALT), undefined, 'a third state')
  const unsafe = encode(example)
  unsafe.writeBigUInt64LE(2n ** 53n, 16)
  seal(unsafe, unsafe.readUInt32LE(0), REGION_HEADER_BYTES, SALT)
  t.equal(decodeRegionHeader(unsafe, SALT), undefined, 'a generation that is not safe')
})
