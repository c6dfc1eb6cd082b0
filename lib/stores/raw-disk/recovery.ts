import type { StoreLog } from '../log.ts'
import type { Slab } from '../slabs.ts'
import type { Catalog } from './catalog.ts'
import type { Contents } from './contents.ts'
import type { Device } from './device.ts'
import type { FooterRecord } from './format/footer.ts'
import type { RegionHeader } from './format/region.ts'
import type { SnapshotPlace, Superblock } from './format/superblock.ts'
import type { Geometry } from './geometry.ts'
import { HEADS_NAME } from './index.ts'
import type { FoundPurges } from './purge-log.ts'
import { createPurged, type Purged } from './purged.ts'
import { CLEAN, OPEN, type Regions, SEALED } from './regions.ts'
import { type RegionTable, readSnapshot } from './snapshot.ts'

export interface RecoveryOptions {
  device: Device
  geometry: Geometry
  regions: Regions
  catalog: Catalog
  contents: Contents
  memory: Slab
  salt: number
  superblock: Superblock
  purges: FoundPurges
  log?: StoreLog
}

/** The region that was open when the store was closed, and what is in it. */
export interface Resumable {
  region: number
  records: FooterRecord[]
}

/** Regions whose contents are read at once. */
const AT_ONCE = 8

/**
 * Fills the index with what an earlier life left.
 *
 * After a clean stop the snapshot says it all. Otherwise it is the truth for what it has seen; regions that were opened or
 * written to since tell what came later, in the order of their generations, and what comes later wins. Without a
 * usable snapshot every region is asked, and whatever is so old that the record of its purge may be gone is left out.
 *
 * @returns the region to go on in after a clean stop
 */
export async function recover(options: RecoveryOptions): Promise<Resumable | undefined> {
  const { catalog, regions, superblock, purges, log } = options
  const started = performance.now()
  const purged = createPurged(purges.records)
  const told = (from: string): void => {
    const ms = Math.round(performance.now() - started)
    log?.info({ path: options.device.path, entries: catalog.index.count, ms, from }, 'raw disk read')
  }
  if (superblock.clean && superblock.snapshot !== null) {
    const table = await readSnapshot(options, superblock.snapshot, purged, () => true)
    if (table !== undefined) {
      for (let region = 0; region < regions.count; region++)
        regions.restore(region, table.state[region], table.generation[region], table.used[region])
      told('snapshot')
      return resumable(options, superblock.snapshot)
    }
    log?.warn(
      { path: options.device.path },
      'the index on the raw disk is damaged: reading its regions instead',
    )
    forgetAll(regions, catalog)
  }
  await gather(options, purged)
  told('regions')
  return undefined
}

/** As if nothing had been found. What the regions hold counts as dead: reclaim makes them clean. */
export function forgetAll(regions: Regions, catalog: Catalog): void {
  catalog.clear()
  regions.live.fill(0)
  for (let region = 0; region < regions.count; region++) regions.restore(region, SEALED, 0, 0)
}

function resumable(
  { catalog, regions }: RecoveryOptions,
  { sequence }: SnapshotPlace,
): Resumable | undefined {
  const region = regions.state.indexOf(OPEN)
  if (region === -1) return undefined
  const { index } = catalog
  const records = index.ofRegion(region).map((id) => ({
    objectLow: index.objectLow(id),
    objectHigh: index.objectHigh(id),
    generation: index.generation(id),
    index: index.index(id),
    block: index.block(id),
    blocks: index.blocks(id),
    flags: index.flags(id),
    expires: index.expires(id),
    sequence,
  }))
  return { region, records: records.sort((a, b) => a.block - b.block) }
}

async function gather(options: RecoveryOptions, purged: Purged): Promise<void> {
  const { regions, superblock } = options
  const headers = await readHeaders(options)
  const isSame = (table: RegionTable, region: number): boolean => {
    const header = headers[region]
    return (
      header?.state === 'written' &&
      header.generation === table.generation[region] &&
      table.state[region] !== CLEAN
    )
  }
  let table: RegionTable | undefined
  if (superblock.snapshot !== null) {
    table = await readSnapshot(options, superblock.snapshot, purged, isSame)
    if (table === undefined) forgetAll(regions, options.catalog)
  }
  const since = table === undefined ? superblock.forgotten : superblock.snapshot!.sequence

  const toRead: number[] = []
  for (let region = 0; region < regions.count; region++) {
    const header = headers[region]
    if (header?.state !== 'written') {
      regions.restore(region, header === null ? SEALED : CLEAN, 0, 0)
      continue
    }
    regions.restore(region, SEALED, header.generation, 0)
    const wasSealed = table !== undefined && isSame(table, region) && table.state[region] === SEALED
    if (!wasSealed) toRead.push(region)
  }
  toRead.sort((a, b) => regions.generation[a] - regions.generation[b])
  await readRegions(options, toRead, (record) => {
    const isHeads = record.generation === HEADS_NAME
    return (
      record.sequence > since && !purged.has(record.objectLow, record.objectHigh, isHeads, record.sequence)
    )
  })
}

/** Null for what could not be read: such a region is not trusted, and not written to before it is made clean. */
async function readHeaders({
  contents,
  regions,
}: RecoveryOptions): Promise<(RegionHeader | undefined | null)[]> {
  const headers: (RegionHeader | undefined | null)[] = []
  for (let first = 0; first < regions.count; first += AT_ONCE) {
    const some = Array.from({ length: Math.min(AT_ONCE, regions.count - first) }, (_, at) => first + at)
    headers.push(...(await Promise.all(some.map((region) => contents.header(region).catch(() => null)))))
  }
  return headers
}

async function readRegions(
  { contents, regions, catalog }: RecoveryOptions,
  toRead: readonly number[],
  isValid: (record: FooterRecord) => boolean,
): Promise<void> {
  for (let first = 0; first < toRead.length; first += AT_ONCE) {
    const some = toRead.slice(first, first + AT_ONCE)
    const read = await Promise.all(
      some.map((region) => contents.records(region, regions.generation[region]).catch(() => [])),
    )
    for (const records of read) for (const record of records) if (isValid(record)) catalog.restore(record)
  }
}
