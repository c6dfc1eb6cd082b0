import type { Scope } from './scope.ts'

const realNow = Date.now

/** The time of day in this process, and so of a proxy and an origin in it. */
export interface Clock {
  /** Sets it to so many seconds after (before, when negative) the moment at which it was stopped. */
  set(seconds: number): void
  /** Seconds go by at once. */
  pass(seconds: number): void
  /** A Date field so many seconds after the moment at which it was stopped. */
  at(seconds: number): string
}

/**
 * `Date.now` stands still until the scope ends: ages and lifetimes are exact then, also where the machine stands still.
 * Timers and `performance.now` go on, and so does `new Date()`.
 */
export function stopClock(t: Scope): Clock {
  const stopped = realNow()
  let now = stopped
  Date.now = () => now
  t.teardown(() => {
    Date.now = realNow
  })
  return {
    set(seconds) {
      now = stopped + seconds * 1000
    },
    pass(seconds) {
      now += seconds * 1000
    },
    at: (seconds) => new Date(stopped + seconds * 1000).toUTCString(),
  }
}
