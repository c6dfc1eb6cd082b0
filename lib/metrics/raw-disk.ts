import type { RawDiskFigures } from '../stores/raw-disk/figures.ts'
import { type Family, readers } from './family.ts'

/** What a raw disk tells beside the figures that every store has (`cache_l2_…`). */
export function rawDiskFamilies(figures: () => RawDiskFigures): Family[] {
  return [
    ...spaceFamilies(figures),
    ...operationFamilies(figures),
    ...stateFamilies(figures),
    ...reclaimFamilies(figures),
    ...readFamilies(figures),
    ...writeFamilies(figures),
  ]
}

/** Share of the occupied blocks that holds nothing useful, 0 to 1; 0 while nothing is occupied. */
export function fragmentation({
  liveBlocks,
  deadBlocks,
}: Pick<RawDiskFigures, 'liveBlocks' | 'deadBlocks'>): number {
  return share(deadBlocks, liveBlocks + deadBlocks)
}

function share(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole
}

function spaceFamilies(figures: () => RawDiskFigures): Family[] {
  const { gauge } = readers(figures)
  return [
    gauge('raw_disk_total_blocks', 'Blocks of all regions: live + dead + clean + open', (f) => f.totalBlocks),
    gauge('raw_disk_used_blocks', 'Live and dead blocks', (f) => f.liveBlocks + f.deadBlocks),
    gauge('raw_disk_free_blocks', 'Clean and open blocks', (f) => f.cleanBlocks + f.openBlocks),
    gauge('raw_disk_live_blocks', 'Blocks of entries that can be found', (f) => f.liveBlocks),
    gauge(
      'raw_disk_dead_blocks',
      'Blocks that wait for reclaim: replaced, purged, expired, evicted, metadata',
      (f) => f.deadBlocks,
    ),
    gauge('raw_disk_clean_blocks', 'Blocks of regions that hold nothing', (f) => f.cleanBlocks),
    gauge('raw_disk_open_blocks', 'Blocks not yet written of the region being filled', (f) => f.openBlocks),
    gauge('raw_disk_block_size_bytes', 'Bytes of a block', (f) => f.blockSize),
    gauge('raw_disk_regions', 'Regions', (f) => f.regions),
    gauge('raw_disk_clean_regions', 'Regions that hold nothing', (f) => f.cleanRegions),
    gauge(
      'raw_disk_fragmentation_rate',
      'Dead blocks as a share of the used ones, 0 to 1 (1 - live/used)',
      fragmentation,
    ),
    gauge(
      'raw_disk_padding_bytes',
      'Bytes between the ends of entries and of their last blocks, since the start',
      (f) => f.paddingBytes,
    ),
    gauge('raw_disk_cache_entries', 'Heads and slices in the index', (f) => f.entries),
    gauge('raw_disk_index_bytes', 'Memory of the index', (f) => f.indexBytes),
  ]
}

function operationFamilies(figures: () => RawDiskFigures): Family[] {
  const { counter, gauge } = readers(figures)
  return [
    gauge('raw_disk_hit_rate', 'Look-ups that found their entry, 0 to 1', (f) => share(f.hits, f.lookups)),
    counter('raw_disk_cache_store_operations_total', 'Entries stored', (f) => f.stores),
    counter('raw_disk_cache_lookup_operations_total', 'Look-ups', (f) => f.lookups),
    counter('raw_disk_cache_remove_operations_total', 'Entries removed', (f) => f.removes),
    counter('raw_disk_read_bytes_total', 'Bytes read from the device', (f) => f.deviceBytesRead),
    counter('raw_disk_written_bytes_total', 'Bytes written to the device', (f) => f.deviceBytesWritten),
    {
      name: 'raw_disk_io_errors_total',
      help: 'Reads and writes that the device failed',
      type: 'counter',
      labelNames: ['kind'],
      read() {
        const { readErrors, writeErrors } = figures()
        return [
          { labels: { kind: 'read' }, value: readErrors },
          { labels: { kind: 'write' }, value: writeErrors },
        ]
      },
    },
    counter('raw_disk_corrupt_entries_total', 'Entries found damaged and removed', (f) => f.corrupt),
  ]
}

function stateFamilies(figures: () => RawDiskFigures): Family[] {
  const { counter, gauge } = readers(figures)
  return [
    gauge('raw_disk_direct_io', '1 while O_DIRECT is in use', (f) => Number(f.direct)),
    gauge('raw_disk_offline', '1 while the device is left alone because it failed', (f) => Number(f.offline)),
    gauge('raw_disk_waiting', '1 while another process still has the device', (f) => Number(f.waiting)),
    gauge('raw_disk_recovering', '1 until the index has been read', (f) => Number(f.recovering)),
    counter(
      'raw_disk_checkpoints_total',
      'Times that the index was written to the device',
      (f) => f.checkpoints,
    ),
    counter('raw_disk_checkpoint_seconds_total', 'Time that took', (f) => f.checkpointSeconds),
    counter('raw_disk_purge_records_total', 'Records written to the purge log', (f) => f.purgeRecords),
    counter(
      'raw_disk_self_test_failures_total',
      'Self-tests in which the counts did not agree',
      (f) => f.selfTestFailures,
    ),
  ]
}

function reclaimFamilies(figures: () => RawDiskFigures): Family[] {
  const { counter } = readers(figures)
  return [
    counter('raw_disk_reclaim_runs_total', 'Regions made clean', (f) => f.reclaimRuns),
    counter('raw_disk_reclaimed_bytes_total', 'Bytes of the regions made clean', (f) => f.reclaimedBytes),
    counter(
      'raw_disk_carried_entries_total',
      'Entries moved out of a region being reclaimed',
      (f) => f.carriedEntries,
    ),
    counter('raw_disk_carried_bytes_total', 'Bytes of those', (f) => f.carriedBytes),
    counter('raw_disk_evicted_entries_total', 'Entries given up with their region', (f) => f.evictedEntries),
    counter('raw_disk_expired_entries_total', 'Entries found expired and removed', (f) => f.expiredEntries),
  ]
}

function readFamilies(figures: () => RawDiskFigures): Family[] {
  const { counter, gauge } = readers(figures)
  return [
    counter('raw_disk_zero_copy_bytes_total', 'Payload bytes lent as they were read', (f) => f.zeroCopyBytes),
    counter('raw_disk_copied_bytes_total', 'Payload bytes copied after they were read', (f) => f.copiedBytes),
    gauge('raw_disk_lent_bytes', 'Aligned memory in use for reads', (f) => f.lentBytes),
    counter('raw_disk_part_reads_total', 'Reads of a part of a slice', (f) => f.partReads),
    counter('raw_disk_prefetched_slices_total', 'Slices read ahead', (f) => f.prefetchedSlices),
    counter('raw_disk_prefetch_used_total', 'Slices read ahead that were asked for', (f) => f.prefetchUsed),
    counter('raw_disk_prefetch_wasted_total', 'Slices read ahead for nothing', (f) => f.prefetchWasted),
  ]
}

function writeFamilies(figures: () => RawDiskFigures): Family[] {
  const { counter } = readers(figures)
  return [
    counter('raw_disk_compressed_slices_total', 'Slices stored compressed', (f) => f.compressedSlices),
    counter('raw_disk_compression_in_bytes_total', 'Bytes of those before', (f) => f.compressionBytesIn),
    counter('raw_disk_compression_out_bytes_total', 'Bytes of those after', (f) => f.compressionBytesOut),
    counter(
      'raw_disk_incompressible_slices_total',
      'Slices that compression did not make smaller enough',
      (f) => f.incompressibleSlices,
    ),
    counter(
      'raw_disk_admission_refused_total',
      'Entries not stored because they were asked for the first time',
      (f) => f.admissionRefused,
    ),
  ]
}
