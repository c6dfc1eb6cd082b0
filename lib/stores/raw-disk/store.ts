import { randomBytes } from 'node:crypto'
import type { StoreLog } from '../log.ts'
import { createArena } from '../slabs.ts'
import { emptyStats } from '../stats.ts'
import type { SliceStore } from '../store.ts'
import { orAborted } from '../turns.ts'
import { createAdmission } from './admission.ts'
import { createCatalog } from './catalog.ts'
import { createCheckpoints } from './checkpoint.ts'
import { createCompressor } from './compression.ts'
import { createContents } from './contents.ts'
import type { Device } from './device.ts'
import { createEntries } from './entries.ts'
import type { RawDiskFigures } from './figures.ts'
import { saltOf } from './format/crc.ts'
import { footerLength } from './format/footer.ts'
import type { Superblock } from './format/superblock.ts'
import { gatherFigures } from './gather-figures.ts'
import { type Geometry, roundUp } from './geometry.ts'
import { createGuard } from './guard.ts'
import { createPurgeLog, type FoundPurges, readPurges } from './purge-log.ts'
import { createPurges } from './purges.ts'
import { createReads } from './reads.ts'
import { createReclaim } from './reclaim.ts'
import { forgetAll, recover } from './recovery.ts'
import { mapRegions, type RegionMap } from './region-map.ts'
import { createRegions } from './regions.ts'
import { selfTest } from './self-test.ts'
import { createReadAhead } from './sequence.ts'
import { createSuperblocks, probe } from './superblocks.ts'
import { createWriter } from './writer.ts'

export interface RawDiskStoreOptions {
  device: Device
  geometry: Geometry
  /** As it was found or made on the device. */
  superblock: Superblock
  /** Lend the memory that was read into, instead of copying from it. Default true. */
  zeroCopy?: boolean
  /** Read ahead of responses that read one slice after the other. Default true. */
  prefetch?: boolean
  /** Pack slices of types that are worth it. Default true. */
  compression?: boolean
  /** Write only what is put for the second time. Default false. */
  secondHitAdmission?: boolean
  /** Most bytes of puts that wait or are being written; default 32 MiB. */
  queueBytes?: number
  /** Most bytes of memory that readers may keep at once; default 64 MiB. */
  readBytes?: number
  /** Milliseconds between two checkpoints of the index, where something changed; default 600,000. */
  checkpointMs?: number
  /** Milliseconds after which a device that failed is tried again; default 60,000. */
  retryMs?: number
  /** Milliseconds between two self-tests; default 0: none. Meant for debugging. */
  selfTestMs?: number
  /** Overwrite memory as it is given back (for tests). */
  poison?: boolean
  log?: StoreLog
}

export interface RawDiskStore extends SliceStore {
  /** Resolves when what earlier lives left is in the index. Until then gets are misses and puts are refused. */
  readonly recovered: Promise<void>
  figures(): RawDiskFigures
  /** How full the regions are, in so many cells at most. */
  map(maxCells: number): RegionMap
  /** What does not agree in the counts of blocks and entries; empty: all is well. */
  selfTest(): string[]
  /** Writes the index to the device now. Resolves to whether it was written. */
  checkpoint(): Promise<boolean>
  /** Resolves when as many regions are clean as should be. */
  reclaimed(): Promise<void>
}

/** Numbers that a life may use before it writes down where it is: after a crash the next one begins behind them. */
const RESERVED = 2 ** 32
/** What is known of the purges when their log cannot be read. */
const UNKNOWN: FoundPurges = { records: [], after: null, damaged: 1 }
/** Bytes that all slices read ahead take together at most, as a share of what readers may keep. */
const AHEAD_SHARE = 0.5
const MIB = 1024 * 1024

/**
 * A store on one device or file, laid out as a log of regions (docs/raw-disk-format.md). Rejects with the device's error
 * when it cannot even be marked as in use; after that, no failure of the device is an error.
 */
export async function createRawDiskStore(options: RawDiskStoreOptions): Promise<RawDiskStore> {
  const { geometry, log, zeroCopy = true, prefetch = true, compression = true } = options
  const { queueBytes = 32 * MIB, readBytes = 64 * MIB, checkpointMs = 600_000, retryMs = 60_000 } = options
  const { poison = false, selfTestMs = 0, secondHitAdmission = false } = options
  const { align, blockSize, regionSize } = geometry
  const maxEntryBytes = regionSize - align - roundUp(footerLength(1), align)

  const sizes = {
    meta: 4 * MIB + 2 * align,
    writes: 2 * regionSize + 8 * MIB,
    transient: regionSize + 16 * MIB,
  }
  const arena = createArena(sizes.meta + sizes.writes + sizes.transient + readBytes)
  const meta = arena.slab(sizes.meta, { poison })
  const writes = arena.slab(sizes.writes, { poison })
  const transient = arena.slab(sizes.transient, { poison })
  const lent = arena.slab(readBytes, { poison })

  const guard = createGuard({
    device: options.device,
    retryMs,
    probe: (device) => probe(device, geometry, meta, superblocks.current),
    onBack() {
      purges.retry()
      reclaim.wake()
    },
    log,
  })
  const found: FoundPurges = await readPurges({
    device: guard,
    geometry,
    salt: saltOf(options.superblock.uuid),
    memory: meta,
    since: options.superblock.snapshot?.sequence ?? 0,
  }).catch(() => UNKNOWN)
  const superblock = found.damaged > 0 ? startOver(options.superblock) : options.superblock
  if (found.damaged > 0) {
    log?.warn(
      { path: guard.path },
      'the purge log is damaged, what was purged is not known: the raw disk starts empty',
    )
  }
  const salt = saltOf(superblock.uuid)
  let sequence = superblock.sequence + (superblock.clean ? 0 : RESERVED)
  const nextSequence = (): number => sequence++
  const superblocks = createSuperblocks(guard, geometry, meta, superblock)
  await superblocks.write({ clean: false, sequence })

  const unexpected = (error: unknown): void => {
    log?.warn({ err: error, path: guard.path }, 'a mistake in the raw-disk store')
  }
  const purgeLog = createPurgeLog({
    device: guard,
    geometry,
    salt,
    memory: meta,
    after: found.after,
    onFull: () => void checkpoint(),
  })
  const purges = createPurges(purgeLog)
  const regions = createRegions(geometry)
  const catalog = createCatalog(geometry, regions, () => writer, superblock.snapshot?.entries ?? 0)
  const writer = createWriter({
    device: guard,
    geometry,
    regions,
    memory: writes,
    salt,
    nextSequence,
    onNoRoom: () => reclaim.wake(),
    onOpened: () => reclaim.wake(),
  })
  const reads = createReads({ device: guard, geometry, salt, transient, lent: zeroCopy ? lent : undefined })
  const compressor = compression ? createCompressor() : undefined
  const entries = createEntries({
    catalog,
    regions,
    writer,
    reads,
    purges,
    guard,
    compressor,
    admission: secondHitAdmission ? createAdmission() : undefined,
    nextSequence,
    queueBytes,
    maxEntryBytes,
    onCrowded: () => reclaim.wake(),
  })
  const reclaim = createReclaim({
    device: guard,
    geometry,
    regions,
    catalog,
    reads,
    writer,
    memory: meta,
    salt,
    onError: unexpected,
  })
  const checkpoints = createCheckpoints({
    device: guard,
    geometry,
    regions,
    catalog,
    purgeLog,
    writer,
    superblocks,
    memory: meta,
    salt,
    nextSequence,
    hadPurges: () => found.records.length > 0 || purges.records > 0,
  })
  const sliceBytes = Math.min(maxEntryBytes, regionSize / 4)
  const readAhead = createReadAhead({ maxBytes: prefetch ? readBytes * AHEAD_SHARE : 0, sliceBytes })

  let checkpointed = 0
  let selfTestFailures = 0
  let closing = false

  async function checkpoint(): Promise<boolean> {
    // A snapshot of half an index would be the truth for all that recovery has not found yet.
    await recovered
    checkpointed = changes()
    return checkpoints.run(false)
  }

  function changes(): number {
    const { stores, removes } = entries.counts
    return stores + removes + purges.records + reclaim.counts.reclaimRuns
  }

  async function recoverAll(): Promise<void> {
    const sources = { device: guard, geometry, regions, catalog, memory: transient, salt }
    const contents = createContents(guard, geometry, transient, salt)
    try {
      const resumable = await recover({ ...sources, contents, superblock, purges: found, log })
      if (resumable !== undefined) writer.resume(resumable.region, resumable.records)
    } catch (error) {
      unexpected(error)
      forgetAll(regions, catalog)
    }
    entries.opened()
    reclaim.start()
    // So that the next crash has less to gather.
    if (!closing && !superblock.clean && catalog.index.count > 0) void checkpoint()
  }

  const recovered = recoverAll()
  const timers = [
    setInterval(() => {
      if (changes() !== checkpointed) void checkpoint()
    }, checkpointMs).unref(),
  ]
  if (selfTestMs > 0) timers.push(setInterval(testSelf, selfTestMs).unref())

  function testSelf(): string[] {
    const wrong = selfTest(regions, catalog, writer)
    if (wrong.length > 0) {
      selfTestFailures++
      log?.warn({ path: guard.path, wrong: wrong.slice(0, 10) }, 'the counts of the raw disk do not agree')
    }
    return wrong
  }

  return {
    name: 'l2',
    readsParts: true,
    recovered,

    getHeads: entries.heads,
    putHeads: entries.putHeads,
    getSlice: entries.slice,
    hasSlice: entries.has,
    putSlice: entries.put,
    async eachHeads(visit, signal) {
      await orAborted(recovered, signal)
      const visited = await entries.eachHeads(visit, signal)
      // What is owed to the purge log comes back with a crash.
      return visited && !purges.isOwing
    },
    dropGeneration: entries.dropGeneration,
    drop: entries.drop,
    async clear() {
      const removed = await entries.clear()
      reclaim.wake()
      return removed
    },

    openSequence: prefetch
      ? (key, generation, last) =>
          readAhead.open({
            read: (index, part) => entries.slice(key, generation, index, part),
            has: (index) => entries.has(key, generation, index),
            last,
          })
      : undefined,

    stats() {
      const { counts, pending } = entries
      const live = regions.blocks().live * blockSize
      return {
        ...emptyStats(regions.count * regionSize),
        entries: catalog.index.count + pending.count(),
        bytes: live,
        pendingBytes: pending.bytes(),
        stores: counts.stores,
        lookups: counts.lookups,
        hits: counts.hits,
        removes: counts.removes,
        evictions: reclaim.counts.evictedEntries,
        refused: counts.refused + counts.admissionRefused,
        readBytes: counts.readBytes,
        writtenBytes: counts.writtenBytes,
        readErrors: guard.counts.readErrors,
        writeErrors: guard.counts.writeErrors,
        corrupt: counts.corrupt,
      }
    },

    figures: () =>
      gatherFigures(
        {
          guard,
          regions,
          catalog,
          entries,
          writer,
          reads,
          lent,
          reclaim,
          compressor,
          readAhead,
          checkpoints,
          purges,
        },
        { blockSize, selfTestFailures },
      ),
    map: (maxCells) => mapRegions(regions, maxCells),
    selfTest: testSelf,
    checkpoint,
    reclaimed: () => reclaim.rest(),
    async flush() {
      await entries.pending.flush()
      await purges.flush()
    },

    async close() {
      if (closing) return
      closing = true
      for (const timer of timers) clearInterval(timer)
      await recovered
      entries.closed()
      // What was accepted may need the room that reclaim makes.
      await entries.pending.flush()
      await reclaim.close()
      await writer.flush()
      purges.retry()
      await purges.flush()
      purges.close()
      await checkpoints.run(true)
      await purgeLog.close()
      await regions.allIdle()
      await guard.close()
    },
  }
}

/** Under another uuid nothing that was written before is valid any more. */
function startOver(superblock: Superblock): Superblock {
  return { ...superblock, uuid: randomBytes(16), clean: false, snapshot: null, forgotten: 0 }
}
