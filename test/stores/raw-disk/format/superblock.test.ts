import { isDeepStrictEqual } from 'node:util'
import { crc32 } from 'node:zlib'
import fc from 'fast-check'
import t from 'tap'
import {
  decodeSuperblock,
  encodeSuperblock,
  SUPERBLOCK_BYTES,
  type Superblock,
} from '../../../../lib/stores/raw-disk/format/superblock.ts'
import { damagedBytes, eachBitFlipped, u32, u53 } from './damage.ts'

const example: Superblock = {
  uuid: Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex'),
  totalSize: 10 * 2 ** 30,
  blockSize: 4096,
  regionSize: 16 * 2 ** 20,
  serial: 5,
  clean: true,
  sequence: 2 ** 40 + 3,
  snapshot: { area: 1, sequence: 2 ** 33 + 1, entries: 1000, chunks: 2 },
  forgotten: 2 ** 32 + 2,
}

const superblocks = fc.record(
  {
    uuid: fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes)),
    totalSize: fc.integer({ min: 2 ** 25, max: Number.MAX_SAFE_INTEGER }),
    blockSize: fc.integer({ min: 9, max: 20 }).map((power) => 2 ** power),
    regionSize: fc.integer({ min: 2 ** 20, max: 2 ** 25 }),
    serial: u53,
    clean: fc.boolean(),
    sequence: u53,
    snapshot: fc.option(
      fc.record(
        { area: fc.constantFrom(0 as const, 1 as const), sequence: u53, entries: u32, chunks: u32 },
        { noNullPrototype: true },
      ),
    ),
    forgotten: u53,
  },
  { noNullPrototype: true },
)

function withChecksum(bytes: Buffer): Buffer {
  bytes.writeUInt32LE(crc32(bytes.subarray(0, SUPERBLOCK_BYTES - 4)), SUPERBLOCK_BYTES - 4)
  return bytes
}

t.test('a superblock is read as it was written', async () => {
  fc.assert(
    fc.property(superblocks, (superblock) => {
      const bytes = encodeSuperblock(superblock)
      return bytes.length === SUPERBLOCK_BYTES && isDeepStrictEqual(decodeSuperblock(bytes), superblock)
    }),
  )
})

t.test('the uuid is a copy: the memory that was read into may be used again', async (t) => {
  const bytes = encodeSuperblock(example)
  const superblock = decodeSuperblock(bytes) as Superblock
  bytes.fill(0xdb)
  t.ok(superblock.uuid.equals(example.uuid))
})

t.test('the bytes of version 2', async (t) => {
  const bytes = encodeSuperblock(example)
  t.equal(
    bytes.toString('hex', 0, 96),
    '534c494345524157' + // SLICERAW
      '02000000' +
      '00000000' +
      '000102030405060708090a0b0c0d0e0f' +
      '0000008002000000' + // 10 GiB
      '0000000100000000' +
      '00100000' +
      '01' + // clean
      '01' + // has a snapshot
      '01' + // in area 1
      '00' +
      '0500000000000000' +
      '0300000000010000' +
      '0100000002000000' +
      'e8030000' +
      '02000000' +
      '0200000001000000', // forgotten
  )
  t.ok(bytes.subarray(96, SUPERBLOCK_BYTES - 4).every((byte) => byte === 0))
})

t.test('a superblock with one bit changed is none', async (t) => {
  const results = new Map<unknown, number>()
  eachBitFlipped(encodeSuperblock(example), 0, SUPERBLOCK_BYTES, (flipped) => {
    const result = decodeSuperblock(flipped)
    results.set(result, (results.get(result) ?? 0) + 1)
  })
  t.strictSame([...results.keys()].sort(), ['damaged', 'foreign'])
  t.equal(results.get('foreign'), 64, 'what is not ours is told from what is damaged by the magic alone')
})

t.test('a superblock that is torn at a sector is damaged', async (t) => {
  const before = encodeSuperblock({ ...example, serial: 4, clean: false })
  const after = encodeSuperblock(example)
  for (let cut = 512; cut < SUPERBLOCK_BYTES; cut += 512) {
    const torn = Buffer.concat([after.subarray(0, cut), before.subarray(cut)])
    t.equal(decodeSuperblock(torn), 'damaged', `first ${cut} bytes new`)
  }
})

t.test('another version is told from damage', async (t) => {
  const bytes = encodeSuperblock(example)
  bytes.writeUInt32LE(3, 8)
  t.equal(decodeSuperblock(bytes), 'damaged')
  t.strictSame(decodeSuperblock(withChecksum(bytes)), { version: 3 })
})

t.test(
  'zeros are empty, anything without our magic is foreign, the start of ours alone is damaged',
  async (t) => {
    t.equal(decodeSuperblock(Buffer.alloc(SUPERBLOCK_BYTES)), 'empty')
    t.equal(decodeSuperblock(Buffer.alloc(0)), 'empty')
    const lastBit = Buffer.alloc(SUPERBLOCK_BYTES)
    lastBit[SUPERBLOCK_BYTES - 1] = 1
    t.equal(decodeSuperblock(lastBit), 'foreign')
    t.equal(decodeSuperblock(Buffer.from('\x7fELF')), 'foreign')
    t.equal(decodeSuperblock(encodeSuperblock(example).subarray(0, 3)), 'foreign')
    t.equal(decodeSuperblock(encodeSuperblock(example).subarray(0, SUPERBLOCK_BYTES - 1)), 'damaged')
  },
)

t.test('fields that make no sense are damage, even under a good checksum', async (t) => {
  const nonsense: [string, (bytes: Buffer) => void][] = [
    ['block size of no power of two', (bytes) => bytes.writeUInt32LE(4095, 48)],
    ['block size 0', (bytes) => bytes.writeUInt32LE(0, 48)],
    ['block size 256', (bytes) => bytes.writeUInt32LE(256, 48)],
    ['block size 2 MiB', (bytes) => bytes.writeUInt32LE(2 ** 21, 48)],
    ['region smaller than a block', (bytes) => bytes.writeBigUInt64LE(2048n, 40)],
    ['region larger than the device', (bytes) => bytes.writeBigUInt64LE(2n ** 40n, 40)],
    ['total size that is not safe', (bytes) => bytes.writeBigUInt64LE(2n ** 53n, 32)],
    ['serial that is not safe', (bytes) => bytes.writeBigUInt64LE(2n ** 53n, 56)],
    ['sequence that is not safe', (bytes) => bytes.writeBigUInt64LE(2n ** 64n - 1n, 64)],
    ['sequence of the snapshot that is not safe', (bytes) => bytes.writeBigUInt64LE(2n ** 53n, 72)],
    ['forgotten that is not safe', (bytes) => bytes.writeBigUInt64LE(2n ** 53n, 88)],
    ['clean is neither yes nor no', (bytes) => bytes.writeUInt8(2, 52)],
    ['neither a snapshot nor none', (bytes) => bytes.writeUInt8(2, 53)],
    ['a third area', (bytes) => bytes.writeUInt8(2, 54)],
  ]
  for (const [what, change] of nonsense) {
    const bytes = encodeSuperblock(example)
    change(bytes)
    t.equal(decodeSuperblock(withChecksum(bytes)), 'damaged', what)
  }
})

t.test('no bytes make the decoder throw', async () => {
  fc.assert(
    fc.property(damagedBytes(encodeSuperblock(example)), (bytes) => {
      const result = decodeSuperblock(bytes)
      return (
        typeof result === 'string' || bytes.subarray(0, SUPERBLOCK_BYTES).equals(encodeSuperblock(example))
      )
    }),
  )
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 96, maxLength: 96 }), (fields) => {
      const bytes = encodeSuperblock(example)
      bytes.set(fields.subarray(12), 12)
      const result = decodeSuperblock(withChecksum(bytes))
      return result === 'damaged' || (typeof result === 'object' && 'uuid' in result)
    }),
  )
})
