import { describeFailure } from './failure.ts'

/** Share of requests that may be retries, overall … */
const BUDGET_SHARE = 0.1
/** … and how many may be saved up, so that a quiet proxy can retry at all. */
const BUDGET_MOST = 20
const FIRST_DELAY_MS = 25
const LONGEST_DELAY_MS = 1000

/**
 * Limits retries to a share of all requests, so that a failing origin is not asked more often than a
 * healthy one (a retry storm): each request earns a tenth of a retry, each retry costs one.
 */
export interface RetryBudget {
  earn(): void
  /** Takes one retry out; false = there is none left. */
  spend(): boolean
}

export function createRetryBudget(): RetryBudget {
  let balance = BUDGET_MOST
  return {
    earn() {
      balance = Math.min(BUDGET_MOST, balance + BUDGET_SHARE)
    },
    spend() {
      if (balance < 1) return false
      balance -= 1
      return true
    },
  }
}

/**
 * Whether an attempt that failed before the response head may be made again.
 *
 * @param attempt attempts made so far, from 1
 */
export function mayRetry(error: Error, attempt: number, maxRetries: number, idempotent: boolean): boolean {
  return idempotent && attempt <= maxRetries && describeFailure(error).retryable
}

/** Milliseconds to wait before attempt `attempt + 1`: exponential with full jitter. */
export function retryDelay(attempt: number, random: () => number = Math.random): number {
  return random() * Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** attempt)
}
