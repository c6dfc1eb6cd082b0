import type { Counters } from '../cache/counters.ts'
import { shownKey } from '../cache/shown.ts'
import type { RunningFill } from '../cache/view.ts'
import type { SliceStore } from '../stores/store.ts'
import { type History, type Sample, SERIES, type Series } from './history.ts'
import type { StatusSources } from './sources.ts'

/**
 * The parts of the answer of `/status`, each as plain data. docs/status.md says what every field means; numbers that
 * cannot be told are null.
 */

const MAX_FILLS = 50
const MAX_OBJECTS = 20
/** More squares than this nobody can tell apart on a screen. */
const MAX_CELLS = 4096

export function latestPart(sample: Sample) {
  const { l1HitsPerSecond, l2HitsPerSecond, missesPerSecond } = sample
  const decided = l1HitsPerSecond + l2HitsPerSecond + missesPerSecond
  const percent = (rate: number) => numberOrNull((100 * rate) / decided)
  return {
    ...(Object.fromEntries(SERIES.map((series) => [series, numberOrNull(sample[series])])) as Record<
      Series,
      number | null
    >),
    l1HitPercent: percent(l1HitsPerSecond),
    l2HitPercent: percent(l2HitsPerSecond),
  }
}

/** @param wallClock what is to be added to times of the history for milliseconds since 1970 */
export function historyPart(range: string, history: History, wallClock: number) {
  const series = SERIES.map((name) => [name, history.values(name).map(numberOrNull)])
  return {
    range,
    stepSeconds: history.stepMs / 1000,
    at: history.times().map((time) => Math.round(time + wallClock)),
    ...(Object.fromEntries(series) as Record<Series, (number | null)[]>),
  }
}

export function totalsPart(counters: Counters) {
  const [, ...classes] = counters.responsesByClass
  return {
    requests: counters.requests,
    responses: Object.fromEntries(classes.map((count, i) => [`${i + 1}xx`, count])),
    l1Hits: counters.l1Hits,
    l2Hits: counters.l2Hits,
    misses: counters.misses,
    stale: counters.stale,
    revalidated: counters.revalidated,
    bypass: counters.bypass,
    coalesced: counters.coalesced,
    bytesFromOrigin: counters.bytesFromOrigin,
    bytesFromCache: counters.bytesFromCache,
    bytesToClients: counters.bytesToClients,
    subrequests: counters.subrequests,
    subrequestFailures: counters.subrequestFailures,
    subrequestRetries: counters.subrequestRetries,
    abortedResponses: counters.abortedResponses,
    clientAborts: counters.clientAborts,
  }
}

export function pressurePart({ pressure, cache }: StatusSources) {
  if (pressure === undefined) return null
  const refused = Object.values(cache?.counters.refused ?? {})
  return { reasons: [...pressure.reasons()], refused: refused.reduce((sum, count) => sum + count, 0) }
}

export function clientsPart({ clients }: StatusSources) {
  if (clients === undefined) return null
  const { connectionsNow, dropped, headerTimeouts, bodyTimeouts, sendTimeouts } = clients
  return { connections: connectionsNow, dropped, headerTimeouts, bodyTimeouts, sendTimeouts }
}

export function storePart(store: SliceStore | undefined) {
  if (store === undefined) return null
  const { entries, bytes, maxBytes, pendingBytes, lookups, hits, evictions, refused, ...rest } = store.stats()
  const { readErrors, writeErrors, corrupt } = rest
  return {
    entries,
    bytes,
    maxBytes,
    pendingBytes,
    lookups,
    hits,
    evictions,
    refused,
    readErrors,
    writeErrors,
    corrupt,
  }
}

export function rawDiskPart({ rawDisk }: StatusSources) {
  if (rawDisk === undefined) return null
  const { offline, recovering, direct, blockSize, ...blocks } = rawDisk.figures()
  const { regions, regionsPerCell, states, live } = rawDisk.map(MAX_CELLS)
  return {
    offline,
    recovering,
    direct,
    entries: blocks.entries,
    liveBytes: blocks.liveBlocks * blockSize,
    deadBytes: blocks.deadBlocks * blockSize,
    cleanBytes: blocks.cleanBlocks * blockSize,
    openBytes: blocks.openBlocks * blockSize,
    regions,
    cleanRegions: blocks.cleanRegions,
    regionsPerCell,
    cellStates: base64(states),
    cellLive: base64(live),
  }
}

export function fillsPart(running: Iterable<RunningFill>, now: number) {
  const size = ({ fill }: RunningFill) => (fill.end ?? fill.produced) - fill.start
  const all = [...running].sort((a, b) => size(b) - size(a))
  const largest = all.slice(0, MAX_FILLS).map(({ key, fill, startedAt }) => ({
    target: shownKey(key),
    from: fill.start,
    received: fill.produced - fill.start,
    length: fill.end === null ? null : fill.end - fill.start,
    readers: fill.readers,
    seconds: round((now - startedAt) / 1000),
  }))
  return { count: all.length, largest }
}

export function hotPart({ cache }: StatusSources) {
  const top = cache?.view.hot.top(MAX_OBJECTS) ?? []
  return top.map(({ target, requestsPerMinute }) => ({ target, requestsPerMinute: round(requestsPerMinute) }))
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64')
}

function numberOrNull(value: number): number | null {
  return Number.isFinite(value) ? round(value) : null
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000
}
