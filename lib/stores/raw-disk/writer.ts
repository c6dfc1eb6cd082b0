import { PAGE, type Slab } from '../slabs.ts'
import { entryLength, writeEntry } from './format/entry.ts'
import { encodeFooter, type FooterRecord, footerLength } from './format/footer.ts'
import { encodeRegionHeader } from './format/region.ts'
import { type Geometry, regionOffset, roundUp } from './geometry.ts'
import type { Guard } from './guard.ts'
import { createOutgoingQueue, type Outgoing } from './outgoing.ts'
import type { Regions } from './regions.ts'

/** The one stream of writes into the open region. */
export interface Writer {
  put(entry: Outgoing): void
  /** Goes before all that was put, and may use the last clean region: without it no region could be made clean. */
  carry(entry: Outgoing): void
  /** Goes on in a region that an earlier life of the store began. */
  resume(region: number, records: FooterRecord[]): void
  /** Looks again whether there is room. */
  wake(): void
  /** Gives up what waits for room. */
  giveUp(): void
  /** Resolves when nothing is waiting or being written. */
  flush(): Promise<void>
  /** Resolves when the batches that are under way now are in the index, or have failed. */
  settled(): Promise<void>
  /** Blocks of a region that are being written and not in the index yet. */
  reserved(region: number): number
  /** Bytes between the ends of entries and of their last blocks, written so far. */
  readonly paddingBytes: number
}

export interface WriterOptions {
  device: Guard
  geometry: Geometry
  regions: Regions
  memory: Slab
  salt: number
  nextSequence(): number
  /** There is no clean region that may be used. */
  onNoRoom(): void
  /** A region was opened: there is one clean region less. */
  onOpened(): void
}

/** Bytes that one write has at least while more is waiting. */
const BATCH = 2 * 1024 * 1024
/** Writes of batches under way at once: one is packed while the other one is written. */
const BATCHES = 2

interface Placed {
  entry: Outgoing
  block: number
  blocks: number
}

interface Batch {
  region: number
  placed: Placed[]
  ended: Promise<void>
}

export function createWriter(options: WriterOptions): Writer {
  const { device, geometry, regions, memory, salt, nextSequence } = options
  const { blockSize, blocksPerRegion, align } = geometry
  const alignBlocks = align / blockSize
  const queue = createOutgoingQueue()
  const batches = new Set<Batch>()
  const flushed: (() => void)[] = []
  let open = -1
  /** A write into the open region has failed. */
  let hasHole = false
  let records: FooterRecord[] = []
  let writes = 0
  let padding = 0

  function pump(): void {
    // A device that is left alone must not cost regions: each failure seals the one that it happened in.
    if (device.offline) for (const entry of queue.takeAll()) entry.settled(-1, 0)
    while (batches.size < BATCHES) {
      const next = queue.peek()
      if (next === undefined) break
      if (next.gone) {
        queue.shift().settled(-1, 0)
        continue
      }
      if (open === -1 && !openRegion(queue.isCarrying)) {
        // Reclaim waits for these, and nothing but reclaim makes room.
        for (const entry of queue.takeCarried()) entry.settled(-1, 0)
        options.onNoRoom()
        break
      }
      // The place of a hole may be bad, and recovery walks an unsealed region only up to the first one.
      if (hasHole || !fits(regions.used[open], blocksOf(next), 1)) {
        if (!sealOpen()) break
        continue
      }
      if (!startBatch()) break
    }
    // Also when nothing is waiting: after a clean stop nobody would know of the hole.
    if (hasHole && batches.size === 0 && !device.offline) sealOpen()
    if (queue.peek() !== undefined || batches.size > 0 || writes > 0) return
    for (const resolve of flushed.splice(0)) resolve()
  }

  function openRegion(mayUseLast: boolean): boolean {
    if (regions.cleanCount() < (mayUseLast ? 1 : 2)) return false
    open = regions.open(nextSequence())
    records = []
    options.onOpened()
    return true
  }

  function blocksOf({ keyBytes, stored }: Outgoing): number {
    return Math.ceil(entryLength(keyBytes, stored) / blockSize)
  }

  /** Whether `blocks` more have room from `start` on, with the footer that the region needs then. */
  function fits(start: number, blocks: number, entries: number): boolean {
    const first = start === 0 ? alignBlocks : start
    const end = roundUp(first + blocks, alignBlocks)
    const footer = roundUp(Math.ceil(footerLength(records.length + entries) / blockSize), alignBlocks)
    return end + footer <= blocksPerRegion
  }

  /** Packs what is waiting into one aligned write; false when there is no memory for it now. */
  function startBatch(): boolean {
    const region = open
    const start = regions.used[region]
    const first = queue.peek()!
    const most = Math.max(BATCH, roundUp(blocksOf(first) * blockSize, align)) + align
    const buffer = memory.take(most)
    if (buffer === undefined) return false

    const batch: Batch = { region, placed: [], ended: Promise.resolve() }
    let at = start
    if (start === 0) {
      const header = { region, generation: regions.generation[region], state: 'written' } as const
      encodeRegionHeader(buffer.subarray(0, align), header, salt)
      at += alignBlocks
    }
    for (let entry = queue.peek(); entry !== undefined; entry = queue.peek()) {
      if (entry.gone) {
        queue.shift().settled(-1, 0)
        continue
      }
      const blocks = blocksOf(entry)
      const isFirst = batch.placed.length === 0
      if (!fits(at, blocks, batch.placed.length + 1)) break
      if ((at - start + blocks) * blockSize > (isFirst ? most : BATCH)) break
      try {
        pack(queue.shift(), batch, buffer.subarray((at - start) * blockSize), at, blocks)
        at += blocks
      } catch {
        entry.settled(-1, 0) // its segments are not as long as it says: a mistake of who put it
      }
    }
    if (batch.placed.length === 0) {
      memory.give(buffer)
      return true
    }
    const end = roundUp(at, alignBlocks)
    const length = (end - start) * blockSize
    buffer.fill(0, (at - start) * blockSize, length)
    const rest = buffer.subarray(roundUp(length, PAGE))
    if (rest.length > 0) memory.give(rest)
    regions.used[region] = end
    batches.add(batch)
    batch.ended = writeBatch(batch, buffer.subarray(0, length), position(region, start))
    return true
  }

  function pack(entry: Outgoing, batch: Batch, into: Buffer, blockInRegion: number, blocks: number): void {
    const { region } = batch
    const sequence = nextSequence()
    const { name, segments, stored, length, codec, expires, flags } = entry
    const header = { ...name, regionGeneration: regions.generation[region], sequence }
    writeEntry(into, { ...header, segments, stored, length, codec, expires, flags }, salt, blocks * blockSize)
    const block = region * blocksPerRegion + blockInRegion
    const { low, high, generation, index } = entry
    records.push({
      objectLow: low,
      objectHigh: high,
      generation,
      index,
      block,
      blocks,
      flags,
      expires,
      sequence,
    })
    padding += blocks * blockSize - entryLength(entry.keyBytes, stored)
    regions.addLive(block, blocks)
    batch.placed.push({ entry, block, blocks })
  }

  async function writeBatch(batch: Batch, buffer: Buffer, at: number): Promise<void> {
    regions.writeBegins(batch.region)
    let written = true
    try {
      await device.write(buffer, at)
    } catch {
      written = false
    }
    batches.delete(batch)
    memory.give(buffer)
    for (const { entry, block, blocks } of batch.placed) {
      if (!written) regions.addLive(block, -blocks)
      entry.settled(written ? block : -1, written ? blocks : 0)
    }
    regions.writeEnds(batch.region)
    if (!written && open === batch.region) hasHole = true
    pump()
  }

  function sealOpen(): boolean {
    const length = footerLength(records.length)
    const bytes = roundUp(length, align)
    const buffer = memory.take(bytes)
    if (buffer === undefined) return false
    const region = open
    buffer.fill(0, 0, bytes - length)
    const place = {
      region,
      generation: regions.generation[region],
      firstBlock: region * blocksPerRegion,
      salt,
    }
    encodeFooter(buffer.subarray(bytes - length, bytes), records, place)
    open = -1
    hasHole = false
    records = []
    regions.seal(region)
    void writeFooter(region, buffer.subarray(0, bytes), position(region + 1, 0) - bytes)
    return true
  }

  async function writeFooter(region: number, buffer: Buffer, at: number): Promise<void> {
    regions.writeBegins(region)
    writes++
    // Without its footer a region is walked from its first entry, as an unsealed one is.
    await device.write(buffer, at).catch(() => {})
    writes--
    memory.give(buffer)
    regions.writeEnds(region)
    pump()
  }

  function position(region: number, block: number): number {
    return regionOffset(geometry, region) + block * blockSize
  }

  return {
    put(entry) {
      queue.put(entry)
      pump()
    },
    carry(entry) {
      queue.carry(entry)
      pump()
    },
    resume(region, earlier) {
      open = region
      records = earlier
    },
    wake: pump,
    giveUp() {
      for (const entry of queue.takeAll()) entry.settled(-1, 0)
      pump()
    },
    flush() {
      return new Promise((resolve) => {
        flushed.push(resolve)
        pump()
      })
    },
    async settled() {
      await Promise.all([...batches].map((batch) => batch.ended))
    },
    reserved(region) {
      let blocks = 0
      for (const batch of batches)
        if (batch.region === region) for (const placed of batch.placed) blocks += placed.blocks
      return blocks
    },
    get paddingBytes() {
      return padding
    },
  }
}
