import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import { seal } from '../../../../lib/stores/raw-disk/format/crc.ts'
import {
  CHUNK_BYTES,
  CHUNK_HEADER_BYTES,
  type ChunkPlace,
  chunkLength,
  chunksOf,
  ENTRIES_A_CHUNK,
  ENTRY_RECORD_BYTES,
  eachEntry,
  eachRegion,
  openChunk,
  putEntry,
  putRegion,
  REGION_RECORD_BYTES,
  REGIONS_A_CHUNK,
  sealChunk,
} from '../../../../lib/stores/raw-disk/format/snapshot.ts'
import { damagedBytes, eachBitFlipped, u8, u24, u32, u53 } from './damage.ts'

const SALT = 0x1234abcd
const ofEntries: ChunkPlace = { sequence: 2 ** 32 + 1, number: 3, kind: 'entries' }
const ofRegions: ChunkPlace = { sequence: 2 ** 32 + 1, number: 0, kind: 'regions' }

/** Object, object, generation, index, block, blocks, flags, expires. */
type EntryNumbers = [number, number, number, number, number, number, number, number]
/** State, used, generation. */
type RegionNumbers = [number, number, number]

const entries: EntryNumbers[] = [
  [0x01020304, 0xa1a2a3a4, 0xffffffff, 0xffffffff, 0xfffffffe, 0xffffff, 0xff, 0xfffffffd],
  [1, 2, 3, 4, 5, 0x030201, 0x80, 8],
]
const regions: RegionNumbers[] = [
  [2, 4096, 2 ** 33 + 1],
  [0, 0, 0],
]

function entriesChunk(records: EntryNumbers[], place = ofEntries): Buffer {
  const chunk = Buffer.alloc(chunkLength('entries', records.length), 0xdb)
  let at = CHUNK_HEADER_BYTES
  for (const record of records) at = putEntry(chunk, at, ...record)
  sealChunk(chunk, place, records.length, SALT)
  return chunk
}

function regionsChunk(records: RegionNumbers[]): Buffer {
  const chunk = Buffer.alloc(chunkLength('regions', records.length), 0xdb)
  let at = CHUNK_HEADER_BYTES
  for (const record of records) at = putRegion(chunk, at, ...record)
  sealChunk(chunk, ofRegions, records.length, SALT)
  return chunk
}

function readEntries(chunk: Buffer): EntryNumbers[] | undefined {
  const count = openChunk(chunk, ofEntries, SALT)
  if (count === undefined) return undefined
  const found: EntryNumbers[] = []
  eachEntry(chunk, count, (...record) => found.push(record))
  return found
}

function readRegions(chunk: Buffer): RegionNumbers[] | undefined {
  const count = openChunk(chunk, ofRegions, SALT)
  if (count === undefined) return undefined
  const found: RegionNumbers[] = []
  const isSound = eachRegion(chunk, count, (...record) => found.push(record))
  return isSound ? found : undefined
}

t.test('chunks are read as they were written', async () => {
  const entry: fc.Arbitrary<EntryNumbers> = fc.tuple(u32, u32, u32, u32, u32, u24, u8, u32)
  const region: fc.Arbitrary<RegionNumbers> = fc.tuple(u8, u32, u53)
  const some = { maxLength: 50 }
  fc.assert(
    fc.property(fc.array(entry, some), (records) =>
      isDeepStrictEqual(readEntries(entriesChunk(records)), records),
    ),
  )
  fc.assert(
    fc.property(fc.array(region, some), (records) =>
      isDeepStrictEqual(readRegions(regionsChunk(records)), records),
    ),
  )
})

t.test('what is behind the records does not count', async (t) => {
  const chunk = Buffer.concat([entriesChunk(entries), Buffer.alloc(500, 0xdb)])
  t.strictSame(readEntries(chunk), entries)
})

t.test('the bytes of version 1', async (t) => {
  const chunk = entriesChunk(entries)
  t.equal(chunk.toString('latin1', 0, 4), 'SLSN')
  t.equal(chunk.toString('hex', 8, 25), '0100000001000000' + '03000000' + '02000000' + '02')
  t.ok(chunk.subarray(25, CHUNK_HEADER_BYTES).every((byte) => byte === 0))
  t.equal(
    chunk.toString('hex', CHUNK_HEADER_BYTES, CHUNK_HEADER_BYTES + 2 * ENTRY_RECORD_BYTES),
    '04030201a4a3a2a1ffffffffffffffff' +
      'feffffff' +
      'ffffff' +
      'ff' +
      'fdffffff00000000' +
      '01000000020000000300000004000000' +
      '05000000' +
      '010203' +
      '80' +
      '0800000000000000',
  )
  const other = regionsChunk(regions)
  t.equal(other[24], 1)
  t.equal(
    other.toString('hex', CHUNK_HEADER_BYTES, CHUNK_HEADER_BYTES + 2 * REGION_RECORD_BYTES),
    '02000000' + '00100000' + '0100000002000000' + '00000000000000000000000000000000',
  )
})

t.test('a full chunk is just 1 MiB, and chunks are counted as they are filled', async (t) => {
  t.equal(chunkLength('entries', ENTRIES_A_CHUNK), CHUNK_BYTES)
  t.equal(chunkLength('regions', REGIONS_A_CHUNK), CHUNK_BYTES)
  t.equal(chunksOf(0, 0), 0)
  t.equal(chunksOf(1, 0), 1)
  t.equal(chunksOf(REGIONS_A_CHUNK, ENTRIES_A_CHUNK), 2)
  t.equal(chunksOf(REGIONS_A_CHUNK + 1, 2 * ENTRIES_A_CHUNK + 1), 5)
  const full = Buffer.alloc(CHUNK_BYTES)
  for (let at = CHUNK_HEADER_BYTES; at < CHUNK_BYTES; ) at = putEntry(full, at, at, 0, 0, 0, 0, 1, 0, 0)
  t.equal(sealChunk(full, ofEntries, ENTRIES_A_CHUNK, SALT), CHUNK_BYTES)
  t.equal(readEntries(full)?.length, ENTRIES_A_CHUNK)
})

t.test('a chunk of another snapshot, place, kind or format of the device is none', async (t) => {
  const chunk = entriesChunk(entries)
  t.equal(openChunk(chunk, ofEntries, SALT), 2)
  t.equal(openChunk(chunk, { ...ofEntries, sequence: 2 ** 32 }, SALT), undefined)
  t.equal(openChunk(chunk, { ...ofEntries, number: 2 }, SALT), undefined)
  t.equal(openChunk(chunk, { ...ofEntries, kind: 'regions' }, SALT), undefined)
  t.equal(openChunk(chunk, ofEntries, SALT + 1), undefined)
  const empty = entriesChunk([])
  t.equal(openChunk(empty, { ...ofEntries, kind: 'regions' }, SALT), undefined, 'nor one of no records')
})

t.test('a chunk with one bit changed is none', async (t) => {
  for (const [chunk, read] of [
    [entriesChunk(entries), readEntries],
    [regionsChunk(regions), readRegions],
  ] as const) {
    eachBitFlipped(chunk, 0, chunk.length, (flipped, byte) => {
      if (read(flipped) !== undefined) t.fail(`byte ${byte} changed and not noticed`)
    })
  }
})

t.test('a region whose generation is not safe makes no sense, even under a good checksum', async (t) => {
  const chunk = regionsChunk(regions)
  chunk.writeBigUInt64LE(2n ** 53n, CHUNK_HEADER_BYTES + 8)
  seal(chunk, chunk.readUInt32LE(0), chunk.length, SALT)
  t.equal(openChunk(chunk, ofRegions, SALT), 2)
  t.equal(readRegions(chunk), undefined)
})

t.test('no bytes make the decoder throw', async () => {
  const valid = entriesChunk(entries)
  fc.assert(
    fc.property(damagedBytes(valid), (bytes) => {
      const isUnchanged = bytes.subarray(0, valid.length).equals(valid)
      return readEntries(bytes) === undefined || isUnchanged
    }),
    { numRuns: 500 },
  )
  const others = regionsChunk(regions)
  fc.assert(
    fc.property(damagedBytes(others), (bytes) => {
      const isUnchanged = bytes.subarray(0, others.length).equals(others)
      return readRegions(bytes) === undefined || isUnchanged
    }),
    { numRuns: 500 },
  )
})
