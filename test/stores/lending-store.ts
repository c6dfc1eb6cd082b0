import { createMemoryStore } from '../../lib/stores/memory.ts'
import { createReadAhead } from '../../lib/stores/raw-disk/sequence.ts'
import { MAX_SEGMENT, type Slice, type SlicePart, type SliceStore } from '../../lib/stores/store.ts'

/** What memory holds that was given back: whoever still reads it gets this. */
export const GIVEN_BACK = 0xdb

export interface LendingStore extends SliceStore {
  /** Bytes that are lent now, and the most that were at once. */
  readonly lentBytes: number
  readonly mostLentBytes: number
  /** Reads, by slice index and part, in the order in which they began. */
  readonly reads: { index: number; part: SlicePart | undefined }[]
  /** Called before each read answers; the read waits for it. */
  beforeRead: () => unknown
  /** Slices that are found no more. @param unnoticed `hasSlice` does not know */
  lose(isLost: (index: number) => boolean, unnoticed?: boolean): void
}

export interface LendingStoreOptions {
  /** Default false. */
  readsAhead?: boolean
  /** Of slices read ahead; default 4 MiB. */
  aheadBytes?: number
  /** Bytes of a segment; default 128 KiB. */
  segment?: number
}

/**
 * A disk in memory that lends what it reads, and overwrites each segment as soon as it is given back: what a client is sent
 * of it too early, or too late, shows in its bytes. Reads parts.
 */
export function createLendingStore(options: LendingStoreOptions = {}): LendingStore {
  const { readsAhead = false, aheadBytes = 4 * 1024 * 1024, segment = MAX_SEGMENT } = options
  const disk = createMemoryStore({ maxBytes: 1024 * 1024 * 1024 })
  const ahead = createReadAhead({ maxBytes: aheadBytes, sliceBytes: 1024 * 1024 })
  let isLost: (index: number) => boolean = () => false
  let lossIsKnown = true

  function lend(bytes: Buffer, from: number | undefined): Slice {
    const segments: Buffer[] = []
    for (let at = 0; at < bytes.length; at += segment) {
      // Not of the pool: a whole ArrayBuffer of its own would be adopted by a store in memory.
      segments.push(Buffer.from(bytes.subarray(at, at + segment)))
    }
    const isLent = segments.map(() => true)
    store.lentBytes += bytes.length
    store.mostLentBytes = Math.max(store.mostLentBytes, store.lentBytes)
    const release = (at: number) => {
      if (!isLent[at]) return
      isLent[at] = false
      store.lentBytes -= segments[at].length
      segments[at].fill(GIVEN_BACK)
    }
    return {
      length: bytes.length,
      segments,
      ...(from !== undefined && { from }),
      loan: {
        release,
        releaseAll() {
          for (let at = 0; at < segments.length; at++) release(at)
        },
      },
    }
  }

  async function read(key: string, generation: number, index: number, part?: SlicePart) {
    store.reads.push({ index, part })
    await store.beforeRead()
    await new Promise((resolve) => setImmediate(resolve))
    const slice = isLost(index) ? undefined : disk.getSlice(key, generation, index)
    if (slice === undefined) return undefined
    const bytes = Buffer.concat(slice.segments)
    return part ? lend(bytes.subarray(part.from, part.to), part.from) : lend(bytes, undefined)
  }

  const has = (key: string, generation: number, index: number) =>
    !(lossIsKnown && isLost(index)) && disk.hasSlice(key, generation, index)

  const store = {
    ...disk,
    name: 'l2',
    lentBytes: 0,
    mostLentBytes: 0,
    reads: [] as LendingStore['reads'],
    beforeRead: (): unknown => undefined,
    readsParts: true,
    getHeads: async (key: string) => disk.getHeads(key),
    getSlice: read,
    hasSlice: has,
    openSequence: readsAhead
      ? (key: string, generation: number, last: number) =>
          ahead.open({
            read: (index, part) => read(key, generation, index, part),
            has: (index) => has(key, generation, index),
            last,
          })
      : undefined,
    lose(lost: (index: number) => boolean, unnoticed = false) {
      isLost = lost
      lossIsKnown = !unnoticed
    },
  }
  return store
}
