import { crc, isSealed, seal } from './crc.ts'
import { readU64, writeU64 } from './numbers.ts'

/**
 * The table of contents of a sealed region: a record for each entry that was written to it, in the order of their
 * places, and a trailer in the last bytes of the region.
 *
 * | offset | bytes | field of a record                                             |
 * | -----: | ----: | ------------------------------------------------------------- |
 * |      0 |     8 | object: the first 8 bytes of the SHA-256 of the key           |
 * |      8 |     4 | generation of the representation, mixed to 32 bits            |
 * |     12 |     4 | slice index                                                   |
 * |     16 |     4 | first block, counted from the start of the region             |
 * |     20 |     3 | blocks                                                        |
 * |     23 |     1 | flags                                                         |
 * |     24 |     4 | expires, in seconds since 1970; 0 = never                     |
 * |     28 |     4 | zero                                                          |
 * |     32 |     8 | sequence                                                      |
 *
 * | offset | bytes | field of the trailer                                          |
 * | -----: | ----: | ------------------------------------------------------------- |
 * |      0 |     4 | magic `SLFT`                                                  |
 * |      4 |     4 | CRC-32 of bytes 8 to 63, seeded with the salt                 |
 * |      8 |     4 | number of the region                                          |
 * |     12 |     4 | number of records                                             |
 * |     16 |     8 | generation of the region                                      |
 * |     24 |     4 | CRC-32 of the records, seeded with the salt                   |
 * |     28 |    36 | zero                                                          |
 */

export const FOOTER_RECORD_BYTES = 40
export const TRAILER_BYTES = 64
const MAGIC = 0x54464c53

/** Where an entry is: what the index holds of it. Heads have 0xffffffff as generation and index. */
export interface EntryRecord {
  /** First 4 bytes of the SHA-256 of the key, u32. */
  objectLow: number
  /** The next 4 bytes. */
  objectHigh: number
  /** u32. */
  generation: number
  /** u32. */
  index: number
  /** Counted over all regions. */
  block: number
  /** Below 2^24. */
  blocks: number
  /** u8. */
  flags: number
  /** Seconds since 1970, u32; 0 = never. */
  expires: number
}

export interface FooterRecord extends EntryRecord {
  sequence: number
}

export interface Trailer {
  region: number
  generation: number
  count: number
  /** Checksum of the records. */
  crc: number
}

/** What the records of a footer are checked and placed with. */
export interface FooterPlace {
  region: number
  generation: number
  /** Number of the region's first block, counted over all regions. */
  firstBlock: number
  salt: number
}

/** Bytes of a footer with so many records, trailer included. */
export function footerLength(count: number): number {
  return count * FOOTER_RECORD_BYTES + TRAILER_BYTES
}

/** Fills `into`, which has just `footerLength(records.length)` bytes. */
export function encodeFooter(into: Buffer, records: readonly FooterRecord[], place: FooterPlace): void {
  const trailerAt = records.length * FOOTER_RECORD_BYTES
  let at = 0
  for (const record of records) {
    into.writeUInt32LE(record.objectLow, at)
    into.writeUInt32LE(record.objectHigh, at + 4)
    into.writeUInt32LE(record.generation, at + 8)
    into.writeUInt32LE(record.index, at + 12)
    into.writeUInt32LE(record.block - place.firstBlock, at + 16)
    into.writeUIntLE(record.blocks, at + 20, 3)
    into[at + 23] = record.flags
    into.writeUInt32LE(record.expires, at + 24)
    into.writeUInt32LE(0, at + 28)
    writeU64(into, record.sequence, at + 32)
    at += FOOTER_RECORD_BYTES
  }
  const trailer = into.subarray(trailerAt)
  trailer.fill(0)
  trailer.writeUInt32LE(place.region, 8)
  trailer.writeUInt32LE(records.length, 12)
  writeU64(trailer, place.generation, 16)
  trailer.writeUInt32LE(crc(into.subarray(0, trailerAt), place.salt), 24)
  seal(trailer, MAGIC, TRAILER_BYTES, place.salt)
}

/** From the last `TRAILER_BYTES` of a region. The count is not checked against the region's size. */
export function decodeTrailer(bytes: Buffer, salt: number): Trailer | undefined {
  if (!isSealed(bytes, MAGIC, TRAILER_BYTES, salt)) return undefined
  const generation = readU64(bytes, 16)
  if (generation < 0) return undefined
  return {
    region: bytes.readUInt32LE(8),
    generation,
    count: bytes.readUInt32LE(12),
    crc: bytes.readUInt32LE(24),
  }
}

/** The records right before a trailer; undefined unless they are what it was made for. */
export function decodeFooter(
  bytes: Buffer,
  trailer: Trailer,
  firstBlock: number,
  salt: number,
): FooterRecord[] | undefined {
  if (bytes.length !== trailer.count * FOOTER_RECORD_BYTES || crc(bytes, salt) !== trailer.crc)
    return undefined
  const records: FooterRecord[] = []
  for (let at = 0; at < bytes.length; at += FOOTER_RECORD_BYTES) {
    const sequence = readU64(bytes, at + 32)
    const block = firstBlock + bytes.readUInt32LE(at + 16)
    if (sequence < 0 || block > 0xffffffff) return undefined
    records.push({
      objectLow: bytes.readUInt32LE(at),
      objectHigh: bytes.readUInt32LE(at + 4),
      generation: bytes.readUInt32LE(at + 8),
      index: bytes.readUInt32LE(at + 12),
      block,
      blocks: bytes.readUIntLE(at + 20, 3),
      flags: bytes[at + 23],
      expires: bytes.readUInt32LE(at + 24),
      sequence,
    })
  }
  return records
}
