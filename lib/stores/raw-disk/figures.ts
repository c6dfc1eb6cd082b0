/** What the raw disk tells of itself beside the figures that all stores have. Counters never fall. */
export interface RawDiskFigures {
  /** Whether O_DIRECT is in use. */
  direct: boolean
  /** Nothing is read or written because the device failed too often. */
  offline: boolean
  /** Another process has the device: until that one lets go nothing is known of it. */
  waiting: boolean
  /** The index is not complete yet: what an earlier life left may be a miss, and puts are refused. */
  recovering: boolean

  /** Bytes of a block. */
  blockSize: number
  /** Every block of the regions is one of live, dead, clean and open: the four sum up to the total. */
  totalBlocks: number
  /** Held by entries of the index, or reserved for entries that are being written. */
  liveBlocks: number
  /** Superseded, purged, expired, evicted, failed, and what headers, footers and the ends of regions take. */
  deadBlocks: number
  /** In regions that hold nothing. */
  cleanBlocks: number
  /** Not yet written ones of the region that is being filled. */
  openBlocks: number
  regions: number
  cleanRegions: number
  /** Heads and slices in the index. */
  entries: number
  /** Memory of the index in bytes. */
  indexBytes: number
  /** Bytes between the ends of live entries and of their last blocks. */
  paddingBytes: number

  lookups: number
  hits: number
  stores: number
  removes: number
  /** Bytes read from and written to the device, metadata included. */
  deviceBytesRead: number
  deviceBytesWritten: number
  readErrors: number
  writeErrors: number
  corrupt: number

  reclaimRuns: number
  /** Bytes of the regions that were made clean. */
  reclaimedBytes: number
  carriedEntries: number
  carriedBytes: number
  evictedEntries: number
  expiredEntries: number

  /** Payload bytes that were lent as they were read, and those that were copied. */
  zeroCopyBytes: number
  copiedBytes: number
  /** Reads of a part of a slice. */
  partReads: number
  /** Aligned memory in use for reads, in bytes. */
  lentBytes: number

  compressedSlices: number
  compressionBytesIn: number
  compressionBytesOut: number
  /** Slices that were tried and not made smaller enough. */
  incompressibleSlices: number

  /** Slices read ahead, those of them that were asked for, and those that nobody wanted any more. */
  prefetchedSlices: number
  prefetchUsed: number
  prefetchWasted: number

  /** Puts that the second-hit filter held back. */
  admissionRefused: number

  checkpoints: number
  /** Seconds that checkpoints took, together. */
  checkpointSeconds: number
  purgeRecords: number
  /** How often the counts did not agree with the index. */
  selfTestFailures: number
}

/** Of a raw disk that has done nothing, and of which nothing is known. */
export function emptyFigures(blockSize: number): RawDiskFigures {
  return {
    direct: false,
    offline: false,
    waiting: false,
    recovering: false,
    blockSize,
    totalBlocks: 0,
    liveBlocks: 0,
    deadBlocks: 0,
    cleanBlocks: 0,
    openBlocks: 0,
    regions: 0,
    cleanRegions: 0,
    entries: 0,
    indexBytes: 0,
    paddingBytes: 0,
    lookups: 0,
    hits: 0,
    stores: 0,
    removes: 0,
    deviceBytesRead: 0,
    deviceBytesWritten: 0,
    readErrors: 0,
    writeErrors: 0,
    corrupt: 0,
    reclaimRuns: 0,
    reclaimedBytes: 0,
    carriedEntries: 0,
    carriedBytes: 0,
    evictedEntries: 0,
    expiredEntries: 0,
    zeroCopyBytes: 0,
    copiedBytes: 0,
    partReads: 0,
    lentBytes: 0,
    compressedSlices: 0,
    compressionBytesIn: 0,
    compressionBytesOut: 0,
    incompressibleSlices: 0,
    prefetchedSlices: 0,
    prefetchUsed: 0,
    prefetchWasted: 0,
    admissionRefused: 0,
    checkpoints: 0,
    checkpointSeconds: 0,
    purgeRecords: 0,
    selfTestFailures: 0,
  }
}
