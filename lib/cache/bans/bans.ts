import { invalidated, staleSince } from '../../semantics/head.ts'
import type { Head } from '../../semantics/types.ts'
import type { StoreLog } from '../../stores/log.ts'
import { notBefore, uniqueNow } from '../../upstream/clock.ts'
import type { Ban, BanMode, BanTarget, Verdict } from './ban.ts'
import { type BanJournal, openJournal } from './journal.ts'
import { createBanList } from './list.ts'
import { createSweep, type Swept } from './sweep.ts'

export interface BansOptions {
  /** Where bans are kept over restarts; null = nowhere. */
  file: string | null
  /**
   * Whether the stores may hold what is older than this process. Without a file nobody knows then what was purged of it:
   * what has tags or groups is validated once.
   */
  outlivedByStores: boolean
  log?: StoreLog
  /** Milliseconds from a ban to the sweep. Default a minute, so that many bans are one sweep. */
  sweepAfter?: number
}

export interface BanCounts {
  /** Bans in force that no sweep has made unnecessary. */
  readonly inForce: number
  /** Stored responses that sweeps removed or changed as bans say. */
  readonly swept: number
  readonly sweeps: number
}

/** What was purged by name and time. Caches that share stores share their bans. */
export interface Bans {
  /**
   * In force when this returns, for what is under way too; resolves when it holds after kill -9 too.
   * Rejects with the file system's error: then it is in force, and would be lost with the process.
   */
  ban(what: readonly BanTarget[], mode: BanMode): Promise<void>
  /** What bans say of a stored head; null = nothing. One comparison where nothing was banned since it was asked for. */
  verdict(head: Head): Verdict | null
  /**
   * A stored head as the bans leave it: the same one where they say nothing, or were heeded before; null = never to be
   * used again.
   */
  settled(head: Head): Head | null
  /** Has the sweep look through the stores of a cache; the result ends it. */
  attach(swept: Swept): () => void
  /**
   * Whether what has just come from an origin may be kept: not when it was asked for before a ban that means it, nor before
   * one that was forgotten since because nothing so old was stored.
   */
  mayKeep(head: Head): boolean
  readonly counts: BanCounts
  /** Whether bans are kept over restarts. */
  readonly outlastProcess: boolean
  close(): Promise<void>
}

const SWEEP_AFTER = 60_000
/** The file is written anew when it has so many lines more than twice what is needed. */
const SPARE_LINES = 1000
/** Milliseconds between two looks at what another process has appended. */
const LOOK_EVERY = 2000

/** @throws Error of one sentence when the file cannot be used */
export function createBans({ file, outlivedByStores, log, sweepAfter = SWEEP_AFTER }: BansOptions): Bans {
  const list = createBanList()
  let journal: BanJournal | undefined
  let isShortening = false
  if (file !== null) {
    const opened = openJournal(file, list.bans, heedOther)
    journal = opened.journal
    for (const ban of opened.bans) list.add(ban)
    // A clock that was set back would make everything new look older than the bans.
    notBefore(list.newest)
    if (opened.damaged > 0) {
      log?.warn(
        { file, lines: opened.damaged },
        'bans file is damaged: everything that is stored counts as purged',
      )
      list.add({ what: { kind: 'all' }, mode: 'gone', time: uniqueNow() })
    }
  } else if (outlivedByStores) {
    list.add({ what: { kind: 'tagged' }, mode: 'invalid', time: uniqueNow() })
  }

  const looking = journal && setInterval(() => journal.look().catch(() => {}), LOOK_EVERY).unref()
  const sweep = createSweep({ list, after: sweepAfter, onSwept: shorten, log })
  if (list.size > 0) sweep.request()

  /** Of another process, before or after this one: it may have been told while both served. */
  function heedOther(ban: Ban): void {
    list.add(ban)
    notBefore(ban.time)
    sweep.heed()
    sweep.request()
  }

  function hasSpareLines({ length, isDamaged }: BanJournal): boolean {
    if (list.size === 0) return length > 0 || isDamaged
    return length > 2 * list.size + SPARE_LINES
  }

  /** What no store holds any more needs no ban, in the file neither. */
  async function shorten(): Promise<void> {
    if (journal === undefined || isShortening || !hasSpareLines(journal)) return
    isShortening = true
    const stillHas = () => hasSpareLines(journal)
    await journal
      .rewrite(stillHas)
      .catch((error) => log?.warn({ file, err: error }, 'bans file was not written anew'))
    isShortening = false
  }

  return {
    async ban(whats, mode) {
      const bans = whats.map((what) => ({ what, mode, time: uniqueNow() }))
      for (const ban of bans) list.add(ban)
      sweep.heed()
      sweep.request()
      try {
        await Promise.all(bans.map((ban) => journal?.append(ban)))
      } catch (error) {
        log?.warn(
          { file, err: error },
          'a purge could not be written to the bans file: a restart would lose it',
        )
        throw error
      }
      void shorten()
    },

    verdict: list.verdict,
    mayKeep: (head) => head.order >= list.retiredTo && list.verdict(head) === null,

    settled(head) {
      const verdict = list.verdict(head)
      if (verdict === null) return head
      if (verdict.mode === 'gone') return null
      // Not in the future, by a clock that was set back.
      if (verdict.mode === 'stale') return staleSince(head, Math.min(verdict.time, Date.now()))
      return head.noCache ? head : invalidated(head)
    },

    attach: sweep.attach,
    outlastProcess: journal !== undefined,

    counts: {
      get inForce() {
        return list.size
      },
      get swept() {
        return sweep.counts.heads
      },
      get sweeps() {
        return sweep.counts.runs
      },
    },

    async close() {
      if (looking) clearInterval(looking)
      await sweep.close()
      await journal?.close()
    },
  }
}
