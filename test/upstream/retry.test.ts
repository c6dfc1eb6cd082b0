import fc from 'fast-check'
import t from 'tap'
import { createRetryBudget, mayRetry, retryDelay } from '../../lib/upstream/retry.ts'

const refused = Object.assign(new Error('refused'), { code: 'ECONNREFUSED' })
const timeout = Object.assign(new Error('timeout'), { code: 'ORIGIN_HEADERS_TIMEOUT' })

t.test('attempts are max_retries + 1, of idempotent requests that had no answer', async (t) => {
  for (const maxRetries of [0, 1, 3, 10]) {
    let attempts = 1
    while (mayRetry(refused, attempts, maxRetries, true)) attempts++
    t.equal(attempts, maxRetries + 1)
  }
  t.notOk(mayRetry(refused, 1, 3, false), 'not idempotent')
  t.notOk(mayRetry(timeout, 1, 3, true), 'the origin may be at work')
})

t.test('the pause grows, is jittered and ends at one second', async (t) => {
  const longest = (attempt: number) => retryDelay(attempt, () => 1)
  t.same([longest(1), longest(2), longest(3), longest(50)], [50, 100, 200, 1000])
  t.equal(
    retryDelay(3, () => 0),
    0,
  )
})

t.test(
  'however requests and retries follow each other, retries are at most a tenth and the reserve',
  async () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 2000 }), (steps) => {
        const budget = createRetryBudget()
        let requests = 0
        let retries = 0
        for (const isRetry of steps) {
          if (isRetry) retries += budget.spend() ? 1 : 0
          else {
            budget.earn()
            requests++
          }
          if (retries > 20 + requests / 10) return false
        }
        return true
      }),
    )
  },
)

t.test('an empty budget fills again by ten requests for each retry', async (t) => {
  const budget = createRetryBudget()
  while (budget.spend());
  for (let i = 0; i < 9; i++) budget.earn()
  t.notOk(budget.spend())
  for (let i = 0; i < 2; i++) budget.earn()
  t.ok(budget.spend())
  t.notOk(budget.spend())
})
