/** Milliseconds, as `OriginOptions` has them. */
export interface Timeouts {
  connectTimeout: number
  headersTimeout: number
  bodyTimeout: number
}

/** How many steps of the clock each wait may take. */
export interface Patience {
  connect: number
  headers: number
  body: number
  /** Idle, where the origin does not say how long it waits. */
  idle: number
  /** Steps in a second, and how many seconds before the origin an idle connection is given up. */
  second: number
  marginSeconds: number
  mostIdle: number
}

/** Milliseconds that an idle connection is kept: less than servers do that say nothing (5 s is Node's). */
const IDLE = 4000
/** Seconds before the end that the origin tells: the next request must not meet it. */
const MARGIN_SECONDS = 2
const MOST_IDLE = 600_000
/** The clock of all timeouts, in milliseconds: an eighth of the shortest, in these bounds. */
const LONGEST_STEP = 500
const SHORTEST_STEP = 5

/** Milliseconds of a step of the clock. */
export function stepOf({ connectTimeout, headersTimeout, bodyTimeout }: Timeouts): number {
  const shortest = Math.min(connectTimeout, headersTimeout, bodyTimeout)
  return Math.round(Math.max(SHORTEST_STEP, Math.min(LONGEST_STEP, shortest / 8)))
}

/** The first step may come at once: one more, so that no wait is shorter than its timeout. */
export function patienceOf(
  { connectTimeout, headersTimeout, bodyTimeout }: Timeouts,
  step: number,
): Patience {
  const steps = (milliseconds: number) => Math.ceil(milliseconds / step) + 1
  return {
    connect: steps(connectTimeout),
    headers: steps(headersTimeout),
    body: steps(bodyTimeout),
    idle: Math.floor(IDLE / step),
    second: 1000 / step,
    marginSeconds: MARGIN_SECONDS,
    mostIdle: MOST_IDLE / step,
  }
}
