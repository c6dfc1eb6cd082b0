import type { FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import { DEFAULT_SLICE } from '../lib/slices/arithmetic.ts'
import { openRawDisk } from '../lib/stores/raw-disk/open.ts'
import { createRawDiskStore, type RawDiskStore } from '../lib/stores/raw-disk/store.ts'
import { openOrWait } from '../lib/stores/raw-disk/takeover.ts'
import './decorators.ts'

export interface L2RawDiskOptions {
  /**
   * A file or a block device. A file that is missing or empty is preallocated, which may take minutes: Fastify gives a plugin
   * 10 s unless its `pluginTimeout` says otherwise (0: as long as it takes).
   */
  devicePath: string
  /** Bytes of it that are used. Default 10 GiB. Another size than before starts empty. */
  totalSize?: number
  /** Alignment and accounting unit in bytes, a power of two from 512 to 1 MiB. Default 4096. Another one starts empty. */
  blockSize?: number
  /** Most bytes of a slice: what `streaming-proxy` and `route-cache` have as theirs. Default 1 MiB. */
  sliceSize?: number
  /** Go around the page cache (O_DIRECT); where that cannot be, it is logged and done without. Default true. */
  directIo?: boolean
  /** Compress slices of compressible types where that saves a tenth. Default true. */
  compression?: boolean
  /** Read ahead of responses that take slices in order. Default true. */
  prefetch?: boolean
  /** Send from the memory that was read into. Default true. */
  zeroCopy?: boolean
  /** Store what is asked for the second time only. Default false. */
  secondHitAdmission?: boolean
  /** Take the device even if it holds something else, which is lost. Default false: refuse. */
  format?: boolean
  /**
   * Where purges by prefix, tag and all are kept over restarts. Default: beside the file, its name with `.bans`; of a block
   * device there is none, and what has tags is validated once after a restart.
   */
  bansFile?: string
  /**
   * While another process has the device, start without it, take it over when that one lets go, and find and store nothing
   * there until then: for a new process that serves while the old one drains. Default false: refuse.
   */
  waitForOwner?: boolean
  /** Compare all counts with the index every 10 s; what does not agree is logged and counted. Default false. */
  selfTest?: boolean
}

/** Milliseconds between two self-tests. */
const SELF_TEST_INTERVAL = 10_000

/** Rejects with one sentence when the device cannot be had; then nothing of it was overwritten. */
const l2RawDisk: FastifyPluginAsync<L2RawDiskOptions> = async (fastify, options) => {
  const { log } = fastify
  const { devicePath: path, blockSize = 4096, waitForOwner = false, selfTest = false } = options
  const { compression, prefetch, zeroCopy, secondHitAdmission } = options
  const switches = { compression, prefetch, zeroCopy, secondHitAdmission }
  const selfTestMs = selfTest ? SELF_TEST_INTERVAL : 0

  async function open(): Promise<RawDiskStore> {
    const opened = await openRawDisk({
      path,
      totalSize: options.totalSize ?? 10 * 1024 ** 3,
      blockSize,
      sliceSize: options.sliceSize ?? DEFAULT_SLICE,
      directIo: options.directIo ?? true,
      format: options.format ?? false,
      log,
    })
    return createRawDiskStore({ ...opened, ...switches, selfTestMs, log }).catch(async (error) => {
      await opened.device.close()
      throw error
    })
  }

  const store = waitForOwner ? await openOrWait({ path, blockSize, open, log }) : await open()
  fastify.decorate('l2', store)
  fastify.decorate('bansFile', options.bansFile ?? beside(options.devicePath))
  fastify.decorate('rawDisk', { figures: store.figures, map: store.map })
  fastify.addHook('onClose', () => store.close())
}

function beside(devicePath: string): string | null {
  return devicePath.startsWith('/dev/') ? null : `${devicePath}.bans`
}

/** The disk tier in one file or block device, as `fastify.l2`. Register it before `streaming-proxy`. */
export default fp(l2RawDisk, { fastify: '5.x', name: 'slicestream-l2-rawdisk' })
