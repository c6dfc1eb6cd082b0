import { isSealed, seal } from './crc.ts'
import { readU64, writeU64 } from './numbers.ts'

/**
 * The first block of a region. Entries of the region are valid only if they carry its generation.
 *
 * | offset | bytes | field                                                         |
 * | -----: | ----: | ------------------------------------------------------------- |
 * |      0 |     4 | magic `SLRG`                                                  |
 * |      4 |     4 | CRC-32 of bytes 8 to 63, seeded with the salt                 |
 * |      8 |     4 | number of the region                                          |
 * |     12 |     1 | 1 = written to, 2 = clean                                     |
 * |     13 |     3 | zero                                                          |
 * |     16 |     8 | generation: the sequence number taken when it was opened      |
 * |     24 |    40 | zero                                                          |
 */

export const REGION_HEADER_BYTES = 64
const MAGIC = 0x47524c53
const WRITTEN = 1
const CLEAN = 2

export interface RegionHeader {
  region: number
  generation: number
  /** Clean: nothing in the region counts, whatever it holds. */
  state: 'written' | 'clean'
}

/** Fills all of `into`, at least `REGION_HEADER_BYTES`: what is behind the header becomes zero. */
export function encodeRegionHeader(into: Buffer, header: RegionHeader, salt: number): void {
  into.fill(0)
  into.writeUInt32LE(header.region, 8)
  into[12] = header.state === 'written' ? WRITTEN : CLEAN
  writeU64(into, header.generation, 16)
  seal(into, MAGIC, REGION_HEADER_BYTES, salt)
}

export function decodeRegionHeader(bytes: Buffer, salt: number): RegionHeader | undefined {
  if (!isSealed(bytes, MAGIC, REGION_HEADER_BYTES, salt)) return undefined
  const state = bytes[12]
  const generation = readU64(bytes, 16)
  if ((state !== WRITTEN && state !== CLEAN) || generation < 0) return undefined
  return { region: bytes.readUInt32LE(8), generation, state: state === WRITTEN ? 'written' : 'clean' }
}
