import type { Head } from '../../semantics/types.ts'
import { HEADS } from '../entry-index.ts'
import type { StoreLog } from '../log.ts'
import { createArena } from '../slabs.ts'
import type { SliceStore } from '../store.ts'
import { orAborted } from '../turns.ts'
import { type Content, createEntries } from './entries.ts'
import { prepareDirectory } from './open.ts'
import { objectOf } from './paths.ts'

export interface FileStoreOptions {
  /** Cache directory; made when it is missing. Files in it that are not the store's are left alone. */
  dir: string
  /** Most bytes that the entries may take on the disk, each rounded up to 4 KiB. */
  maxBytes: number
  /** Most bytes of entries that wait to be written or are being written; default 16 MiB. */
  queueBytes?: number
  /**
   * Writes at once; default 12. Of three cold transfers of 1 GiB as fast as the machine could, 4 at once lost a third of
   * the slices to a full queue of 32 MiB, 12 lost one in two thousand with half that queue. The server sets
   * UV_THREADPOOL_SIZE to 16; with Node's own 4 threads more than 4 cannot be under way.
   */
  concurrency?: number
  /**
   * Bytes of memory that slices are read into and lent from until their client has taken them; default 64 MiB. When that is out,
   * a slice gets memory of its own.
   */
  readBytes?: number
  /** Memory that was given back is overwritten: for tests. */
  poison?: boolean
  /** Told of what an operator wants to know: recovery finished, writing paused. */
  log?: StoreLog
}

const MIB = 1024 * 1024

export interface FileStore extends SliceStore {
  /** Resolves when what earlier runs left is in the index; lookups find it before that, too. */
  readonly recovered: Promise<void>
}

/**
 * A store of one file an entry, in a directory of any file system.
 * Rejects with one plain sentence when the directory cannot be used; after that, no failure of the disk is an error.
 */
export async function createFileStore(options: FileStoreOptions): Promise<FileStore> {
  const { dir, maxBytes, queueBytes = 16 * MIB, concurrency = 12, log } = options
  const { readBytes = 64 * MIB, poison = false } = options
  await prepareDirectory(dir)
  const lent = createArena(readBytes).slab(readBytes, { poison })
  const entries = createEntries({ dir, maxBytes, queueBytes, concurrency, lent, log })
  const recovered = entries.recover()

  return {
    name: 'l2',
    recovered,

    getHeads(key) {
      const found = entries.get({ key, generation: HEADS, index: 0 }, objectOf(key))
      return found instanceof Promise ? found.then(headsOf) : headsOf(found)
    },

    putHeads(key, heads) {
      const object = objectOf(key)
      if (heads.length > 0) {
        const json = Buffer.from(JSON.stringify(heads))
        const slice = { length: json.length, segments: [json] }
        if (entries.put({ id: { key, generation: HEADS, index: 0 }, object, heads, slice })) return true
      }
      // Also when refused: an older list must not stay in place of this one.
      void entries.dropHeads(object)
      return heads.length === 0
    },

    getSlice(key, generation, sliceIndex) {
      const found = entries.get({ key, generation, index: sliceIndex }, objectOf(key))
      return found instanceof Promise ? found.then((each) => each?.slice) : found?.slice
    },

    hasSlice: (key, generation, sliceIndex) => entries.has(objectOf(key), generation, sliceIndex),

    putSlice(key, generation, sliceIndex, slice) {
      return entries.put({
        id: { key, generation, index: sliceIndex },
        object: objectOf(key),
        heads: undefined,
        slice,
      })
    },

    async eachHeads(visit, signal) {
      await orAborted(recovered, signal)
      return entries.eachHeads(visit, signal)
    },

    dropGeneration(key, generation) {
      entries.drop(objectOf(key), generation)
    },

    async drop(key) {
      const object = objectOf(key)
      const heads = entries.dropHeads(object)
      const slices = entries.drop(object)
      const hadHeads = await heads
      await Promise.all(slices)
      if (entries.isStuck(object))
        throw new Error('files could not be removed: the next start would find them')
      return slices.length + (hadHeads ? 1 : 0)
    },

    async clear() {
      const removed = await entries.clear()
      await recovered // it removes what the index did not know of
      await entries.flush()
      return removed
    },

    stats: entries.stats,
    flush: entries.flush,

    async close() {
      entries.close()
      await recovered
      await entries.flush()
    },
  }
}

function headsOf(found: Content | undefined): readonly Head[] | undefined {
  return found === undefined
    ? undefined
    : (found.heads ?? JSON.parse(Buffer.concat(found.slice.segments).toString()))
}
