/** Write errors in a row after which a store stops trying. */
const ERRORS = 5
/** Milliseconds that it then waits before it tries once more. */
const PAUSE = 5000

/** Keeps a dead disk from costing anything: after several errors in a row, nothing is tried for a while. */
export interface Breaker {
  isOpen(now: number): boolean
  failed(now: number): void
  succeeded(): void
}

export function createBreaker(): Breaker {
  let errors = 0
  let openUntil = 0
  return {
    isOpen: (now) => now < openUntil,
    failed(now) {
      // One error after the pause is enough to open it again: only a success sets the count back.
      if (++errors >= ERRORS) openUntil = now + PAUSE
    },
    succeeded() {
      errors = 0
    },
  }
}
