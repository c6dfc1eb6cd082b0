import { lend } from '../lend.ts'
import type { Slab } from '../slabs.ts'
import { MAX_SEGMENT, type Slice, type SlicePart } from '../store.ts'
import { expand } from './compression.ts'
import type { Device } from './device.ts'
import { PIECE } from './format/crc.ts'
import { decodeEntry, type EntryHeader, type EntryName, metaLength, piecesAreWhole } from './format/entry.ts'
import { type Geometry, roundUp } from './geometry.ts'

/** Where an entry is said to be. */
export interface Place {
  /** Global number of its first block. */
  block: number
  blocks: number
  /** Generation that its region has now: another one in the entry's header means an earlier life. */
  regionGeneration: number
}

/** `failed`: the device could not be read; `damaged`: what was read is not this entry, or not whole. */
export type ReadResult = Slice | 'failed' | 'damaged'

/** An entry as it is stored. */
export interface Stored {
  header: EntryHeader
  /** The payload as it is stored; valid until `release`. */
  payload: Buffer
  release(): void
}

export interface ReadsOptions {
  device: Device
  geometry: Geometry
  salt: number
  /** Memory of reads whose bytes are copied: taken for a moment. */
  transient: Slab
  /** Memory that is lent with the slices; undefined: everything is copied. */
  lent: Slab | undefined
}

export interface Reads {
  /** @param isCompressed as the index has it: then the slice is read whole */
  slice(
    place: Place,
    name: EntryName,
    part: SlicePart | undefined,
    isCompressed: boolean,
  ): Promise<ReadResult>
  /** Reads and verifies an entry without unpacking it. */
  stored(place: Place, name?: EntryName): Promise<Stored | 'failed' | 'damaged'>
  readonly counts: Readonly<ReadCounts>
}

export interface ReadCounts {
  /** Bytes of payloads. */
  zeroCopyBytes: number
  copiedBytes: number
  partReads: number
}

/** Aligned bytes of the device in memory. */
interface Aligned {
  slab: Slab
  /** What was taken from the slab. */
  taken: Buffer
  /** Place of the entry's first byte in it; negative when the read began after it. */
  entryAt: number
}

export function createReads({ device, geometry, salt, transient, lent }: ReadsOptions): Reads {
  const { blockSize, align, dataOffset } = geometry
  const counts: ReadCounts = { zeroCopyBytes: 0, copiedBytes: 0, partReads: 0 }

  /**
   * Reads the bytes `from` to `to` of what begins at `block`, and what must be read along with them.
   * @param mayLend into memory that a client may keep for a while, if there is some: nobody waits for that
   */
  async function readAligned(block: number, from: number, to: number, mayLend: boolean): Promise<Aligned> {
    const entry = dataOffset + block * blockSize
    const start = Math.floor((entry + from) / align) * align
    const length = roundUp(entry + to, align) - start
    const toLend = mayLend ? lent?.take(length) : undefined
    const slab = toLend === undefined ? transient : lent!
    const taken = toLend ?? transient.take(length) ?? (await transient.wait(length))
    try {
      await device.read(taken.subarray(0, length), start)
    } catch (error) {
      slab.give(taken)
      throw error
    }
    return { slab, taken, entryAt: entry - start }
  }

  function headerOf(meta: Buffer, place: Place, name: EntryName | undefined): EntryHeader | undefined {
    const header = decodeEntry(meta, salt)
    if (header === undefined || 'need' in header) return undefined
    if (header.regionGeneration !== place.regionGeneration) return undefined
    if (header.metaLength + header.stored > place.blocks * blockSize) return undefined
    if (name === undefined) return header
    const same =
      header.generation === name.generation && header.index === name.index && header.key === name.key
    return same ? header : undefined
  }

  /** The bytes `start` to `end` of what was read, as segments: lent as they lie, or copied. */
  function deliver(slab: Slab, taken: Buffer, start: number, end: number, from?: number): Slice {
    if (slab === lent) {
      counts.zeroCopyBytes += end - start
      return lend(slab, taken, start, end, from)
    }
    counts.copiedBytes += end - start
    const segments: Buffer[] = []
    for (let at = start; at < end; at += MAX_SEGMENT) {
      const stop = Math.min(at + MAX_SEGMENT, end)
      const segment = Buffer.allocUnsafeSlow(stop - at)
      taken.copy(segment, 0, at, stop)
      segments.push(segment)
    }
    slab.give(taken)
    return { length: end - start, segments, ...(from !== undefined && { from }) }
  }

  /** The whole entry that was read, verified. */
  function entryOf({ taken, entryAt }: Aligned, place: Place, name: EntryName | undefined) {
    const entry = taken.subarray(entryAt, entryAt + place.blocks * blockSize)
    const header = headerOf(entry, place, name)
    if (header === undefined) return undefined
    const payload = entry.subarray(header.metaLength, header.metaLength + header.stored)
    return piecesAreWhole(entry, header, 0, payload, salt) ? { header, payload } : undefined
  }

  async function readWhole(place: Place, name: EntryName, isCompressed: boolean): Promise<ReadResult> {
    const read = await readAligned(place.block, 0, place.blocks * blockSize, !isCompressed)
    const { slab, taken, entryAt } = read
    const found = entryOf(read, place, name)
    if (found === undefined) {
      slab.give(taken)
      return 'damaged'
    }
    const { header, payload } = found
    if (header.codec === 'none') {
      const start = entryAt + header.metaLength
      return deliver(slab, taken, start, start + header.stored)
    }
    try {
      const segments = await expand(payload, header.length)
      counts.copiedBytes += header.length
      return { length: header.length, segments }
    } catch {
      return 'damaged'
    } finally {
      slab.give(taken)
    }
  }

  /**
   * Reads the header and the pieces that the part lies in, both at once. How long the header is depends on the
   * number of pieces, and that on the stored length, of which only the blocks are known: a little more is read.
   */
  async function readPart(place: Place, name: EntryName, part: SlicePart): Promise<ReadResult> {
    const bytes = place.blocks * blockSize
    const keyBytes = Buffer.byteLength(name.key)
    const leastMeta = metaLength(keyBytes, Math.max(0, bytes - blockSize - metaLength(keyBytes, bytes)))
    const mostMeta = metaLength(keyBytes, bytes)
    const firstPiece = Math.floor(part.from / PIECE)
    const from = leastMeta + firstPiece * PIECE
    const to = Math.min(bytes, mostMeta + Math.ceil(part.to / PIECE) * PIECE)
    if (from >= to) return readWhole(place, name, false)

    counts.partReads++
    // What lies near the header is read with it.
    const isNear = firstPiece <= 1
    const [bodyRead, metaRead] = await Promise.allSettled([
      readAligned(place.block, isNear ? 0 : from, to, true),
      isNear ? undefined : readAligned(place.block, 0, mostMeta, false),
    ])
    const body = bodyRead.status === 'fulfilled' ? bodyRead.value : undefined
    const meta = metaRead.status === 'fulfilled' ? metaRead.value : undefined
    const giveBack = (): void => {
      for (const read of [meta, body]) if (read) read.slab.give(read.taken)
    }
    if (body === undefined || (meta === undefined && !isNear)) {
      giveBack()
      return 'failed'
    }
    const { taken, entryAt } = meta ?? body
    const metaBytes = taken.subarray(entryAt)
    const header = headerOf(metaBytes, place, name)
    if (header === undefined || header.codec !== 'none') {
      giveBack()
      return 'damaged'
    }
    const end = Math.min(part.to, header.stored)
    const payloadAt = body.entryAt + header.metaLength
    const pieces = body.taken.subarray(
      payloadAt + firstPiece * PIECE,
      payloadAt + Math.min(Math.ceil(end / PIECE) * PIECE, header.stored),
    )
    if (part.from >= end || !piecesAreWhole(metaBytes, header, firstPiece, pieces, salt)) {
      giveBack()
      return part.from >= end ? { length: 0, segments: [], from: part.from } : 'damaged'
    }
    if (meta) meta.slab.give(meta.taken)
    return deliver(body.slab, body.taken, payloadAt + part.from, payloadAt + end, part.from)
  }

  return {
    async slice(place, name, part, isCompressed) {
      try {
        // await: a rejection must be met here.
        return await (part === undefined || isCompressed
          ? readWhole(place, name, isCompressed)
          : readPart(place, name, part))
      } catch {
        return 'failed'
      }
    },

    async stored(place, name) {
      let read: Aligned
      try {
        read = await readAligned(place.block, 0, place.blocks * blockSize, false)
      } catch {
        return 'failed'
      }
      const release = (): void => read.slab.give(read.taken)
      const found = entryOf(read, place, name)
      if (found !== undefined) return { ...found, release }
      release()
      return 'damaged'
    },

    counts,
  }
}
