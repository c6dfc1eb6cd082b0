import type { Catalog } from './catalog.ts'
import type { Checkpoints } from './checkpoint.ts'
import type { Compressor } from './compression.ts'
import type { Entries } from './entries.ts'
import type { RawDiskFigures } from './figures.ts'
import type { Guard } from './guard.ts'
import type { Slab } from './memory.ts'
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
  own: Pick<RawDiskFigures, 'blockSize' | 'recovering' | 'selfTestFailures'>,
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
    deviceBytesRead: guard.bytesRead,
    deviceBytesWritten: guard.bytesWritten,
    readErrors: guard.readErrors,
    writeErrors: guard.writeErrors,
    corrupt: counts.corrupt,
    reclaimRuns: reclaim.runs,
    reclaimedBytes: reclaim.bytes,
    carriedEntries: reclaim.carriedEntries,
    carriedBytes: reclaim.carriedBytes,
    evictedEntries: reclaim.evictedEntries,
    expiredEntries: catalog.expiredEntries,
    zeroCopyBytes: reads.zeroCopyBytes,
    copiedBytes: reads.copiedBytes,
    partReads: reads.partReads,
    lentBytes: parts.lent.usedBytes(),
    compressedSlices: packed?.slices ?? 0,
    compressionBytesIn: packed?.bytesIn ?? 0,
    compressionBytesOut: packed?.bytesOut ?? 0,
    incompressibleSlices: packed?.incompressible ?? 0,
    prefetchedSlices: ahead.slices,
    prefetchUsed: ahead.used,
    prefetchWasted: ahead.wasted,
    admissionRefused: counts.admissionRefused,
    checkpoints: parts.checkpoints.runs,
    checkpointSeconds: parts.checkpoints.seconds,
    purgeRecords: parts.purges.records,
  }
}
