import { crc32 } from 'node:zlib'

/**
 * Checksums of what is on the device, and the frame that all records but the superblock share:
 *
 * | offset | bytes | field                                                   |
 * | -----: | ----: | ------------------------------------------------------- |
 * |      0 |     4 | magic: what kind of record this is                      |
 * |      4 |     4 | CRC-32 from byte 8 to the end, seeded with the salt     |
 *
 * The salt makes what an earlier format of the device has left behind invalid without overwriting it: for equal
 * bytes two seeds never give the same CRC-32.
 */

/** Bytes of a payload that one checksum covers: what a read of a small range has to read at least. */
export const PIECE = 65536

const CRC_AT = 4
const CHECKED_FROM = 8

/** The seed of all checksums of one format of the device. */
export function saltOf(uuid: Buffer): number {
  return crc32(uuid)
}

export function crc(bytes: Buffer, salt: number): number {
  return crc32(bytes, salt)
}

/** Puts magic and checksum in front of a record whose other bytes, up to `end`, are in place. */
export function seal(record: Buffer, magic: number, end: number, salt: number): void {
  record.writeUInt32LE(magic, 0)
  record.writeUInt32LE(crc(record.subarray(CHECKED_FROM, end), salt), CRC_AT)
}

/** Whether `record` holds the `end` bytes of an undamaged record of this kind and format. */
export function isSealed(record: Buffer, magic: number, end: number, salt: number): boolean {
  return hasMagic(record, magic) && end <= record.length && checksumHolds(record, end, salt)
}

export function hasMagic(record: Buffer, magic: number): boolean {
  return record.length >= CHECKED_FROM && record.readUInt32LE(0) === magic
}

/** Whether the bytes after the checksum are what it was made of; `end` lies within the record. */
export function checksumHolds(record: Buffer, end: number, salt: number): boolean {
  return record.readUInt32LE(CRC_AT) === crc(record.subarray(CHECKED_FROM, end), salt)
}
