import { setTimeout as wait } from 'node:timers/promises'
import type { StoreLog } from '../../stores/log.ts'
import type { SliceStore } from '../../stores/store.ts'
import type { BanList } from './list.ts'

/** A cache whose stores are swept. */
export interface Swept {
  store: Pick<SliceStore, 'eachHeads' | 'flush'>
  /** Something was banned just now: what is under way is older. */
  heed(): void
  /** Has the stores hold of a key what the bans leave of it. Resolves to how many heads that changed. */
  settle(key: string): Promise<number>
}

export interface Sweep {
  /** Something was banned: the stores are swept some time later. */
  request(): void
  /** Tells the caches of a new ban. */
  heed(): void
  /** @returns ends it */
  attach(swept: Swept): () => void
  readonly counts: { runs: number; heads: number }
  close(): Promise<void>
}

/** Milliseconds of work after which a sweep pauses, and for how long: it takes a sixth of the main thread at most. */
const WORK = 4
const PAUSE = 20

/**
 * Applies bans to what is stored, in the background, as Varnish's ban lurker does: removes what they made useless, and
 * retires them when all has been looked at, so that look-ups become one comparison again.
 */
export function createSweep({
  list,
  after,
  onSwept,
  log,
}: {
  list: BanList
  /** Milliseconds from a request to the sweep. */
  after: number
  /** Called when bans were retired. */
  onSwept(): Promise<void>
  log?: StoreLog
}): Sweep {
  const caches = new Set<Swept>()
  const closing = new AbortController()
  const counts = { runs: 0, heads: 0 }
  let timer: NodeJS.Timeout | undefined
  let running: Promise<void> | undefined

  function request(): void {
    if (closing.signal.aborted || timer !== undefined || running !== undefined) return
    timer = setTimeout(() => {
      timer = undefined
      // A cache failure never stops the proxy: what was not swept is swept the next time.
      running = run()
        .catch((error) => log?.warn({ err: error }, 'sweeping the stores for what was purged failed'))
        .finally(() => {
          running = undefined
          if (list.size > 0) request()
        })
    }, after).unref()
  }

  async function run(): Promise<void> {
    const { signal } = closing
    const until = list.newest
    const started = performance.now()
    const before = counts.heads
    let whole = caches.size > 0
    for (const cache of caches) whole = (await sweepOne(cache, signal)) && whole
    // What could not be looked at may be found by a later look-up.
    if (!whole) return
    list.retire(until)
    counts.runs++
    const ms = Math.round(performance.now() - started)
    log?.info({ heads: counts.heads - before, ms }, 'purged responses removed from the stores')
    await onSwept()
  }

  /** @returns whether everything was looked at */
  async function sweepOne({ store, settle }: Swept, signal: AbortSignal): Promise<boolean> {
    let since = performance.now()
    const whole = await store.eachHeads(async (key, heads) => {
      if (heads.some((head) => list.verdict(head) !== null)) counts.heads += await settle(key)
      if (performance.now() - since < WORK) return
      await wait(PAUSE, undefined, { ref: false })
      since = performance.now()
    }, signal)
    // Retired before what it removed is off the disk, a ban would be missed after kill -9.
    if (whole) await store.flush()
    return whole
  }

  return {
    request,

    heed() {
      for (const cache of caches) cache.heed()
    },

    attach(swept) {
      caches.add(swept)
      return () => void caches.delete(swept)
    },

    counts,

    async close() {
      closing.abort()
      clearTimeout(timer)
      await running
    },
  }
}
