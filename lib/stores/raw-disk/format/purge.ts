import { crc } from './crc.ts'
import { readU64, writeU64 } from './numbers.ts'

/**
 * One record of the purge log: everything of an object, its heads, or everything at all that was written before is
 * dead.
 *
 * | offset | bytes | field                                                         |
 * | -----: | ----: | ------------------------------------------------------------- |
 * |      0 |     4 | tag: `SLPG` xor the salt                                      |
 * |      4 |     4 | CRC-32 of bytes 8 to 31, seeded with the salt                 |
 * |      8 |     4 | kind: 1 = object, 2 = heads of an object, 3 = all             |
 * |     12 |     8 | object: the first 8 bytes of the SHA-256 of the key           |
 * |     20 |     4 | zero                                                          |
 * |     24 |     8 | sequence                                                      |
 *
 * A purge that is lost brings back what was purged, so damage has to be told from what an earlier format left: that
 * has another tag, and is no concern of ours. A damaged tag over a good checksum does no harm.
 */

export const PURGE_RECORD_BYTES = 32
const MAGIC = 0x47504c53
const KINDS = ['object', 'heads', 'all'] as const

export interface PurgeRecord {
  kind: 'object' | 'heads' | 'all'
  /** u32; 0 for all. */
  objectLow: number
  /** u32; 0 for all. */
  objectHigh: number
  /** What has a smaller one is dead. */
  sequence: number
}

/** Writes the `PURGE_RECORD_BYTES` at byte `at`. */
export function putPurge(into: Buffer, at: number, record: PurgeRecord, salt: number): void {
  into.writeUInt32LE(tagOf(salt), at)
  into.writeUInt32LE(KINDS.indexOf(record.kind) + 1, at + 8)
  into.writeUInt32LE(record.objectLow, at + 12)
  into.writeUInt32LE(record.objectHigh, at + 16)
  into.writeUInt32LE(0, at + 20)
  writeU64(into, record.sequence, at + 24)
  into.writeUInt32LE(crc(into.subarray(at + 8, at + PURGE_RECORD_BYTES), salt), at + 4)
}

/** The record at byte `at`; 'damaged' when there was one of ours, undefined when there was none. */
export function decodePurge(bytes: Buffer, at: number, salt: number): PurgeRecord | 'damaged' | undefined {
  const end = at + PURGE_RECORD_BYTES
  if (end > bytes.length) return undefined
  const kind = KINDS[bytes.readUInt32LE(at + 8) - 1]
  const sequence = readU64(bytes, at + 24)
  const isWhole = bytes.readUInt32LE(at + 4) === crc(bytes.subarray(at + 8, end), salt)
  if (!isWhole || kind === undefined || sequence < 0) {
    return bytes.readUInt32LE(at) === tagOf(salt) ? 'damaged' : undefined
  }
  return { kind, objectLow: bytes.readUInt32LE(at + 12), objectHigh: bytes.readUInt32LE(at + 16), sequence }
}

function tagOf(salt: number): number {
  return (MAGIC ^ salt) >>> 0
}
