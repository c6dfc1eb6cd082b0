import { decide, onlyIfCached, requestIsNoStore } from '../semantics/decide.ts'
import { hasField } from '../semantics/fields.ts'
import type { CacheStatusInput, ForwardReason } from '../semantics/response-fields.ts'
import type { FieldList, Head } from '../semantics/types.ts'
import { WrongAnswer } from '../upstream/failure.ts'
import { type Asked, ask, planFetch, refreshBehind } from './ask.ts'
import { type Context, type Exchange, MAX_FAILURES } from './context.ts'
import { sendError, sendFailure } from './failures.ts'
import type { Fetched, FetchOutcome } from './fetch.ts'
import { pass } from './pass.ts'
import type { Resource } from './resource.ts'
import { type Answer, answerNotModified } from './respond.ts'
import { selectFor, standsIn, whyForwarded } from './reuse.ts'
import { serveFetched } from './serve-fetched.ts'
import { type How, type Served, serveStored } from './serve-stored.ts'
import { RepresentationChanged } from './slice-transfers.ts'

/** How often a request begins again because what it had found changed under it. */
const MAX_TURNS = 4

/** A request on its way to an answer: what it has learnt in the turns before. */
interface Attempt {
  readonly context: Context
  readonly resource: Resource
  readonly exchange: Exchange
  turn: number
  /** Do not wait for another request's answer: it would be of no use, or has been none. */
  alone: boolean
  /** A stored head that lacks slices which cannot be fetched by themselves: to validate it would be of no use. */
  incomplete: Head | undefined
}

/** Serves a GET or HEAD from the cache, asking the origin for what is missing or stale. */
export async function serve(context: Context, exchange: Exchange): Promise<void> {
  const { resources } = context
  const { fields, method, sink, res } = exchange
  const resource = resources.acquire(exchange.key)
  const alone = method === 'HEAD' || hasField(fields, 'authorization') || requestIsNoStore(fields)
  const attempt: Attempt = { context, resource, exchange, turn: 0, alone, incomplete: undefined }
  try {
    for (; attempt.turn < MAX_TURNS && !sink.gone; attempt.turn++) {
      if (await takeTurn(attempt)) return
    }
    if (!sink.gone && !res.headersSent) throw new Error('the representation keeps changing')
  } catch (error) {
    if (!sink.gone) sendFailure(context, exchange, error as Error, 'miss')
  } finally {
    resources.release(resource)
  }
}

/** Looks the key up and, when that is not enough, asks the origin. @returns false when the request must begin again */
async function takeTurn(attempt: Attempt): Promise<boolean> {
  const { context, resource, exchange } = attempt
  const { fields } = exchange
  const found = context.resources.heads(resource)
  const heads = usable(context, found instanceof Promise ? await found : found)
  const head = selectFor(exchange, heads)
  if (head && head !== attempt.incomplete) {
    const served = await reuse(attempt, heads, head)
    if (served !== 'alone') return served === 'done'
  }
  if (onlyIfCached(fields)) {
    sendError(exchange, 504, '504 not in the cache, and only-if-cached asked for no more')
    return true
  }
  if (!head && context.uncacheable.has(exchange.key)) {
    if (exchange.method === 'HEAD' || hasConditions(fields)) return passOn(attempt)
    attempt.alone = true
  }
  const stale = head === attempt.incomplete ? undefined : head
  const offered = heads.filter((other) => other !== attempt.incomplete)
  const plan = planFetch(context, exchange, stale, head ? [] : offered)
  const asked = await ask(context, resource, exchange, heads, plan, attempt.alone)
  try {
    return exchange.sink.gone || (await useOutcome(attempt, asked, whyForwarded(heads, head), stale))
  } catch (error) {
    if (error instanceof RepresentationChanged && !exchange.res.headersSent) return false
    throw error
  } finally {
    asked.leave()
  }
}

/** Serves a stored head if it may be used as it is; 'alone' = the origin must be asked. */
async function reuse(attempt: Attempt, heads: readonly Head[], head: Head): Promise<Served> {
  const { context, resource, exchange } = attempt
  const decision = decide(head, exchange.fields, Date.now())
  if (decision === 'revalidate') return 'alone'
  if (decision === 'stale-while-revalidate') refreshBehind(context, resource, exchange, heads, head)
  const result = decision === 'fresh' ? 'HIT' : 'STALE'
  const served = await serveStored(context, resource, exchange, head, { result, status: { hit: true } })
  if (served === 'alone') {
    attempt.alone = true
    attempt.incomplete = head
  }
  return served
}

/** @returns false when the request must begin again */
function useOutcome(
  attempt: Attempt,
  asked: Asked,
  fwd: ForwardReason,
  stale: Head | undefined,
): Promise<boolean> {
  const { outcome, collapsed } = asked
  switch (outcome.kind) {
    case 'failed':
      return useFailure(attempt, asked, fwd, stale, outcome.error, 'disconnected')
    case 'stale': {
      const error = new Error(`the origin answered ${outcome.status}`)
      return useFailure(attempt, asked, fwd, stale, error, outcome.status)
    }
    case 'revalidated':
      return useRevalidated(attempt, asked, { hit: false, fwd, fwdStatus: 304, collapsed }, outcome)
    case 'not-modified':
      if (collapsed) return Promise.resolve(false)
      attempt.context.counters.misses++
      answerNotModified(attempt.exchange, outcome.received, fwd)
      return Promise.resolve(true)
    default:
      return collapsed ? useOthers(attempt, asked, fwd, outcome) : useFetched(attempt, asked, fwd, outcome)
  }
}

/** The origin failed: what is stale stands in where it may; one of those who waited for somebody else takes over. */
async function useFailure(
  attempt: Attempt,
  { collapsed, leave }: Asked,
  fwd: ForwardReason,
  stale: Head | undefined,
  error: Error,
  failure: 'disconnected' | number,
): Promise<boolean> {
  const { context, resource, exchange } = attempt
  if (stale && standsIn(context, exchange, stale, failure)) {
    leave()
    const fwdStatus = failure === 'disconnected' ? undefined : failure
    const status = { hit: false, fwd, fwdStatus, collapsed, detail: 'stale-on-error' }
    const served = await serveStored(context, resource, exchange, stale, { result: 'STALE', status })
    if (served === 'done') return true
  }
  exchange.failures++
  if (collapsed && exchange.failures < MAX_FAILURES) return false
  // The origin answers ranges wrongly: what it makes of the client's own is for the client to judge.
  if (error instanceof WrongAnswer && hasField(exchange.fields, 'range')) return passOn(attempt)
  const mustRevalidate = failure === 'disconnected' && stale?.mustRevalidate === true
  sendFailure(context, exchange, error, fwd, mustRevalidate)
  return true
}

async function useRevalidated(
  attempt: Attempt,
  { collapsed, leave }: Asked,
  status: CacheStatusInput,
  { head, kept, forOne }: FetchOutcome & { kind: 'revalidated' },
): Promise<boolean> {
  const { context, resource, exchange } = attempt
  leave()
  if (collapsed && !(kept && isForUs(attempt, head))) {
    attempt.alone = true
    return false
  }
  const answer = collapsed ? head : { ...head, fields: [...head.fields, ...forOne] }
  const served = await serveStored(context, resource, exchange, answer, { result: 'REVALIDATED', status })
  if (served === 'alone') {
    attempt.alone = true
    attempt.incomplete = selectFor(exchange, usable(context, await context.resources.heads(resource)))
  }
  return served === 'done'
}

/** Another request's answer: what was stored is looked up like any other; what was not is no use to us. */
async function useOthers(
  attempt: Attempt,
  { leave }: Asked,
  fwd: ForwardReason,
  { kind, head }: FetchOutcome & Fetched,
): Promise<boolean> {
  const { context, resource, exchange } = attempt
  if (kind !== 'stored') {
    attempt.alone = true
  } else if (!isForUs(attempt, head)) {
    // Of another variant: now that it is known what varies, those who want ours can wait for each other.
    attempt.alone = attempt.turn > 0 || selectFor(exchange, [head]) !== undefined
  } else {
    const how: How = { result: 'HIT', status: { hit: false, fwd, collapsed: true } }
    const served = await serveStored(context, resource, exchange, head, how, leave)
    attempt.alone = served === 'alone'
    return served === 'done'
  }
  return false
}

/** Our own request's answer. */
async function useFetched(
  attempt: Attempt,
  { leave }: Asked,
  fwd: ForwardReason,
  { kind, head, fill, status, received, trailers }: FetchOutcome & Fetched,
): Promise<boolean> {
  const { context, resource, exchange } = attempt
  const stored = kind === 'stored'
  const answer: Answer = {
    head,
    result: fwd === 'stale' || fwd === 'request' ? 'EXPIRED' : 'MISS',
    status: { hit: false, fwd, fwdStatus: status, stored },
    received,
    trailers,
  }
  context.counters.misses++
  const served = await serveFetched(context, resource, exchange, answer, fill, stored, leave)
  return served || passOn(attempt)
}

async function passOn({ context, exchange }: Attempt): Promise<true> {
  await pass(context, exchange, 'bypass')
  return true
}

/** Heads cut with another slice size are of no use (the configuration changed). */
function usable(context: Context, heads: readonly Head[]): readonly Head[] {
  const matching = (head: Head) => head.sliceSize === context.sliceSize
  return heads.every(matching) ? heads : heads.filter(matching)
}

/** Whether what another request brought answers this one: it is of the same variant, and as fresh as we want it. */
function isForUs({ context, exchange }: Attempt, head: Head): boolean {
  const isSelected = selectFor(exchange, [head]) !== undefined
  const settled = isSelected ? context.bans.settled(head) : null
  return settled !== null && decide(settled, exchange.fields, Date.now()) !== 'revalidate'
}

function hasConditions(fields: FieldList): boolean {
  return (
    hasField(fields, 'range') || hasField(fields, 'if-none-match') || hasField(fields, 'if-modified-since')
  )
}
