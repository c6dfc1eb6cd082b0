import type { Slab } from '../slabs.ts'
import type { Catalog } from './catalog.ts'
import type { Checkpoints } from './checkpoint.ts'
import type { Compressor } from './compression.ts'
import type { Entries } from './entries.ts'
import type { RawDiskFigures } from './figures.ts'
import type { Guard } from './guard.ts'
import type { Purges } from './purges.ts'
import type { Reads } from './reads.ts'
import type { Reclaim } from './reclaim.ts'
import type { Regions } from './regions.ts'
import type { ReadAhead } from './sequence.ts'
import type { Writer } from './writer.ts'

/** The parts of a store, each of which counts what it does. */
export interface Parts {
  guard: Guard
  regions: Regions
  catalog: Catalog
  entries: Entries
  writer: Writer
  reads: Reads
  lent: Slab
  reclaim: Reclaim
  compressor: Compressor | undefined
  readAhead: ReadAhead
  checkpoints: Checkpoints
  purges: Purges
}

export function gatherFigures(
  parts: Parts,
  own: Pick<RawDiskFigures, 'blockSize' | 'selfTestFailures'>,
): RawDiskFigures {
  const { guard, regions, catalog, writer, reads, reclaim } = parts
  const { counts } = parts.entries
  const blocks = regions.blocks()
  const packed = parts.compressor?.figures()
  const ahead = parts.readAhead.figures()
  return {
    ...own,
    direct: guard.direct,
    offline: guard.offline,
    waiting: false,
    recovering: parts.entries.isRecovering,
    totalBlocks: regions.count * regions.blocksPerRegion,
    liveBlocks: blocks.live,
    deadBlocks: blocks.dead,
    cleanBlocks: blocks.clean,
    openBlocks: blocks.open,
    regions: regions.count,
    cleanRegions: regions.cleanCount(),
    entries: catalog.index.count,
    indexBytes: catalog.index.bytes(),
    paddingBytes: writer.paddingBytes,
    lookups: counts.lookups,
    hits: counts.hits,
    stores: counts.stores,
    removes: counts.removes,
    ...guard.counts,
    corrupt: counts.corrupt,
    ...reclaim.counts,
    expiredEntries: catalog.expiredEntries,
    ...reads.counts,
    lentBytes: parts.lent.usedBytes(),
    compressedSlices: packed?.slices ?? 0,
    compressionBytesIn: packed?.bytesIn ?? 0,
    compressionBytesOut: packed?.bytesOut ?? 0,
    incompressibleSlices: packed?.incompressible ?? 0,
    prefetchedSlices: ahead.slices,
    prefetchUsed: ahead.used,
    prefetchWasted: ahead.wasted,
    admissionRefused: counts.admissionRefused,
    ...parts.checkpoints.counts,
    purgeRecords: parts.purges.records,
  }
}
