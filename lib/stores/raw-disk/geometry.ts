import { entryLength, MAX_KEY } from './format/entry.ts'
import { footerLength } from './format/footer.ts'
import {
  CHUNK_BYTES,
  CHUNK_HEADER_BYTES,
  ENTRY_RECORD_BYTES,
  REGION_RECORD_BYTES,
} from './format/snapshot.ts'

/** A part of the device, in bytes. */
export interface Area {
  readonly offset: number
  readonly bytes: number
}

/**
 * Where everything is on the device. All places are multiples of `align`, but that of the second superblock,
 * which is at a place of its own so that it is found whatever the block size was.
 */
export interface Geometry {
  readonly totalSize: number
  readonly blockSize: number
  readonly regionSize: number
  readonly regions: number
  readonly blocksPerRegion: number
  /** Unit of I/O in bytes: max(4096, blockSize). */
  readonly align: number
  /** Offsets of two superblocks of 4096 bytes. */
  readonly superblocks: readonly [number, number]
  /** What belongs to the superblocks: zeros around them. */
  readonly front: Area
  readonly purgeLog: readonly [Area, Area]
  readonly snapshots: readonly [Area, Area]
  /** Where the first region begins. What is left over behind the last one is not used. */
  readonly dataOffset: number
  /** Most entries of the index: those that a snapshot area has room for. */
  readonly capacity: number
}

export interface GeometryOptions {
  /** Bytes of the file or device that are used. */
  totalSize: number
  /** A power of two from 512 to 1 MiB. */
  blockSize: number
  sliceSize: number
}

const KIB = 1024
const MIB = 1024 * KIB
const SECTOR = 4096

/** Both are read before anything of the device is known, so they are at the same places on every device. */
export const SUPERBLOCKS = [0, 64 * KIB] as const
/** With the zeros around the superblocks. */
export const FRONT_BYTES = 128 * KIB

const REGION_BYTES = 16 * MIB
const SLICES_PER_REGION = 4
/** A region is made clean as a whole, so that fewer of them would be a large part of the device each. */
const REGIONS_WANTED = 16
const REGIONS_NEEDED = 8

/** What a region has room for beside each of its largest entries, so that the header of entries may grow. */
const SPARE_BYTES = 192

/** A purge-log half is this part of the device, between the limits. */
const PURGE_LOG_SHARE = 1 / 512
const PURGE_LOG_MIN = 16 * KIB
const PURGE_LOG_MAX = MIB

/** Of the device, for one of the two areas. */
const SNAPSHOT_SHARE = 0.0175
/** Entries are hardly smaller than this on the average; the index pays for each one in memory. */
const BYTES_PER_ENTRY = 2048
/** An index of this many entries takes up to 4 GiB of memory. */
const CAPACITY_MAX = 2 ** 26

/** A block has a number of 32 bits on the whole device; the last number means none. */
const BLOCKS_MAX = 2 ** 32 - 1

/**
 * Divides a device. The same options always give the same result, which the format relies on.
 * RangeError, one sentence, when the device is too small (with the smallest `total_size` that would do), too large
 * for its block size, or the block size is none.
 */
export function geometryOf(o: GeometryOptions): Geometry {
  const { totalSize, blockSize, sliceSize } = o
  if (!Number.isInteger(Math.log2(blockSize)) || blockSize < 512 || blockSize > MIB) {
    throw new RangeError(`block_size must be a power of two from 512 to ${MIB}, not ${blockSize}`)
  }
  if (!(Number.isSafeInteger(totalSize) && Number.isSafeInteger(sliceSize) && sliceSize > 0)) {
    throw new RangeError(`total_size and slice_size must be whole bytes, not ${totalSize} and ${sliceSize}`)
  }
  if (totalSize > BLOCKS_MAX * blockSize) {
    const needed = 2 ** Math.ceil(Math.log2(totalSize / BLOCKS_MAX))
    throw new RangeError(`a total_size of ${totalSize} bytes needs a block_size of at least ${needed} bytes`)
  }
  const geometry = divide(o)
  if (geometry) return geometry
  const smallest = smallestSize(o)
  throw new RangeError(
    `a total_size of ${totalSize} bytes is too small for slices of ${sliceSize} bytes in blocks of ${blockSize}: ` +
      `it must be at least ${smallest} bytes (${smallest / MIB} MiB)`,
  )
}

/** The largest regions of which there are enough. Undefined when the device has no room for the smallest ones. */
function divide(o: GeometryOptions): Geometry | undefined {
  const align = alignOf(o)
  const preferred = Math.max(REGION_BYTES, 2 ** Math.ceil(Math.log2(SLICES_PER_REGION * o.sliceSize)))
  const best = layOut(o, preferred)
  if (best && best.regions >= REGIONS_WANTED) return best

  // Whole slices, so that small regions do not waste what one more slice would need.
  for (let slices = Math.floor(preferred / o.sliceSize); slices > 1; slices--) {
    const size = regionHolding(slices, o.sliceSize, align)
    const geometry = size < preferred ? layOut(o, size) : undefined
    if (geometry && geometry.regions >= REGIONS_WANTED) return geometry
  }
  const last = layOut(o, regionHolding(1, o.sliceSize, align))
  return last && last.regions >= REGIONS_NEEDED ? last : undefined
}

function layOut(o: GeometryOptions, regionSize: number): Geometry | undefined {
  const { totalSize, blockSize } = o
  const align = alignOf(o)
  const regionsMost = Math.floor(totalSize / regionSize)
  if (regionsMost === 0) return
  const entriesMost = Math.min(totalSize / Math.max(blockSize, BYTES_PER_ENTRY), CAPACITY_MAX)
  const { capacity, bytes: snapshotBytes } = snapshotArea(totalSize, regionsMost, entriesMost, align)
  const purgeBytes = purgeLogBytes(totalSize, align)

  let at = 0
  const area = (bytes: number): Area => {
    const offset = at
    at = roundUp(offset + bytes, align)
    return { offset, bytes }
  }
  const front = area(FRONT_BYTES)
  const purgeLog = [area(purgeBytes), area(purgeBytes)] as const
  const snapshots = [area(snapshotBytes), area(snapshotBytes)] as const
  const regions = Math.floor((totalSize - at) / regionSize)
  const blocksPerRegion = regionSize / blockSize
  if (regions < 1) return
  return {
    ...{ totalSize, blockSize, regionSize, regions, blocksPerRegion, align },
    ...{ superblocks: SUPERBLOCKS, front, purgeLog, snapshots, dataOffset: at },
    capacity: Math.min(capacity, regions * blocksPerRegion),
  }
}

/** Where a region begins, in bytes. */
export function regionOffset({ dataOffset, regionSize }: Geometry, region: number): number {
  return dataOffset + region * regionSize
}

/** The next multiple of `unit`. */
export function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit
}

const alignOf = (o: GeometryOptions) => Math.max(SECTOR, o.blockSize)

/** Bytes of a region that has its header, so many of the largest entries and its footer, each aligned. */
function regionHolding(slices: number, sliceSize: number, align: number): number {
  const entry = roundUp(entryLength(MAX_KEY, sliceSize) + SPARE_BYTES, align)
  const footer = roundUp(footerLength(slices), align)
  return align + slices * entry + footer
}

function purgeLogBytes(totalSize: number, align: number): number {
  const bytes = Math.min(Math.max(totalSize * PURGE_LOG_SHARE, PURGE_LOG_MIN), PURGE_LOG_MAX)
  return roundUp(bytes, align)
}

/** How large a snapshot area is: the table of the regions, and as many entries as its share of the device allows. */
function snapshotArea(totalSize: number, regions: number, entries: number, align: number) {
  const table = chunkedBytes(regions, REGION_RECORD_BYTES, align)
  const budget = Math.max(align, Math.floor((totalSize * SNAPSHOT_SHARE - table) / align) * align)
  const capacity = Math.min(Math.floor(entries), recordsIn(budget, ENTRY_RECORD_BYTES))
  return { capacity, bytes: table + chunkedBytes(capacity, ENTRY_RECORD_BYTES, align) }
}

/** Bytes of so many records in chunks, each one with its header, and aligned. */
function chunkedBytes(count: number, recordBytes: number, align: number): number {
  const perChunk = Math.floor((CHUNK_BYTES - CHUNK_HEADER_BYTES) / recordBytes)
  const rest = count % perChunk
  const last = rest > 0 ? roundUp(CHUNK_HEADER_BYTES + rest * recordBytes, align) : 0
  return Math.floor(count / perChunk) * CHUNK_BYTES + last
}

function recordsIn(bytes: number, recordBytes: number): number {
  const perChunk = Math.floor((CHUNK_BYTES - CHUNK_HEADER_BYTES) / recordBytes)
  const rest = Math.max(0, (bytes % CHUNK_BYTES) - CHUNK_HEADER_BYTES)
  return Math.floor(bytes / CHUNK_BYTES) * perChunk + Math.floor(rest / recordBytes)
}

/** In whole MiB, which is what an operator would write. */
function smallestSize(o: GeometryOptions): number {
  const fits = (mebibytes: number) => divide({ ...o, totalSize: mebibytes * MIB }) !== undefined
  let tooSmall = 0
  let enough = 1
  while (!fits(enough)) {
    tooSmall = enough
    enough *= 2
  }
  while (enough - tooSmall > 1) {
    const middle = Math.floor((tooSmall + enough) / 2)
    if (fits(middle)) enough = middle
    else tooSmall = middle
  }
  return enough * MIB
}
