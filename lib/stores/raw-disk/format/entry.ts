import { SUM_BYTES, sumsHold, writeSum } from '../../checksum/checksum.ts'
import { HEADS } from '../../entry-index.ts'
import { checksumHolds, hasMagic, PIECE, seal } from './crc.ts'
import { readU64, writeU64 } from './numbers.ts'

/**
 * One list of heads, or one slice: header, key, a checksum for each piece of the payload, payload; then zeros up to
 * the end of the last block.
 *
 * | offset | bytes | field                                                         |
 * | -----: | ----: | ------------------------------------------------------------- |
 * |      0 |     4 | magic `SLEN`                                                  |
 * |      4 |     4 | CRC-32 of byte 8 to the last before the payload, seeded       |
 * |      8 |     1 | kind: 1 = list of heads (JSON), 2 = slice                     |
 * |      9 |     1 | codec of the payload: 0 = none, 1 = zstd                      |
 * |     10 |     1 | flags                                                         |
 * |     11 |     1 | zero                                                          |
 * |     12 |     4 | key length k, in bytes of UTF-8                               |
 * |     16 |     8 | generation of the region                                      |
 * |     24 |     8 | sequence                                                      |
 * |     32 |     8 | generation of the representation; 0 for heads                 |
 * |     40 |     4 | slice index                                                   |
 * |     44 |     4 | expires, in seconds since 1970; 0 = never                     |
 * |     48 |     4 | length in bytes, decoded                                      |
 * |     52 |     4 | payload length s in bytes, as stored                          |
 * |     56 |     8 | zero                                                          |
 * |     64 |     k | key                                                           |
 * |   64+k |    8p | sum of each 64 KiB of the payload, seeded; p = ⌈s / 65536⌉    |
 * | 64+k+8p |    s | payload                                                       |
 *
 * The checksums of the payload are covered by that of the header, so a piece that agrees with its own belongs here.
 */

export const ENTRY_HEADER_BYTES = 64
/** Most bytes of a key. */
export const MAX_KEY = 16 * 1024

const MAGIC = 0x4e454c53
const KIND_HEADS = 1
const KIND_SLICE = 2
const CODEC_NONE = 0
const CODEC_ZSTD = 1

export type Codec = 'none' | 'zstd'

/** What an entry is the entry of. */
export interface EntryName {
  key: string
  /** `HEADS` for the key's list of heads. */
  generation: number
  /** u32. */
  index: number
}

interface EntryFields extends EntryName {
  /** That of the region it lies in. */
  regionGeneration: number
  sequence: number
  codec: Codec
  /** Bytes, decoded. */
  length: number
  /** Bytes of the payload as stored. */
  stored: number
  /** Seconds since 1970, u32; 0 = never. */
  expires: number
  /** u8. */
  flags: number
}

export interface EntryHeader extends EntryFields {
  /** Where the payload begins, in bytes from the start of the entry. */
  metaLength: number
  keyLength: number
  /** How many checksums the payload has. */
  pieces: number
}

export interface EntryToWrite extends EntryFields {
  /** The payload: `stored` bytes together. */
  segments: readonly Buffer[]
}

/** Bytes of an entry before its payload. */
export function metaLength(keyBytes: number, stored: number): number {
  return ENTRY_HEADER_BYTES + keyBytes + SUM_BYTES * piecesOf(stored)
}

/** Bytes of an entry, without what fills its last block. */
export function entryLength(keyBytes: number, stored: number): number {
  return metaLength(keyBytes, stored) + stored
}

function piecesOf(stored: number): number {
  return Math.ceil(stored / PIECE)
}

/**
 * Writes the whole entry to the start of `into`, and zeros behind it up to `padded` bytes.
 *
 * @throws RangeError when the segments are not `stored` bytes, or do not fit.
 */
export function writeEntry(into: Buffer, entry: EntryToWrite, salt: number, padded: number): void {
  const isHeads = entry.generation === HEADS
  const keyLength = into.write(entry.key, ENTRY_HEADER_BYTES)
  const meta = metaLength(keyLength, entry.stored)
  const end = meta + entry.stored
  if (end > padded || padded > into.length) throw new RangeError(`${end} bytes do not fit in ${padded}`)

  into[8] = isHeads ? KIND_HEADS : KIND_SLICE
  into[9] = entry.codec === 'zstd' ? CODEC_ZSTD : CODEC_NONE
  into[10] = entry.flags
  into[11] = 0
  into.writeUInt32LE(keyLength, 12)
  writeU64(into, entry.regionGeneration, 16)
  writeU64(into, entry.sequence, 24)
  writeU64(into, isHeads ? 0 : entry.generation, 32)
  into.writeUInt32LE(entry.index, 40)
  into.writeUInt32LE(entry.expires, 44)
  into.writeUInt32LE(entry.length, 48)
  into.writeUInt32LE(entry.stored, 52)
  writeU64(into, 0, 56)

  let at = meta
  for (const segment of entry.segments) at += segment.copy(into, at)
  if (at !== end) throw new RangeError(`${at - meta} bytes of payload instead of ${entry.stored}`)
  let tableAt = ENTRY_HEADER_BYTES + keyLength
  for (let from = meta; from < end; from += PIECE, tableAt += SUM_BYTES) {
    writeSum(into.subarray(from, Math.min(from + PIECE, end)), salt, into, tableAt)
  }
  seal(into, MAGIC, meta, salt)
  into.fill(0, end, padded)
}

/**
 * The header of the entry that begins with these bytes; undefined when there is none. Only the payload is left to be
 * checked. `need`: it may be one, but so many bytes are needed to tell.
 */
export function decodeEntry(bytes: Buffer, salt: number): EntryHeader | undefined | { need: number } {
  if (bytes.length < ENTRY_HEADER_BYTES) return { need: ENTRY_HEADER_BYTES }
  if (!hasMagic(bytes, MAGIC)) return undefined
  const keyLength = bytes.readUInt32LE(12)
  const stored = bytes.readUInt32LE(52)
  if (keyLength > MAX_KEY) return undefined
  const meta = metaLength(keyLength, stored)
  if (bytes.length < meta) return { need: meta }
  if (!checksumHolds(bytes, meta, salt)) return undefined

  const kind = bytes[8]
  const codec = bytes[9]
  const regionGeneration = readU64(bytes, 16)
  const sequence = readU64(bytes, 24)
  const generation = readU64(bytes, 32)
  const length = bytes.readUInt32LE(48)
  if ((kind !== KIND_HEADS && kind !== KIND_SLICE) || codec > CODEC_ZSTD) return undefined
  if (regionGeneration < 0 || sequence < 0 || generation < 0) return undefined
  if (codec === CODEC_NONE && stored !== length) return undefined
  return {
    key: bytes.toString('utf8', ENTRY_HEADER_BYTES, ENTRY_HEADER_BYTES + keyLength),
    generation: kind === KIND_HEADS ? HEADS : generation,
    index: bytes.readUInt32LE(40),
    regionGeneration,
    sequence,
    codec: codec === CODEC_ZSTD ? 'zstd' : 'none',
    length,
    stored,
    expires: bytes.readUInt32LE(44),
    flags: bytes[10],
    metaLength: meta,
    keyLength,
    pieces: piecesOf(stored),
  }
}

/**
 * Whether `bytes` are whole and undamaged pieces, from the one numbered `first` on. `meta` begins with the bytes that `header` was
 * decoded from.
 */
export function piecesAreWhole(
  meta: Buffer,
  header: EntryHeader,
  first: number,
  bytes: Buffer,
  salt: number,
): boolean {
  if (first < 0 || meta.length < header.metaLength) return false
  const end = first * PIECE + bytes.length
  // Pieces end where the next one begins, or where the payload ends.
  if (end > header.stored || (end < header.stored && bytes.length % PIECE !== 0)) return false
  return sumsHold(bytes, salt, meta, ENTRY_HEADER_BYTES + header.keyLength + SUM_BYTES * first)
}
