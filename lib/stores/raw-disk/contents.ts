import { HEADS } from '../entry-index.ts'
import type { Slab } from '../slabs.ts'
import type { Device } from './device.ts'
import { COMPRESSED } from './flags.ts'
import { decodeEntry, type EntryHeader, entryLength } from './format/entry.ts'
import {
  decodeFooter,
  decodeTrailer,
  FOOTER_RECORD_BYTES,
  type FooterRecord,
  TRAILER_BYTES,
} from './format/footer.ts'
import { decodeRegionHeader, REGION_HEADER_BYTES, type RegionHeader } from './format/region.ts'
import { type Geometry, regionOffset, roundUp } from './geometry.ts'
import { HEADS_NAME } from './index.ts'
import { generationWord, objectName } from './names.ts'

/** Reads what regions say of themselves, for recovery. */
export interface Contents {
  /** Undefined when there is no valid one. Rejects with the device's error, as the others do. */
  header(region: number): Promise<RegionHeader | undefined>
  /** Every entry of the region's present life, in the order in which they were written. */
  records(region: number, generation: number): Promise<FooterRecord[]>
}

/** Read at once at the end of a region: most footers are shorter. */
const FOOTER_GUESS = 64 * 1024
/** Read at once of an unsealed region. */
const WINDOW = 256 * 1024

export function createContents(device: Device, geometry: Geometry, memory: Slab, salt: number): Contents {
  const { align, blockSize, blocksPerRegion, regionSize } = geometry

  /** The bytes `from` to `to` of a region, both multiples of `align`; valid until `release`. */
  async function read(region: number, from: number, to: number) {
    const taken = await memory.wait(to - from)
    const bytes = taken.subarray(0, to - from)
    try {
      await device.read(bytes, regionOffset(geometry, region) + from)
    } catch (error) {
      memory.give(taken)
      throw error
    }
    return { bytes, release: () => memory.give(taken) }
  }

  async function header(region: number): Promise<RegionHeader | undefined> {
    const { bytes, release } = await read(region, 0, align)
    const found = decodeRegionHeader(bytes.subarray(0, REGION_HEADER_BYTES), salt)
    release()
    return found?.region === region ? found : undefined
  }

  async function footer(region: number, generation: number): Promise<FooterRecord[] | undefined> {
    let length = Math.min(roundUp(FOOTER_GUESS, align), regionSize)
    for (let attempt = 0; attempt < 2; attempt++) {
      const { bytes, release } = await read(region, regionSize - length, regionSize)
      try {
        const trailer = decodeTrailer(bytes.subarray(-TRAILER_BYTES), salt)
        if (trailer === undefined || trailer.region !== region || trailer.generation !== generation)
          return undefined
        const needed = trailer.count * FOOTER_RECORD_BYTES + TRAILER_BYTES
        if (needed <= length) {
          const records = bytes.subarray(-needed, -TRAILER_BYTES)
          return decodeFooter(records, trailer, region * blocksPerRegion, salt)
        }
        if (needed > regionSize) return undefined
        length = roundUp(needed, align)
      } finally {
        release()
      }
    }
    return undefined
  }

  /** Goes from entry to entry until there is none of this life: a write that was cut off leaves a hole. */
  async function walk(region: number, generation: number): Promise<FooterRecord[]> {
    const records: FooterRecord[] = []
    let window: Awaited<ReturnType<typeof read>> | undefined
    let windowFrom = 0
    let windowTo = 0

    async function entryAt(position: number, length: number): Promise<EntryHeader | undefined> {
      const end = Math.min(position + length, regionSize)
      if (window === undefined || position < windowFrom || end > windowTo) {
        window?.release()
        window = undefined
        windowFrom = Math.floor(position / align) * align
        windowTo = Math.min(roundUp(Math.max(windowFrom + WINDOW, end), align), regionSize)
        window = await read(region, windowFrom, windowTo)
      }
      const found = decodeEntry(window.bytes.subarray(position - windowFrom, windowTo - windowFrom), salt)
      if (found === undefined) return undefined
      if (!('need' in found)) return found.regionGeneration === generation ? found : undefined
      return found.need > length && position + found.need <= regionSize
        ? entryAt(position, found.need)
        : undefined
    }

    try {
      let position = align
      while (position < regionSize) {
        const found = await entryAt(position, blockSize)
        if (found === undefined) {
          // Batches end on a multiple of `align`, entries on one of the block.
          if (position % align === 0) break
          position = roundUp(position, align)
          continue
        }
        const blocks = Math.ceil(entryLength(found.keyLength, found.stored) / blockSize)
        if (position + blocks * blockSize > regionSize) break
        records.push(recordOf(found, region * blocksPerRegion + position / blockSize, blocks))
        position += blocks * blockSize
      }
    } finally {
      window?.release()
    }
    return records
  }

  return {
    header,
    records: async (region, generation) =>
      (await footer(region, generation)) ?? (await walk(region, generation)),
  }
}

function recordOf(header: EntryHeader, block: number, blocks: number): FooterRecord {
  const { low, high } = objectName(header.key)
  const isHeads = header.generation === HEADS
  return {
    objectLow: low,
    objectHigh: high,
    generation: generationWord(header.generation),
    index: isHeads ? HEADS_NAME : header.index,
    block,
    blocks,
    flags: header.codec === 'zstd' ? COMPRESSED : 0,
    expires: header.expires,
    sequence: header.sequence,
  }
}
