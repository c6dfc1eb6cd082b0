/** What the choice of the region to reclaim depends on: one place in each array for each region. */
export interface VictimRegions {
  readonly count: number
  /** 0 clean, 1 open, 2 sealed. */
  readonly state: Uint8Array
  /** Blocks of entries that are in the index. */
  readonly live: Uint32Array
  /** Blocks that hold anything, dead or alive. */
  readonly used: Uint32Array
  /** The larger, the later it was opened. */
  readonly generation: Float64Array
  /** Whether somebody reads or writes in it. */
  busy(region: number): boolean
}

/** An entry of the region that is reclaimed. */
export interface Carriable {
  readonly id: number
  readonly blocks: number
  /** Read since it was written there. */
  readonly wasHit: boolean
  readonly isHeads: boolean
  /**
   * Whether another entry of the object cannot be found without this one, which are its heads, and is worth it: it is
   * in another region, or was hit and so is likely to be carried too.
   */
  readonly needed: boolean
}

const SEALED = 2

/** Share of dead blocks from which a region is reclaimed before older ones. */
const DEAD_ENOUGH = 0.8

/**
 * How many regions to keep clean: 12 %, where that leaves a full cache between 0.8 and 0.9 of its blocks used. One more
 * region is open and between empty and full, so what is used is from (regions - reserve - 1) / regions to
 * (regions - reserve) / regions. From 15 regions on that is within the limits. With fewer it is less than 0.8 at times,
 * because two are always kept: one to be written to next, and one that only carried entries may begin.
 */
export function reserveOf(regions: number): number {
  const least = Math.max(2, Math.ceil(regions / 10))
  const most = Math.floor(regions / 5) - 1
  return Math.max(least, Math.min(most, Math.ceil((regions * 12) / 100)))
}

/**
 * The region to reclaim; -1 when there is none, because all are clean, open or busy. One with nothing alive costs
 * nothing; one that is nearly so gives much room for little; else the oldest. Not the one with the most dead blocks
 * whatever their share: what is alive in it is newer than what is in the oldest one, and a cache that gives up new
 * entries for old ones has fewer hits.
 */
export function chooseVictim({ count, state, live, used, generation, busy }: VictimRegions): number {
  let oldest = -1
  let deadest = -1
  let mostDead = DEAD_ENOUGH
  for (let region = 0; region < count; region++) {
    if (state[region] !== SEALED || busy(region)) continue
    const dead = 1 - live[region] / used[region]
    if (dead > mostDead || (dead === mostDead && isOlder(region, deadest, generation))) {
      mostDead = dead
      deadest = region
    }
    if (isOlder(region, oldest, generation)) oldest = region
  }
  return deadest !== -1 ? deadest : oldest
}

function isOlder(region: number, than: number, generation: Float64Array): boolean {
  return than === -1 || generation[region] < generation[than]
}

/**
 * The ids of the entries to write anew instead of giving them up, at most `maxBlocks` of blocks in all.
 *
 * Heads that are needed come first: they are small, and losing them loses all slices that are found through them. Then
 * what was hit. Among equals those with the fewest blocks: an entry is worth the hits it may get again, so most of them
 * fit. What was neither hit nor is needed has had its time on the disk, and goes.
 */
export function chooseCarried(entries: readonly Carriable[], maxBlocks: number): number[] {
  const wanted = entries.filter((entry) => worthOf(entry) > 0)
  wanted.sort((a, b) => worthOf(b) - worthOf(a) || a.blocks - b.blocks)
  const ids: number[] = []
  let room = maxBlocks
  for (const { id, blocks } of wanted) {
    if (blocks > room) continue
    room -= blocks
    ids.push(id)
  }
  return ids
}

function worthOf({ isHeads, needed, wasHit }: Carriable): number {
  if (isHeads && needed) return wasHit ? 3 : 2
  return wasHit ? 1 : 0
}
