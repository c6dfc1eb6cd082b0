import { fieldValue } from '../semantics/fields.ts'
import { parseRangeSpec } from '../semantics/ranges.ts'
import type { Head } from '../semantics/types.ts'
import { conditionFor } from '../semantics/validation.ts'
import type { AskedRange } from '../upstream/extent.ts'
import type { Context, Exchange } from './context.ts'
import { type FetchOutcome, type FetchPlan, fetchHead } from './fetch.ts'
import { withOne, without } from './few.ts'
import { type HeadFetch, type Resource, variantGuess } from './resource.ts'

/** The origin's word on a key, for one of those who waited for it. */
export interface Asked {
  outcome: FetchOutcome
  /** Another request had asked: what is not stored is not for us. */
  collapsed: boolean
  /** Call when the outcome's fill has its reader, or is not wanted. */
  leave(): void
}

/**
 * What to ask the origin for: whole slices for a range, so that they can be kept; else the whole representation.
 *
 * @param stale what the request selected and may not use as it is
 * @param offered what may be validated: none of what could not be completed
 */
export function planFetch(
  context: Context,
  exchange: Exchange,
  stale: Head | undefined,
  offered: readonly Head[],
): FetchPlan {
  return {
    range: exchange.isSliceable() ? wholeSlices(context.sliceSize, exchange) : null,
    stale: stale ?? null,
    condition: conditionFor(stale, offered, exchange.fields),
    awaited: true,
  }
}

/** The first range of the request, widened to whole slices; the others are fetched when the length is known. */
function wholeSlices(sliceSize: number, exchange: Exchange): AskedRange | null {
  if (exchange.method !== 'GET') return null
  const parsed = parseRangeSpec(fieldValue(exchange.fields, 'range'))
  if (parsed.kind !== 'specs' || parsed.specs.length === 0) return null
  const spec = parsed.specs[0]
  if ('suffix' in spec) return { suffix: Math.max(1, Math.ceil(spec.suffix / sliceSize)) * sliceSize }
  const first = spec.first - (spec.first % sliceSize)
  const last = spec.last === null ? null : spec.last - (spec.last % sliceSize) + sliceSize - 1
  // Beyond what a number holds exactly no representation reaches: the origin says so.
  return last !== null && !Number.isSafeInteger(last) ? { first, last: null } : { first, last }
}

/**
 * Asks the origin, or waits with others for what it says (invariant 6).
 *
 * @param alone do not wait for another request's answer: it would be of no use, or has been none
 */
export function ask(
  context: Context,
  resource: Resource,
  exchange: Exchange,
  heads: readonly Head[],
  plan: FetchPlan,
  alone: boolean,
): Promise<Asked> {
  const variant = variantGuess(heads, exchange)
  const running = alone ? undefined : resource.headFetches.find((other) => other.variant === variant)
  if (running) {
    context.counters.coalesced++
    return join(running, exchange, true)
  }
  const fetch = fetchHead(context, resource, exchange, plan)
  const entry: HeadFetch = { variant, waiters: 0, fetch }
  if (!alone) {
    resource.headFetches = withOne(resource.headFetches, entry)
    fetch.outcome.then(() => {
      resource.headFetches = without(resource.headFetches, entry)
    })
  }
  return join(entry, exchange, false)
}

async function join(entry: HeadFetch, exchange: Exchange, collapsed: boolean): Promise<Asked> {
  let left = false
  entry.waiters++
  const leave = () => {
    if (left) return
    left = true
    forget()
    if (--entry.waiters === 0) entry.fetch.release()
  }
  const forget = exchange.sink.onGone(leave)
  return { outcome: await entry.fetch.outcome, collapsed, leave }
}

/** Validates or fetches a stale head again behind a response that was served from it; one at a time for each variant. */
export function refreshBehind(
  context: Context,
  resource: Resource,
  exchange: Exchange,
  heads: readonly Head[],
  stale: Head,
): void {
  const variant = variantGuess(heads, exchange)
  if (resource.headFetches.some((other) => other.variant === variant)) return
  // Always by GET: the answer to a HEAD would refresh nothing.
  const plan = { range: null, stale, condition: conditionFor(stale, [], []), awaited: false }
  const fetch = fetchHead(context, resource, { ...exchange, method: 'GET' }, plan)
  const entry: HeadFetch = { variant, waiters: 1, fetch }
  resource.headFetches = withOne(resource.headFetches, entry)
  resource.users++
  fetch.outcome.then((outcome) => {
    resource.headFetches = without(resource.headFetches, entry)
    if (outcome.kind === 'stored') outcome.fill.finishAlone()
    if (--entry.waiters === 0) fetch.release()
    context.resources.release(resource)
  })
}
