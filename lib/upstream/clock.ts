/** Steps in a millisecond; times stay exact numbers until the year 2039. */
export const STEPS = 4096

let last = 0

/**
 * Milliseconds since the epoch that no other call has had and that never go back, in steps of 1/4096. What happened
 * first in this process has the smaller one, also within a millisecond: an invalidation and a request can be told apart.
 *
 * @param now what Date.now() says, for who has asked it already
 */
export function uniqueNow(now = Date.now()): number {
  last = Math.max(last + 1 / STEPS, now)
  return last
}

/** Whether a time is later than any that `uniqueNow` has given: of another process, by a clock that was ahead of ours. */
export function isAhead(time: number): boolean {
  return time > last && time > Date.now()
}

/** From now on the time is later than that one: another process had it, and the clock may have been set back since. */
export function notBefore(time: number): void {
  last = Math.max(last, time)
}
