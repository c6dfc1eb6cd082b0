import { crc32 } from 'node:zlib'
import { readU64, writeU64 } from './numbers.ts'

/**
 * Who the device belongs to, how it is divided, and where the last checkpoint is. Two copies are written in turn, so
 * that one is always whole; the valid one with the higher serial counts.
 *
 * | offset | bytes | field                                                         |
 * | -----: | ----: | ------------------------------------------------------------- |
 * |      0 |     8 | magic `SLICERAW`                                              |
 * |      8 |     4 | format version                                                |
 * |     12 |     4 | zero                                                          |
 * |     16 |    16 | uuid of this format of the device                             |
 * |     32 |     8 | total size in bytes                                           |
 * |     40 |     8 | region size in bytes                                          |
 * |     48 |     4 | block size in bytes                                           |
 * |     52 |     1 | 1 = closed cleanly                                            |
 * |     53 |     1 | 1 = there is a snapshot                                       |
 * |     54 |     1 | snapshot area: 0 or 1                                         |
 * |     55 |     1 | zero                                                          |
 * |     56 |     8 | serial: each superblock that is written has the next one      |
 * |     64 |     8 | sequence: all used so far are smaller                         |
 * |     72 |     8 | sequence of the snapshot                                      |
 * |     80 |     4 | entries in the snapshot                                       |
 * |     84 |     4 | chunks of the snapshot                                        |
 * |     88 |     8 | forgotten: the largest sequence of a purge whose record is gone |
 * |     96 |  3996 | zero                                                          |
 * |   4092 |     4 | CRC-32 of bytes 0 to 4091                                     |
 *
 * Magic, version and checksum stay where they are in all versions to come, so that another version can be told from
 * damage. Without a snapshot its four fields are zero.
 */

export const SUPERBLOCK_BYTES = 4096
export const FORMAT_VERSION = 2
/** The first 8 bytes of a device of ours. */
export const MAGIC = Buffer.from('SLICERAW', 'latin1')

const VERSION_AT = 8
const CRC_AT = SUPERBLOCK_BYTES - 4
const UUID_BYTES = 16
const SMALLEST_BLOCK = 512
const LARGEST_BLOCK = 1024 * 1024

/** Where the index was written to by the last checkpoint. */
export interface SnapshotPlace {
  area: 0 | 1
  /** What the snapshot has seen: everything with a smaller or the same sequence. */
  sequence: number
  entries: number
  chunks: number
}

export interface Superblock {
  /** 16 random bytes, new whenever the device starts empty. */
  uuid: Buffer
  /** Bytes. */
  totalSize: number
  /** Bytes, a power of two from 512 to 1 MiB. */
  blockSize: number
  /** Bytes. */
  regionSize: number
  /** One more than that of the superblock before. */
  serial: number
  /** Nothing was written since the snapshot. */
  clean: boolean
  /** All sequence numbers used so far are smaller. */
  sequence: number
  snapshot: SnapshotPlace | null
  /**
   * Records of purges up to this sequence may have been overwritten, because a snapshot has taken their effect in: an
   * entry that is no newer counts only if a snapshot has it. 0 = all records are there.
   */
  forgotten: number
}

/** `SUPERBLOCK_BYTES` in ordinary memory. */
export function encodeSuperblock(superblock: Superblock): Buffer {
  const bytes = Buffer.alloc(SUPERBLOCK_BYTES)
  const { snapshot } = superblock
  MAGIC.copy(bytes)
  bytes.writeUInt32LE(FORMAT_VERSION, VERSION_AT)
  superblock.uuid.copy(bytes, 16, 0, UUID_BYTES)
  writeU64(bytes, superblock.totalSize, 32)
  writeU64(bytes, superblock.regionSize, 40)
  bytes.writeUInt32LE(superblock.blockSize, 48)
  bytes[52] = superblock.clean ? 1 : 0
  writeU64(bytes, superblock.serial, 56)
  writeU64(bytes, superblock.sequence, 64)
  if (snapshot !== null) {
    bytes[53] = 1
    bytes[54] = snapshot.area
    writeU64(bytes, snapshot.sequence, 72)
    bytes.writeUInt32LE(snapshot.entries, 80)
    bytes.writeUInt32LE(snapshot.chunks, 84)
  }
  writeU64(bytes, superblock.forgotten, 88)
  bytes.writeUInt32LE(crc32(bytes.subarray(0, CRC_AT)), CRC_AT)
  return bytes
}

/**
 * What the first bytes of a device say: a superblock; nothing but zeros; somebody else's data; ours, but torn or
 * damaged; ours, of another version.
 */
export function decodeSuperblock(
  bytes: Buffer,
): Superblock | 'empty' | 'foreign' | 'damaged' | { version: number } {
  if (bytes.every((byte) => byte === 0)) return 'empty'
  if (!bytes.subarray(0, MAGIC.length).equals(MAGIC)) return 'foreign'
  if (bytes.length < SUPERBLOCK_BYTES) return 'damaged'
  if (bytes.readUInt32LE(CRC_AT) !== crc32(bytes.subarray(0, CRC_AT))) return 'damaged'
  const version = bytes.readUInt32LE(VERSION_AT)
  if (version !== FORMAT_VERSION) return { version }

  const superblock: Superblock = {
    uuid: Buffer.from(bytes.subarray(16, 16 + UUID_BYTES)),
    totalSize: readU64(bytes, 32),
    blockSize: bytes.readUInt32LE(48),
    regionSize: readU64(bytes, 40),
    serial: readU64(bytes, 56),
    clean: bytes[52] === 1,
    sequence: readU64(bytes, 64),
    snapshot: bytes[53] === 1 ? snapshotPlace(bytes) : null,
    forgotten: readU64(bytes, 88),
  }
  return makesSense(superblock) && bytes[52] <= 1 && bytes[53] <= 1 && bytes[54] <= 1 ? superblock : 'damaged'
}

function snapshotPlace(bytes: Buffer): SnapshotPlace {
  return {
    area: bytes[54] === 1 ? 1 : 0,
    sequence: readU64(bytes, 72),
    entries: bytes.readUInt32LE(80),
    chunks: bytes.readUInt32LE(84),
  }
}

function makesSense(superblock: Superblock): boolean {
  const { totalSize, blockSize, regionSize, serial, sequence, snapshot, forgotten } = superblock
  const isPowerOfTwo = (blockSize & (blockSize - 1)) === 0
  return (
    isPowerOfTwo &&
    blockSize >= SMALLEST_BLOCK &&
    blockSize <= LARGEST_BLOCK &&
    regionSize >= blockSize &&
    totalSize >= regionSize &&
    serial >= 0 &&
    sequence >= 0 &&
    forgotten >= 0 &&
    (snapshot === null || snapshot.sequence >= 0)
  )
}
