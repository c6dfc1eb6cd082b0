import type { Slab } from '../slabs.ts'
import type { Catalog } from './catalog.ts'
import type { Device } from './device.ts'
import {
  CHUNK_BYTES,
  type ChunkKind,
  chunkLength,
  chunksOf,
  ENTRIES_A_CHUNK,
  eachEntry,
  eachRegion,
  openChunk,
  REGIONS_A_CHUNK,
} from './format/snapshot.ts'
import type { SnapshotPlace } from './format/superblock.ts'
import { type Geometry, roundUp } from './geometry.ts'
import { HEADS_NAME } from './index.ts'
import type { Purged } from './purged.ts'
import { OPEN, type Regions } from './regions.ts'

/** The regions as they were when the snapshot was begun. */
export interface RegionTable {
  state: Uint8Array
  used: Uint32Array
  generation: Float64Array
}

export interface SnapshotSource {
  device: Device
  geometry: Geometry
  regions: Regions
  catalog: Catalog
  memory: Slab
  salt: number
}

/**
 * Reads a snapshot into the index: all of it, or undefined at the first doubt, with a part of it in the index.
 * @param isSame whether a region still is what it was then; the entries of others are left out
 */
export async function readSnapshot(
  { device, geometry, regions, catalog, memory, salt }: SnapshotSource,
  place: SnapshotPlace,
  purged: Purged,
  isSame: (table: RegionTable, region: number) => boolean,
): Promise<RegionTable | undefined> {
  const { count, blocksPerRegion } = regions
  if (place.chunks !== chunksOf(count, place.entries) || place.entries > geometry.capacity) return undefined
  const table: RegionTable = {
    state: new Uint8Array(count),
    used: new Uint32Array(count),
    generation: new Float64Array(count),
  }
  const chunk = await memory.wait(CHUNK_BYTES)
  let position = geometry.snapshots[place.area].offset
  let number = 0

  async function next(kind: ChunkKind, records: number): Promise<boolean> {
    const padded = roundUp(chunkLength(kind, records), geometry.align)
    await device.read(chunk.subarray(0, padded), position)
    position += padded
    return openChunk(chunk, { sequence: place.sequence, number: number++, kind }, salt) === records
  }

  try {
    for (let first = 0; first < count; first += REGIONS_A_CHUNK) {
      const records = Math.min(REGIONS_A_CHUNK, count - first)
      if (!(await next('regions', records))) return undefined
      let region = first
      let makesSense = true
      const isWhole = eachRegion(chunk, records, (state, used, generation) => {
        if (state > 2 || used > blocksPerRegion) makesSense = false
        table.state[region] = state
        table.used[region] = used
        table.generation[region] = generation
        region++
      })
      if (!isWhole || !makesSense) return undefined
    }
    if (table.state.filter((state) => state === OPEN).length > 1) return undefined
    const trusted = Uint8Array.from({ length: count }, (_, region) => Number(isSame(table, region)))
    for (let first = 0; first < place.entries; first += ENTRIES_A_CHUNK) {
      const records = Math.min(ENTRIES_A_CHUNK, place.entries - first)
      if (!(await next('entries', records))) return undefined
      eachEntry(chunk, records, (objectLow, objectHigh, generation, index, block, blocks, flags, expires) => {
        const region = Math.floor(block / blocksPerRegion)
        if (trusted[region] !== 1 || blocks === 0 || (block % blocksPerRegion) + blocks > blocksPerRegion)
          return
        if (purged.has(objectLow, objectHigh, generation === HEADS_NAME, place.sequence)) return
        catalog.restore({ objectLow, objectHigh, generation, index, block, blocks, flags, expires })
      })
    }
    return table
  } catch {
    return undefined
  } finally {
    memory.give(chunk)
  }
}
