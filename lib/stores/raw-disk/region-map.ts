import { CLEAN, OPEN, type Regions, SEALED } from './regions.ts'

/** The regions in the order of the device, so many of them to a cell that there are not too many cells. */
export interface RegionMap {
  regions: number
  /** Of the last cell maybe fewer. */
  regionsPerCell: number
  /** For each cell 0: all clean, 1: one is open, 2: sealed ones, maybe beside clean ones. */
  states: Uint8Array
  /** For each cell which share of its blocks is live, as 0 to 255. */
  live: Uint8Array
}

export function mapRegions({ count, blocksPerRegion, state, live }: Regions, maxCells: number): RegionMap {
  const regionsPerCell = Math.max(1, Math.ceil(count / maxCells))
  const cells = Math.ceil(count / regionsPerCell)
  const map = {
    regions: count,
    regionsPerCell,
    states: new Uint8Array(cells),
    live: new Uint8Array(cells),
  }
  for (let cell = 0; cell < cells; cell++) {
    const first = cell * regionsPerCell
    const end = Math.min(first + regionsPerCell, count)
    let blocks = 0
    let shown = CLEAN
    for (let region = first; region < end; region++) {
      blocks += live[region]
      if (state[region] === OPEN) shown = OPEN
      else if (state[region] === SEALED && shown === CLEAN) shown = SEALED
    }
    map.states[cell] = shown
    map.live[cell] = Math.round((255 * blocks) / ((end - first) * blocksPerRegion))
  }
  return map
}
