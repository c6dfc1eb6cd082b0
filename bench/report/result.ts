/** What is measured, by the names that results.json has. */
export type Metric =
  | 'requestsPerSecond'
  /** Of bodies, 10^6 bytes a second. */
  | 'megabytesPerSecond'
  /** User and system time of the server for one request. */
  | 'cpuMicroseconds'
  /** How much of one core the server took, 1 being all of it. */
  | 'busy'
  | 'peakRssBytes'
  /** Time to the first byte, milliseconds, at a fixed offered rate. */
  | 'ttfbP50'
  | 'ttfbP99'
  | 'ttfbP999'
  /** Of the p50, over the origin asked directly in the same round. */
  | 'ttfbAddedP50'
  /** Of the client's own delay in sending a request, milliseconds: more than the TTFB makes that one worthless. */
  | 'clientDelayP99'
  /** Milliseconds a second in which the server was ready to run and others had its core; in which the hypervisor had. */
  | 'serverWaited'
  | 'coreStolen'
  /** Of requests, and of bytes, 0 to 1. */
  | 'hitRatio'
  | 'byteHitRatio'
  /** Bytes that the process grew by. */
  | 'addedRssBytes'
  /** Requests that reached the origin. */
  | 'originRequests'
  /** Seconds until the last client had all. */
  | 'seconds'

export interface Figure {
  median: number
  min: number
  max: number
  /** One value a round, in the order of the rounds, so that those of one round can be compared. */
  rounds: readonly number[]
}

/** What one server did at one work. */
export interface Result {
  /** As the tables call it: 'L1 hit 1 KiB'. */
  work: string
  /** A name of `peers`, or one with a variant behind it: 'slicestream file'. */
  peer: string
  figures: Partial<Record<Metric, Figure>>
}

export function figureOf(rounds: readonly number[]): Figure {
  const sorted = rounds.toSorted((a, b) => a - b)
  return { median: median(sorted), min: sorted[0], max: sorted.at(-1)!, rounds }
}

/** How one server did against another: the median over the rounds of the ratio within one round. */
export function ratioOf(ours: Figure, theirs: Figure): number {
  const both = Math.min(ours.rounds.length, theirs.rounds.length)
  return median(
    ours.rounds
      .slice(0, both)
      .map((value, i) => value / theirs.rounds[i])
      .sort((a, b) => a - b),
  )
}

function median(sorted: readonly number[]): number {
  const half = sorted.length / 2
  return sorted.length % 2 === 1 ? sorted[Math.floor(half)] : (sorted[half - 1] + sorted[half]) / 2
}
