import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import type { Device } from '../../../lib/stores/raw-disk/device.ts'
import { openRawDisk } from '../../../lib/stores/raw-disk/open.ts'
import {
  createRawDiskStore,
  type RawDiskStore,
  type RawDiskStoreOptions,
} from '../../../lib/stores/raw-disk/store.ts'
import { type Scope, tempDir } from '../../helpers/scope.ts'

export interface RawTierOptions extends Omit<RawDiskStoreOptions, 'device' | 'geometry' | 'superblock'> {
  totalSize: number
  sliceSize: number
  blockSize?: number
  /** Puts something between the store and the file. */
  around?: (device: Device) => Device
}

/** A raw disk on a real file as the disk tier of a proxy (`startProxy`), in place of the plugin: with what only tests may do. */
export interface RawTier {
  register(fastify: FastifyInstance): Promise<void>
  /** That of the present life. */
  readonly store: RawDiskStore
}

/** What a client may still see is never lent memory that was given back: such memory is overwritten at once (`poison`). */
export function rawTier(t: Scope, options: RawTierOptions): RawTier {
  const path = join(tempDir(t), 'raw')
  const { totalSize, sliceSize, blockSize = 4096, around = (device) => device, ...rest } = options
  let store: RawDiskStore | undefined
  return {
    async register(fastify) {
      const sizes = { totalSize, blockSize, sliceSize }
      const { device, ...opened } = await openRawDisk({ path, ...sizes, directIo: true, format: false })
      const mine = await createRawDiskStore({ device: around(device), ...opened, poison: true, ...rest })
      store = mine
      fastify.decorate('l2', mine)
      fastify.decorate('rawDisk', { figures: mine.figures, map: mine.map })
      fastify.addHook('onClose', () => mine.close())
    },
    get store() {
      return store!
    },
  }
}
