import type { ResponseHandler, UpstreamRequest, UpstreamResponse } from '../upstream/origin.ts'
import { mayRetry, retryDelay } from '../upstream/retry.ts'
import type { Context, Exchange } from './context.ts'
import { identityFields } from './identity.ts'
import { errorText } from './problems.ts'
import { withoutQuery } from './shown.ts'

/**
 * Sends a request; an idempotent one without a body again when the connection failed before there was an answer:
 * at most `max_retries` times, after a jittered pause, and within the budget that all requests share.
 *
 * @param exchange the client's request that made it necessary, which gives it its name
 * @returns stops the request or the pause before the next attempt; no event follows
 */
export function sendWithRetries(
  context: Context,
  exchange: Exchange,
  asked: UpstreamRequest,
  handler: ResponseHandler,
  idempotent = true,
): () => void {
  const { counters, budget, maxRetries, problems } = context
  const { origin } = exchange
  const { method, path, body, cause, awaited } = asked
  const fields = asked.fields.slice()
  for (const text of identityFields(exchange, awaited)) fields.push(text)
  const request: UpstreamRequest = { method, path, fields, body, cause, awaited }
  const askedAt = exchange.logged ? performance.now() : 0
  let timer: NodeJS.Timeout | undefined
  let stopped = false
  budget.earn()
  let transfer = attempt(1)

  function attempt(number: number) {
    counters.subrequests++
    return origin.send(request, {
      interim: handler.interim,
      response(response, sender) {
        context.originWatch.answered(origin)
        if (exchange.logged) note(response)
        if (response.status >= 500) tell(`answered ${response.status}`)
        return handler.response(response, sender)
      },
      failed(error) {
        counters.subrequestFailures++
        context.originWatch.failed(origin, error)
        tell(errorText(error))
        if (!mayRetry(error, number, maxRetries, idempotent) || !budget.spend()) return handler.failed(error)
        counters.subrequestRetries++
        timer = setTimeout(() => {
          if (!stopped) transfer = attempt(number + 1)
        }, retryDelay(number))
      },
    })
  }

  /** Of several requests for one response the first tells. */
  function note({ status }: UpstreamResponse): void {
    exchange.originTime ??= performance.now() - askedAt
    exchange.originStatus ??= status
  }

  function tell(text: string): void {
    problems.add('origin', text, origin.url.origin + withoutQuery(request.path))
  }

  return () => {
    stopped = true
    clearTimeout(timer)
    transfer.abort(new Error('nobody waits for this answer any more'))
  }
}
