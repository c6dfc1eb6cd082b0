import type { Geometry } from './geometry.ts'

/** States of a region. */
export const CLEAN = 0
export const OPEN = 1
export const SEALED = 2

/** What is where: one place in each array for each region. */
export interface Regions {
  readonly count: number
  readonly blocksPerRegion: number
  readonly state: Uint8Array
  /** Sequence number under which the region was opened; entries of another one are from an earlier life of it. */
  readonly generation: Float64Array
  /** Blocks of entries that the index has, or that are being written for it. */
  readonly live: Uint32Array
  /** Blocks written or reserved from the region's start; all of them once it is sealed. */
  readonly used: Uint32Array
  /** Reads and writes under way: what is read must not be overwritten meanwhile. */
  readonly pins: Uint32Array
  /** The writes among them, whose entries are not in the index yet. */
  readonly writes: Uint32Array

  regionOf(block: number): number
  cleanCount(): number
  /** Opens a clean region; -1 when there is none. */
  open(generation: number): number
  seal(region: number): void
  /** What recovery found. @param used blocks from the region's start; ignored but for open regions */
  restore(region: number, state: number, generation: number, used: number): void
  /** Nothing of the region counts any more. */
  clean(region: number): void
  /** Every change of live blocks goes through here. @param blocks negative when they die */
  addLive(block: number, blocks: number): void
  pin(region: number): void
  unpin(region: number): void
  writeBegins(region: number): void
  writeEnds(region: number): void
  /** Resolves when no read or write of the region is under way. */
  idle(region: number): Promise<void>
  /** The same for all regions. */
  allIdle(): Promise<void>
  /** The four sums of which every block is in one. */
  blocks(): { live: number; dead: number; clean: number; open: number }
}

export function createRegions({ regions: count, blocksPerRegion }: Geometry): Regions {
  const state = new Uint8Array(count)
  const generation = new Float64Array(count)
  const live = new Uint32Array(count)
  const used = new Uint32Array(count)
  const pins = new Uint32Array(count)
  const writes = new Uint32Array(count)
  const waiting = new Map<number, (() => void)[]>()
  let cleanRegions = count
  let next = 0

  function setState(region: number, to: number): void {
    cleanRegions += Number(to === CLEAN) - Number(state[region] === CLEAN)
    state[region] = to
  }

  function pin(region: number): void {
    pins[region]++
  }

  function unpin(region: number): void {
    if (--pins[region] > 0) return
    const resolves = waiting.get(region)
    waiting.delete(region)
    for (const resolve of resolves ?? []) resolve()
  }

  function idle(region: number): Promise<void> {
    if (pins[region] === 0) return Promise.resolve()
    return new Promise((resolve) => {
      const resolves = waiting.get(region)
      if (resolves === undefined) waiting.set(region, [resolve])
      else resolves.push(resolve)
    })
  }

  return {
    count,
    blocksPerRegion,
    state,
    generation,
    live,
    used,
    pins,
    writes,

    regionOf: (block) => Math.floor(block / blocksPerRegion),
    cleanCount: () => cleanRegions,

    open(newGeneration) {
      if (cleanRegions === 0) return -1
      // In a circle, so that every part of the device is written equally often.
      while (state[next] !== CLEAN) next = (next + 1) % count
      const region = next
      next = (next + 1) % count
      setState(region, OPEN)
      generation[region] = newGeneration
      return region
    },

    seal(region) {
      setState(region, SEALED)
      used[region] = blocksPerRegion
    },

    restore(region, to, newGeneration, usedBlocks) {
      setState(region, to)
      generation[region] = newGeneration
      used[region] = to === SEALED ? blocksPerRegion : to === OPEN ? usedBlocks : 0
    },

    clean(region) {
      setState(region, CLEAN)
      used[region] = 0
      live[region] = 0
    },

    addLive(block, blocks) {
      live[Math.floor(block / blocksPerRegion)] += blocks
    },

    pin,
    unpin,

    writeBegins(region) {
      writes[region]++
      pin(region)
    },

    writeEnds(region) {
      writes[region]--
      unpin(region)
    },

    idle,

    async allIdle() {
      for (let busy = pins.findIndex(Boolean); busy !== -1; busy = pins.findIndex(Boolean)) await idle(busy)
    },

    blocks() {
      const sums = { live: 0, dead: 0, clean: 0, open: 0 }
      for (let region = 0; region < count; region++) {
        sums.live += live[region]
        sums.dead += used[region] - live[region]
        if (state[region] === CLEAN) sums.clean += blocksPerRegion
        else sums.open += blocksPerRegion - used[region]
      }
      return sums
    },
  }
}
