import type { Slab } from '../slabs.ts'
import type { Catalog } from './catalog.ts'
import { WAS_HIT } from './flags.ts'
import { encodeRegionHeader } from './format/region.ts'
import { type Geometry, regionOffset } from './geometry.ts'
import type { Guard } from './guard.ts'
import { HEADS_NAME } from './index.ts'
import type { Reads } from './reads.ts'
import { CLEAN, type Regions } from './regions.ts'
import { chooseCarried, chooseVictim, reserveOf } from './victim.ts'
import type { Writer } from './writer.ts'

/** Makes regions clean again before the last clean one is needed. */
export interface Reclaim {
  /** Recovery has ended: what it had not found yet must not be taken for dead. */
  start(): void
  /** Looks whether there are fewer clean regions than there should be. No effect before `start`. */
  wake(): void
  /** No more after the region at hand. */
  close(): Promise<void>
  /** Resolves when as many regions are clean as should be, or as can be. */
  rest(): Promise<void>
  readonly counts: Readonly<ReclaimCounts>
}

export interface ReclaimCounts {
  reclaimRuns: number
  /** Bytes of the regions that were made clean. */
  reclaimedBytes: number
  carriedEntries: number
  carriedBytes: number
  evictedEntries: number
}

export interface ReclaimOptions {
  device: Guard
  geometry: Geometry
  regions: Regions
  catalog: Catalog
  reads: Reads
  writer: Writer
  memory: Slab
  salt: number
  /** A mistake of ours, which must not end the process. */
  onError(error: unknown): void
}

/** Share of a region's blocks that may be written anew instead of being given up. */
const MOST_CARRIED = 0.25

export function createReclaim(options: ReclaimOptions): Reclaim {
  const { device, geometry, regions, catalog, reads, writer, memory, salt } = options
  const counts: ReclaimCounts = {
    reclaimRuns: 0,
    reclaimedBytes: 0,
    carriedEntries: 0,
    carriedBytes: 0,
    evictedEntries: 0,
  }
  const reserve = reserveOf(regions.count)
  let running: Promise<void> | undefined
  let started = false
  let closed = false

  function isRoomNeeded(): boolean {
    return regions.cleanCount() < reserve || catalog.isCrowded
  }

  async function run(): Promise<void> {
    /** What is alive in these has no room elsewhere: until they are the oldest. */
    const stuck = new Set<number>()
    // Offline, nothing could be carried.
    while (!closed && !device.offline && isRoomNeeded()) {
      catalog.sweep()
      const victim = chooseVictim({
        count: regions.count,
        state: regions.state,
        live: regions.live,
        used: regions.used,
        generation: regions.generation,
        busy: (region) => regions.writes[region] > 0 || (stuck.has(region) && !isOldest(region)),
      })
      if (victim === -1) return
      if (!(await reclaim(victim))) stuck.add(victim)
      writer.wake()
    }
  }

  /** @returns false when it holds what may not be given up, and could not be carried */
  async function reclaim(region: number): Promise<boolean> {
    const carried = new Set(choose(region))
    for (const id of catalog.index.ofRegion(region)) if (!carried.has(id)) evict(id)
    await carryAll(region, [...carried])
    const left = catalog.index.ofRegion(region)
    if (left.length > 0 && !isOldest(region)) return false
    for (const id of left) evict(id)
    await regions.idle(region)
    // A copy can be there before the batch in front of it: until that one is, a walk after a crash would not come to it.
    await writer.settled()
    await markClean(region)
    regions.clean(region)
    counts.reclaimRuns++
    counts.reclaimedBytes += geometry.regionSize
    return true
  }

  function choose(region: number): number[] {
    const { index } = catalog
    const entries = index.ofRegion(region).map((id) => {
      const isHeads = index.generation(id) === HEADS_NAME
      return {
        id,
        blocks: index.blocks(id),
        wasHit: wasHit(id),
        isHeads,
        needed: isHeads && isNeeded(id, region),
      }
    })
    // Another region may be older than this one, and hold what entries of this one have replaced: given up here, they
    // would be found in their older state after a crash.
    if (!isOldest(region)) return entries.map(({ id }) => id)
    return chooseCarried(entries, Math.floor(regions.blocksPerRegion * MOST_CARRIED))
  }

  function isOldest(region: number): boolean {
    const { generation, state } = regions
    return !generation.some((each, at) => state[at] !== CLEAN && each < generation[region])
  }

  function wasHit(id: number): boolean {
    return (catalog.index.flags(id) & WAS_HIT) !== 0
  }

  /** Whether slices of the object stay, which only its heads lead to. */
  function isNeeded(heads: number, region: number): boolean {
    const { index } = catalog
    return index
      .ofObject(index.objectLow(heads), index.objectHigh(heads))
      .some((id) => id !== heads && (regions.regionOf(index.block(id)) !== region || wasHit(id)))
  }

  function evict(id: number): void {
    catalog.remove(id)
    counts.evictedEntries++
  }

  /** One after another: reads of clients shall not wait behind a burst of ours. The copies are written in batches. */
  async function carryAll(region: number, ids: number[]): Promise<void> {
    const written: Promise<void>[] = []
    const { index } = catalog
    for (const id of ids) {
      // Everything was cleared meanwhile: the new index does not know these ids.
      if (catalog.index !== index) break
      const block = index.block(id)
      // Dropped while the ones before were read; the id may be another entry's by now.
      if (regions.regionOf(block) !== region) continue
      const copy = await carry(region, id, block)
      if (copy !== undefined) written.push(copy)
    }
    await Promise.all(written)
  }

  /** Resolves once the entry is read, to what resolves once its copy is written. */
  async function carry(region: number, id: number, block: number): Promise<Promise<void> | undefined> {
    const { index } = catalog
    const blocks = index.blocks(id)
    const [low, high, generation, at] = [
      index.objectLow(id),
      index.objectHigh(id),
      index.generation(id),
      index.index(id),
    ]
    /** Its id while it is where it was read; -1 once it was dropped or replaced. */
    const idNow = (): number => {
      const now = catalog.index.find(low, high, generation, at)
      return now !== -1 && catalog.index.block(now) === block ? now : -1
    }
    const stored = await reads.stored({ block, blocks, regionGeneration: regions.generation[region] })
    if (typeof stored === 'string' || idNow() === -1) {
      if (typeof stored !== 'string') stored.release()
      return undefined
    }
    const { header, payload } = stored
    // Copied: the write queue keeps it for as long as it takes, and the memory of reads is scarce.
    const own = Buffer.from(payload)
    stored.release()
    return new Promise<void>((resolve) => {
      writer.carry({
        name: { key: header.key, generation: header.generation, index: header.index },
        keyBytes: header.keyLength,
        low,
        high,
        generation,
        index: at,
        segments: [own],
        stored: header.stored,
        length: header.length,
        codec: header.codec,
        expires: header.expires,
        flags: header.flags,
        get gone() {
          return idNow() === -1
        },
        settled(place, newBlocks) {
          const now = idNow()
          if (place !== -1 && now === -1) regions.addLive(place, -newBlocks)
          if (place !== -1 && now !== -1) {
            catalog.move(now, place)
            catalog.index.setFlags(now, header.flags)
            counts.carriedEntries++
            counts.carriedBytes += header.stored
          }
          resolve()
        },
      })
    })
  }

  /** So that a restart without a snapshot does not take in what was given up here. */
  async function markClean(region: number): Promise<void> {
    const buffer = await memory.wait(geometry.align)
    const header = { region, generation: regions.generation[region], state: 'clean' } as const
    encodeRegionHeader(buffer.subarray(0, geometry.align), header, salt)
    const at = regionOffset(geometry, region)
    try {
      await device.write(buffer.subarray(0, geometry.align), at)
      // Before a younger region is given up: a loss of power that kept that and lost this would bring back from here what
      // entries of the younger one had replaced (found by the crash property, SEED=1176742632 RUN_PATH=114).
      await device.sync()
    } catch {
      // What is found there is still what was put.
    }
    memory.give(buffer)
  }

  function wake(): void {
    if (running !== undefined || !started || closed || !isRoomNeeded()) return
    running = run()
      .catch(options.onError)
      .finally(() => {
        running = undefined
        if (regions.cleanCount() >= 2 || closed) return
        // Nothing can be made clean now: who waits for a region waits in vain, unless one is only busy.
        const busy = regions.writes.findIndex((writes) => writes > 0)
        if (busy === -1) writer.giveUp()
        else void regions.idle(busy).then(wake)
      })
  }

  return {
    start() {
      started = true
      wake()
    },
    wake,
    async close() {
      closed = true
      await running
    },
    async rest() {
      await running
    },
    counts,
  }
}
