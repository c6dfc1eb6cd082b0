import { readFailures } from './failures.ts'
import { watchFailures } from './growth.ts'
import { between, createHistory } from './history.ts'
import { type Reading, readCounters } from './reading.ts'
import {
  clientsPart,
  fillsPart,
  historyPart,
  hotPart,
  latestPart,
  pressurePart,
  rawDiskPart,
  storePart,
  totalsPart,
} from './report.ts'
import type { StatusSources } from './sources.ts'

/** What of the past an answer has: 300 samples of a second, 240 of 15 s, 288 of 5 minutes. */
export const RANGES = ['5m', '1h', '24h'] as const
export type Range = (typeof RANGES)[number]

/** Readings over which the latest figures are taken: of 10 s, because those of one second jump. */
const LATEST = 11

export interface ServiceFacts {
  version: string
  /** Milliseconds since 1970. */
  startedAt: number
}

/** What the status page shows. Nothing is counted here while a request is served: it looks once a second. */
export interface Status {
  /** @param now milliseconds of a clock that never goes back */
  sample(now: number): void
  /** What GET /status answers. @param wallClock milliseconds since 1970 */
  report(range: Range, now: number, wallClock: number): ReturnType<typeof report>
}

export type StatusReport = ReturnType<Status['report']>

export function createStatus(facts: ServiceFacts, sources: StatusSources): Status {
  const histories = {
    '5m': createHistory(1000, 300),
    '1h': createHistory(15_000, 240),
    '24h': createHistory(300_000, 288),
  }
  const readings: Reading[] = []
  let watch: ReturnType<typeof watchFailures> | undefined

  function sample(now: number): void {
    const { cache } = sources
    const reading = readCounters(now, cache?.counters, sources.l1)
    const before = readings.at(-1)
    readings.push(reading)
    if (readings.length > LATEST) readings.shift()
    for (const range of RANGES) histories[range].take(reading)
    if (cache === undefined) return
    watch ??= watchFailures(cache.view.problems)
    watch(readFailures(sources))
    cache.view.hot.start()
    if (before) cache.view.hot.tick((now - before.at) / 1000)
  }

  return {
    sample,
    report: (range, now, wallClock) =>
      report({
        facts,
        sources,
        latest: readings.length < 2 ? null : latestPart(between(readings[0], readings.at(-1)!)),
        history: historyPart(range, histories[range], wallClock - now),
        now,
        wallClock,
      }),
  }
}

interface Parts {
  facts: ServiceFacts
  sources: StatusSources
  latest: ReturnType<typeof latestPart> | null
  history: ReturnType<typeof historyPart>
  now: number
  wallClock: number
}

function report({ facts, sources, latest, history, now, wallClock }: Parts) {
  const { cache, health } = sources
  return {
    service: {
      version: facts.version,
      time: wallClock,
      startedAt: facts.startedAt,
      uptimeSeconds: Math.round((wallClock - facts.startedAt) / 1000),
    },
    health: health
      ? { status: health.status(), readiness: health.readiness(), draining: health.draining }
      : null,
    pressure: pressurePart(sources),
    clients: clientsPart(sources),
    latest,
    totals: cache ? totalsPart(cache.counters) : null,
    stores: { l1: storePart(sources.l1), l2: storePart(sources.l2) },
    rawDisk: rawDiskPart(sources),
    fills: fillsPart(cache?.view.fills() ?? [], now),
    hotObjects: hotPart(sources),
    problems: cache?.view.problems.list() ?? [],
    history,
  }
}
