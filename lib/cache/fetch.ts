import { fieldValue, hasField } from '../semantics/fields.ts'
import { describes, fieldsForOne, freshen, outdated } from '../semantics/head.ts'
import { noteFields } from '../semantics/noted-fields.ts'
import { type Policy, policyOf } from '../semantics/policy.ts'
import { parseRangeSpec } from '../semantics/ranges.ts'
import { storable } from '../semantics/storable.ts'
import type { FieldList, Head } from '../semantics/types.ts'
import {
  type Condition,
  conditionFields,
  confirmedBy,
  isConditional,
  UNCONDITIONAL,
} from '../semantics/validation.ts'
import { selectionOf } from '../semantics/vary.ts'
import type { Fill } from '../slices/fill.ts'
import { type AskedRange, type Extent, extentOf, rangeField } from '../upstream/extent.ts'
import { WrongAnswer } from '../upstream/failure.ts'
import { type BodyHandler, IGNORE_BODY, type Transfer, type UpstreamResponse } from '../upstream/origin.ts'
import type { Context, Exchange } from './context.ts'
import { countingHandler, passingFill, storingFill } from './fills.ts'
import { keepFreshened } from './freshening.ts'
import { relayInterim } from './interim.ts'
import { headOf, relayedFields } from './received.ts'
import type { Resource } from './resource.ts'
import { selectFor, standsIn } from './reuse.ts'
import { sendWithRetries } from './send.ts'
import { shownKey } from './shown.ts'

/** What is asked of the origin to learn what a key is. */
export interface FetchPlan {
  /** Whole slices; null = the whole representation. */
  range: AskedRange | null
  /** What the request selected and may not use as it is: served where the origin's error allows it. */
  stale: Head | null
  condition: Condition
  /** Whether the client waits for the answer: interim responses are for it. */
  awaited: boolean
}

export type FetchOutcome =
  /** The head is known and others may use it. */
  | ({ kind: 'stored' } & Fetched)
  /** A 304 made a stored head good for this request; for others too only if what it says may be kept, and not what is for one. */
  | { kind: 'revalidated'; head: Head; kept: boolean; forOne: FieldList }
  /** A 304 says that what the asking client has is current; what is stored was not. */
  | { kind: 'not-modified'; received: FieldList }
  /** The answer is for the asking client alone. */
  | ({ kind: 'unstored' } & Fetched)
  /** The origin answered with an error for which the stale head stands in. */
  | { kind: 'stale'; status: number }
  | { kind: 'failed'; error: Error }

/** A response whose body is coming. */
export interface Fetched {
  head: Head
  fill: Fill
  status: number
  /** The fields for the asking client, private ones too. */
  received: FieldList
  /** Filled when the body has ended. */
  trailers: FieldList
}

/** An upstream request for a head, under way. */
export interface Fetch {
  readonly outcome: Promise<FetchOutcome>
  /** Nobody waits any more: stops it before its answer, lets go of its fill after it. */
  release(): void
}

/** Asks the origin what a key is. Decisions are made as the response head arrives; the body becomes a fill. */
export function fetchHead(context: Context, resource: Resource, exchange: Exchange, plan: FetchPlan): Fetch {
  const { counters, resources, caching } = context
  const { method, fields } = exchange
  const forwarded = exchange.forwarded()
  const request = { method, fields }
  const selecting = { fields: forwarded }
  const { epoch } = resource
  const { promise: outcome, resolve } = Promise.withResolvers<FetchOutcome>()
  let letGo: (() => void) | null = null
  let stop = ask(plan)

  function ask(next: FetchPlan): () => void {
    return sendWithRetries(
      context,
      exchange,
      {
        method,
        path: exchange.target.path,
        fields: askFields(exchange, next),
        body: null,
        cause: exchange.req,
        awaited: next.awaited,
      },
      {
        interim: plan.awaited ? (status, interim) => relayInterim(exchange, status, interim) : undefined,
        response: (response, transfer) => accept(response, transfer, next),
        failed: (error) => resolve({ kind: 'failed', error }),
      },
    )
  }

  /** Without a part and without conditions, whatever was asked before. */
  function askForAll(): BodyHandler {
    stop = ask({ ...plan, range: null, condition: UNCONDITIONAL })
    return IGNORE_BODY
  }

  function accept(response: UpstreamResponse, transfer: Transfer, asked: FetchPlan): BodyHandler {
    const { status } = response
    noteFields(response.fields)
    if (status === 304 && isConditional(asked.condition)) {
      return confirm(response, asked.condition) ? IGNORE_BODY : askForAll()
    }
    if (plan.stale && standsIn(context, exchange, plan.stale, status)) {
      transfer.abort(new Error('the stored response is served instead'))
      resolve({ kind: 'stale', status })
      return IGNORE_BODY
    }
    // It speaks of the one range that was asked for, and knows nothing of others or of the client's If-Range.
    if (status === 416 && asked.range && !isSingleRange(fields)) return askForAll()
    const extent = extentOf(response, method, asked.range)
    if (!extent) {
      counters.identityRefusals++
      context.problems.add('answer', `${status} with another range than was asked`, shownKey(resource.key))
      transfer.abort(new WrongAnswer('the origin answered another range than was asked'))
      if (asked.range) return askForAll()
      resolve({ kind: 'failed', error: new WrongAnswer(`unusable ${status} response`) })
      return IGNORE_BODY
    }
    if (method === 'HEAD') compareStored(response)
    return begin(response, transfer, extent)
  }

  /** @returns false when the 304 speaks of nothing that we or the client have */
  function confirm(response: UpstreamResponse, condition: Condition): boolean {
    const confirmation = confirmedBy(condition, response)
    if (!confirmation) return false
    if ('head' in confirmation) {
      const { head, policy } = freshen(confirmation.head, response, selecting, caching)
      counters.revalidated++
      // Found to be what another variant's request gets: from now on it is this one's too, with the same slices.
      if (condition.stale === null) Object.assign(head, selectionOf(head.fields, forwarded))
      const kept = keepFreshened(context, resource, epoch, fields, confirmation.head, head, policy)
      resolve({ kind: 'revalidated', head, kept, forOne: fieldsForOne(response, policy, caching) })
    } else {
      if (condition.stale && resource.epoch === epoch) resources.forget(resource, condition.stale)
      resolve({ kind: 'not-modified', received: relayedFields(response) })
    }
    return true
  }

  /** What HEAD is told of the resource holds for stored answers to GET too (RFC 9111 section 4.3.5). */
  function compareStored(response: UpstreamResponse): void {
    if (resource.epoch !== epoch || ![200, 404, 410].includes(response.status)) return
    for (const head of resource.heads ?? []) {
      if (selectFor(exchange, [head]) === undefined || head.length === null) continue
      const same = response.status === 200 ? describes(head, response) : false
      if (same === undefined) continue
      if (same) {
        const fresh = freshen(head, response, selecting, caching)
        keepFreshened(context, resource, epoch, fields, head, fresh.head, fresh.policy)
      } else {
        resources.publish(resource, outdated(head, response.responseTime), true)
      }
    }
  }

  function begin(response: UpstreamResponse, transfer: Transfer, extent: Extent): BodyHandler {
    const policy = policyOf(response.fields, caching.targets)
    const head = headOf(context, exchange, response, policy, extent.length)
    const stored = mayStore(response, policy, extent, head)
    const fill = stored
      ? storingFill(context, resource, head, transfer, extent)
      : passingFill(context, resource, transfer, extent)
    letGo = fill.hold()
    const received = relayedFields(response)
    const trailers: FieldList = []
    resolve({ kind: stored ? 'stored' : 'unstored', head, fill, status: response.status, received, trailers })
    return countingHandler(context, fill, trailers)
  }

  function mayStore(response: UpstreamResponse, policy: Policy, extent: Extent, head: Head): boolean {
    if (method !== 'GET' || resource.epoch !== epoch || !context.bans.mayKeep(head)) return false
    const verdict = storable(request, response, policy, caching)
    if (verdict.store && !extent.closeDelimited) {
      context.uncacheable.delete(resource.key)
      return true
    }
    // An error may be about who asks: remembered, it would let one bad request keep a key out of the cache for all.
    if (response.status < 400 && (verdict.store || !verdict.byRequest)) {
      counters.uncacheableAnswers++
      context.uncacheable.set(resource.key, true)
    }
    return false
  }

  return {
    outcome,
    release() {
      if (letGo) return letGo()
      stop()
      resolve({ kind: 'failed', error: new Error('nobody waits for this answer any more') })
    },
  }
}

function askFields(exchange: Exchange, plan: FetchPlan): FieldList {
  if (plan.range === null && !isConditional(plan.condition)) return exchange.forwarded()
  const range = plan.range ? ['Range', rangeField(plan.range)] : []
  return [...exchange.forwarded(), ...range, ...conditionFields(plan.condition)]
}

/** Whether the origin's answer to the first range of a request answers the request. */
function isSingleRange(request: FieldList): boolean {
  const parsed = parseRangeSpec(fieldValue(request, 'range'))
  return parsed.kind === 'specs' && parsed.specs.length === 1 && !hasField(request, 'if-range')
}
