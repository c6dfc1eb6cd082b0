import { crc32 } from 'node:zlib'
import { SUM_BYTES, writeSumOfParts } from '../checksum/checksum.ts'
import { HEADS } from '../entry-index.ts'

/**
 * One file holds one entry: header, full key, payload.
 *
 * | offset | bytes | field                                                        |
 * | -----: | ----: | ------------------------------------------------------------ |
 * |      0 |     4 | magic `SLST`                                                 |
 * |      4 |     2 | format version                                               |
 * |      6 |     2 | header length: where the key begins                          |
 * |      8 |     4 | kind: 1 = list of heads (JSON), 2 = slice (its bytes)        |
 * |     12 |     4 | slice index; 0 for heads                                     |
 * |     16 |     8 | generation; 0 for heads                                      |
 * |     24 |     4 | key length in bytes of UTF-8                                 |
 * |     28 |     4 | payload length                                               |
 * |     32 |     8 | sum of the sums of each 64 KiB of the payload (checksum.ts)  |
 * |     40 |     4 | CRC-32 of bytes 0 to 39 and the key                          |
 *
 * Numbers are little-endian and unsigned. An entry is valid only if all fields and both checksums hold and
 * the file ends where the payload does. There is no conversion: another version is a miss.
 */

const FORMAT_VERSION = 3
export const HEADER_LENGTH = 44
const MAGIC = 0x54534c53
const KIND_HEADS = 1
const KIND_SLICE = 2
const SUM_AT = 32
const HEADER_CRC_AT = 40

/** What an entry is the entry of. */
export interface EntryId {
  key: string
  /** `HEADS` for the key's list of heads. */
  generation: number
  index: number
}

/** Bytes of a file before its payload. */
export function prefixLength(key: string): number {
  return HEADER_LENGTH + Buffer.byteLength(key)
}

/** Header and key of an entry with this payload. */
export function encodePrefix(id: EntryId, payload: readonly Buffer[]): Buffer {
  const keyLength = Buffer.byteLength(id.key)
  const prefix = Buffer.allocUnsafe(HEADER_LENGTH + keyLength)
  const isHeads = id.generation === HEADS
  prefix.writeUInt32LE(MAGIC, 0)
  prefix.writeUInt16LE(FORMAT_VERSION, 4)
  prefix.writeUInt16LE(HEADER_LENGTH, 6)
  prefix.writeUInt32LE(isHeads ? KIND_HEADS : KIND_SLICE, 8)
  prefix.writeUInt32LE(id.index, 12)
  prefix.writeBigUInt64LE(isHeads ? 0n : BigInt(id.generation), 16)
  prefix.writeUInt32LE(keyLength, 24)
  prefix.writeUInt32LE(totalLength(payload), 28)
  writeSumOfParts(payload, prefix, SUM_AT)
  prefix.write(id.key, HEADER_LENGTH)
  prefix.writeUInt32LE(headerChecksum(prefix), HEADER_CRC_AT)
  return prefix
}

/** Whether these bytes are the whole and undamaged entry that is asked for. `prefix` has `prefixLength(id.key)` bytes. */
export function isEntry(id: EntryId, prefix: Buffer, payload: readonly Buffer[]): boolean {
  const isHeads = id.generation === HEADS
  return (
    prefix.readUInt32LE(0) === MAGIC &&
    prefix.readUInt16LE(4) === FORMAT_VERSION &&
    prefix.readUInt16LE(6) === HEADER_LENGTH &&
    prefix.readUInt32LE(8) === (isHeads ? KIND_HEADS : KIND_SLICE) &&
    prefix.readUInt32LE(12) === id.index &&
    prefix.readBigUInt64LE(16) === (isHeads ? 0n : BigInt(id.generation)) &&
    prefix.readUInt32LE(24) === prefix.length - HEADER_LENGTH &&
    prefix.readUInt32LE(HEADER_CRC_AT) === headerChecksum(prefix) &&
    prefix.toString('utf8', HEADER_LENGTH) === id.key &&
    prefix.readUInt32LE(28) === totalLength(payload) &&
    sumHolds(prefix, payload)
  )
}

/** Key and payload of the list of heads that a whole file is; undefined when it is none, or damaged. */
export function decodeHeads(file: Buffer): { key: string; payload: Buffer } | undefined {
  if (file.length < HEADER_LENGTH) return undefined
  const prefix = file.subarray(0, HEADER_LENGTH + file.readUInt32LE(24))
  const payload = file.subarray(prefix.length)
  const key = prefix.toString('utf8', HEADER_LENGTH)
  return isEntry({ key, generation: HEADS, index: 0 }, prefix, [payload]) ? { key, payload } : undefined
}

export function totalLength(buffers: readonly Buffer[]): number {
  let length = 0
  for (const buffer of buffers) length += buffer.length
  return length
}

function sumHolds(prefix: Buffer, payload: readonly Buffer[]): boolean {
  writeSumOfParts(payload, sum, 0)
  return sum.equals(prefix.subarray(SUM_AT, SUM_AT + SUM_BYTES))
}

const sum = Buffer.alloc(SUM_BYTES)

function headerChecksum(prefix: Buffer): number {
  return crc32(prefix.subarray(HEADER_LENGTH), crc32(prefix.subarray(0, HEADER_CRC_AT)))
}
