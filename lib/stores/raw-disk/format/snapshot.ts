import { hasMagic, isSealed, seal } from './crc.ts'
import { readU64, writeU64 } from './numbers.ts'

/**
 * The index as a checkpoint writes it: chunks of at most 1 MiB, first those of the regions, then those of the
 * entries. Each one but the last of its kind is full. A chunk begins where the one before ends, rounded up to the
 * unit of I/O.
 *
 * | offset | bytes | field of a chunk                                              |
 * | -----: | ----: | ------------------------------------------------------------- |
 * |      0 |     4 | magic `SLSN`                                                  |
 * |      4 |     4 | CRC-32 of byte 8 to the end of the last record, seeded        |
 * |      8 |     8 | sequence of the snapshot                                      |
 * |     16 |     4 | number of the chunk, from 0                                   |
 * |     20 |     4 | number of records                                             |
 * |     24 |     1 | 1 = records of regions, 2 = records of entries                |
 * |     25 |    39 | zero                                                          |
 * |     64 |       | records                                                       |
 *
 * | offset | bytes | field of a region's record (one for each, in their order)     |
 * | -----: | ----: | ------------------------------------------------------------- |
 * |      0 |     1 | state                                                         |
 * |      1 |     3 | zero                                                          |
 * |      4 |     4 | used blocks                                                   |
 * |      8 |     8 | generation                                                    |
 *
 * | offset | bytes | field of an entry's record                                    |
 * | -----: | ----: | ------------------------------------------------------------- |
 * |      0 |     8 | object: the first 8 bytes of the SHA-256 of the key           |
 * |      8 |     4 | generation of the representation, mixed to 32 bits            |
 * |     12 |     4 | slice index                                                   |
 * |     16 |     4 | first block, counted over all regions                         |
 * |     20 |     3 | blocks                                                        |
 * |     23 |     1 | flags                                                         |
 * |     24 |     4 | expires, in seconds since 1970; 0 = never                     |
 * |     28 |     4 | zero                                                          |
 *
 * A million entries pass through here in one go, so records are written and read as numbers, never as objects.
 */

export const CHUNK_BYTES = 1024 * 1024
export const CHUNK_HEADER_BYTES = 64
export const REGION_RECORD_BYTES = 16
export const ENTRY_RECORD_BYTES = 32
export const REGIONS_A_CHUNK = Math.floor((CHUNK_BYTES - CHUNK_HEADER_BYTES) / REGION_RECORD_BYTES)
export const ENTRIES_A_CHUNK = Math.floor((CHUNK_BYTES - CHUNK_HEADER_BYTES) / ENTRY_RECORD_BYTES)

const MAGIC = 0x4e534c53
const KIND_REGIONS = 1
const KIND_ENTRIES = 2

export type ChunkKind = 'regions' | 'entries'

/** Which chunk of which snapshot this is. */
export interface ChunkPlace {
  /** That of the snapshot. */
  sequence: number
  /** From 0, over the chunks of both kinds. */
  number: number
  kind: ChunkKind
}

/** Bytes of a chunk with so many records. */
export function chunkLength(kind: ChunkKind, count: number): number {
  return CHUNK_HEADER_BYTES + count * (kind === 'regions' ? REGION_RECORD_BYTES : ENTRY_RECORD_BYTES)
}

/** Chunks that a snapshot of so many regions and entries has. */
export function chunksOf(regions: number, entries: number): number {
  return Math.ceil(regions / REGIONS_A_CHUNK) + Math.ceil(entries / ENTRIES_A_CHUNK)
}

/** Writes the record of one region at byte `at` of its chunk. Returns where the next one begins. */
export function putRegion(
  chunk: Buffer,
  at: number,
  state: number,
  used: number,
  generation: number,
): number {
  chunk.writeUInt32LE(state, at)
  chunk.writeUInt32LE(used, at + 4)
  writeU64(chunk, generation, at + 8)
  return at + REGION_RECORD_BYTES
}

/** Writes the record of one entry at byte `at` of its chunk. Returns where the next one begins. */
export function putEntry(
  chunk: Buffer,
  at: number,
  objectLow: number,
  objectHigh: number,
  generation: number,
  index: number,
  block: number,
  blocks: number,
  flags: number,
  expires: number,
): number {
  chunk.writeUInt32LE(objectLow, at)
  chunk.writeUInt32LE(objectHigh, at + 4)
  chunk.writeUInt32LE(generation, at + 8)
  chunk.writeUInt32LE(index, at + 12)
  chunk.writeUInt32LE(block, at + 16)
  chunk.writeUInt32LE(blocks + flags * 2 ** 24, at + 20)
  chunk.writeUInt32LE(expires, at + 24)
  chunk.writeUInt32LE(0, at + 28)
  return at + ENTRY_RECORD_BYTES
}

/**
 * Puts the header in front of `count` records. Returns the bytes of the chunk; those behind it, up to a whole block,
 * are the caller's and do not count.
 */
export function sealChunk(chunk: Buffer, place: ChunkPlace, count: number, salt: number): number {
  const length = chunkLength(place.kind, count)
  chunk.fill(0, 0, CHUNK_HEADER_BYTES)
  writeU64(chunk, place.sequence, 8)
  chunk.writeUInt32LE(place.number, 16)
  chunk.writeUInt32LE(count, 20)
  chunk[24] = place.kind === 'regions' ? KIND_REGIONS : KIND_ENTRIES
  seal(chunk, MAGIC, length, salt)
  return length
}

/** The number of records of this chunk; undefined unless it is just that chunk, whole and undamaged. */
export function openChunk(chunk: Buffer, place: ChunkPlace, salt: number): number | undefined {
  if (chunk.length < CHUNK_HEADER_BYTES || !hasMagic(chunk, MAGIC)) return undefined
  const count = chunk.readUInt32LE(20)
  if (!isSealed(chunk, MAGIC, chunkLength(place.kind, count), salt)) return undefined
  const isTheOne =
    readU64(chunk, 8) === place.sequence &&
    chunk.readUInt32LE(16) === place.number &&
    chunk[24] === (place.kind === 'regions' ? KIND_REGIONS : KIND_ENTRIES)
  return isTheOne ? count : undefined
}

/** Visits the regions of a chunk that `openChunk` took. False when one of them makes no sense. */
export function eachRegion(
  chunk: Buffer,
  count: number,
  visit: (state: number, used: number, generation: number) => void,
): boolean {
  for (let n = 0, at = CHUNK_HEADER_BYTES; n < count; n++, at += REGION_RECORD_BYTES) {
    const generation = readU64(chunk, at + 8)
    if (generation < 0) return false
    visit(chunk[at], chunk.readUInt32LE(at + 4), generation)
  }
  return true
}

/** Visits the entries of a chunk that `openChunk` took. */
export function eachEntry(
  chunk: Buffer,
  count: number,
  visit: (
    objectLow: number,
    objectHigh: number,
    generation: number,
    index: number,
    block: number,
    blocks: number,
    flags: number,
    expires: number,
  ) => void,
): void {
  for (let n = 0, at = CHUNK_HEADER_BYTES; n < count; n++, at += ENTRY_RECORD_BYTES) {
    visit(
      chunk.readUInt32LE(at),
      chunk.readUInt32LE(at + 4),
      chunk.readUInt32LE(at + 8),
      chunk.readUInt32LE(at + 12),
      chunk.readUInt32LE(at + 16),
      chunk.readUIntLE(at + 20, 3),
      chunk[at + 23],
      chunk.readUInt32LE(at + 24),
    )
  }
}
