import { setTimeout as wait } from 'node:timers/promises'
import { codeOf } from '../file/files.ts'
import type { StoreLog } from '../log.ts'
import { emptyStats, sumStats } from '../stats.ts'
import { orAborted } from '../turns.ts'
import { emptyFigures } from './figures.ts'
import { createOwedPurges } from './owed-purges.ts'
import type { RawDiskStore } from './store.ts'

export interface TakeoverOptions {
  path: string
  /** Of the device, in bytes. */
  blockSize: number
  /** Opens the device. Rejects with the code `EBUSY` while another process has it. */
  open(): Promise<RawDiskStore>
  /** Milliseconds between attempts; default 250. */
  retryMs?: number
  /** The same once its owner has left the device and it cannot be used all the same; default 60,000. */
  failedRetryMs?: number
  log?: StoreLog
}

const NO_MAP = { regions: 0, regionsPerCell: 1, states: new Uint8Array(0), live: new Uint8Array(0) }

/**
 * Opens the raw disk; while another process has it, as the one before in a rolling restart does until its last request has
 * ended, there is a store at once that finds nothing and takes nothing. It becomes that of the device when the owner lets go.
 *
 * @throws what `open` rejects with, but for `EBUSY`
 */
export async function openOrWait(options: TakeoverOptions): Promise<RawDiskStore> {
  try {
    return await options.open()
  } catch (error) {
    if (codeOf(error) !== 'EBUSY') throw error
  }
  options.log?.warn(
    { path: options.path },
    'another process has the raw disk: nothing is found there or stored until it lets go',
  )
  return createWaitingStore(options)
}

function createWaitingStore(options: TakeoverOptions): RawDiskStore {
  const { path, blockSize, open, retryMs = 250, failedRetryMs = 60_000, log } = options
  const owed = createOwedPurges(() => {
    log?.warn({ path }, 'more is to be forgotten than can be remembered: the raw disk will start empty')
  })
  const own = emptyStats(0)
  const closing = new AbortController()
  const recovered = Promise.withResolvers<void>()
  let store: RawDiskStore | undefined
  let hasFailed = false

  async function takeOver(): Promise<void> {
    while (!closing.signal.aborted) {
      const pause = wait(hasFailed ? failedRetryMs : retryMs, undefined, {
        signal: closing.signal,
        ref: false,
      })
      await pause.catch(() => {})
      if (!closing.signal.aborted) await attempt()
      if (store !== undefined) return
    }
  }

  async function attempt(): Promise<void> {
    const started = Date.now()
    let opened: RawDiskStore
    try {
      opened = await open()
    } catch (error) {
      const isBusy = codeOf(error) === 'EBUSY'
      if (!isBusy && !hasFailed)
        log?.warn({ err: error, path }, 'the raw disk is free now and cannot be used')
      hasFailed = !isBusy
      return
    }
    // It may be recovering still, or have recovered: nothing is asked of it before it knows what to forget.
    while (!owed.isEmpty) await owed.apply(opened)
    store = opened
    hasFailed = false
    void opened.recovered.then(recovered.resolve)
    log?.info({ path, ms: Date.now() - started }, 'the raw disk was taken over')
  }

  const ended = takeOver()

  return {
    name: 'l2',
    readsParts: true,
    recovered: recovered.promise,

    getHeads(key) {
      if (store !== undefined) return store.getHeads(key)
      own.lookups++
      return undefined
    },

    putHeads(key, heads) {
      if (store !== undefined) return store.putHeads(key, heads)
      // Also when refused: an older list must not be found in place of this one.
      owed.dropHeads(key)
      if (heads.length === 0) return true
      own.refused++
      return false
    },

    getSlice(key, generation, index, part) {
      if (store !== undefined) return store.getSlice(key, generation, index, part)
      own.lookups++
      return undefined
    },

    hasSlice: (key, generation, index) => store?.hasSlice(key, generation, index) ?? false,

    putSlice(key, generation, index, slice, about) {
      if (store !== undefined) return store.putSlice(key, generation, index, slice, about)
      own.refused++
      return false
    },

    openSequence(key, generation, last) {
      const sequence = store?.openSequence?.(key, generation, last)
      // One by one, also from the device that comes later.
      return sequence ?? { get: (index, part) => this.getSlice(key, generation, index, part), close() {} }
    },

    async eachHeads(visit, signal) {
      await orAborted(recovered.promise, signal)
      return (await store?.eachHeads(visit, signal)) ?? false
    },

    dropGeneration(key, generation) {
      if (store !== undefined) store.dropGeneration(key, generation)
      else owed.dropGeneration(key, generation)
    },

    drop: (key) => (store ?? owed).drop(key),
    clear: () => (store ?? owed).clear(),

    stats: () => sumStats(store === undefined ? [own] : [own, store.stats()]),
    figures() {
      if (store !== undefined) return store.figures()
      return { ...emptyFigures(blockSize), waiting: !hasFailed, offline: hasFailed, recovering: true }
    },
    map: (maxCells) => store?.map(maxCells) ?? NO_MAP,
    selfTest: () => store?.selfTest() ?? [],
    checkpoint: async () => (await store?.checkpoint()) ?? false,
    reclaimed: async () => store?.reclaimed(),
    flush: async () => store?.flush(),

    async close() {
      closing.abort()
      await ended
      await store?.close()
      owed.giveUp()
      recovered.resolve()
    },
  }
}
