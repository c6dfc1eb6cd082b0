import { decide, onlyIfCached, requestIsNoStore, staleOnError } from '../semantics/decide.ts'
import { hasField } from '../semantics/fields.ts'
import type { FieldList, Head } from '../semantics/types.ts'
import { selectHead } from '../semantics/vary.ts'
import type { Fill, FillReader } from '../slices/fill.ts'
import { ask, planFetch, refreshBehind } from './ask.ts'
import { type Context, type Exchange, MAX_FAILURES } from './context.ts'
import { cut, sendError, sendFailure } from './failures.ts'
import { pass } from './pass.ts'
import type { Resource } from './resource.ts'
import {
  type Answer,
  answerPreconditions,
  firstSlice,
  type Selection,
  select,
  sendSelection,
} from './respond.ts'
import {
  canFetchSlices,
  isPresent,
  RepresentationChanged,
  SlicesRefused,
  transferAt,
} from './slice-transfers.ts'
import { createSource, passingSource, type ResponseSource, type Tier } from './source.ts'

/** How often a request begins again because what it had found changed under it. */
const MAX_TURNS = 4

/** Serves a GET or HEAD from the cache, asking the origin for what is missing or stale. */
export async function serve(context: Context, exchange: Exchange): Promise<void> {
  const { resources } = context
  const resource = resources.acquire(exchange.key)
  try {
    await serveTurns(context, resource, exchange)
  } catch (error) {
    if (!exchange.sink.gone) sendFailure(context, exchange, error as Error, 'miss')
  } finally {
    resources.release(resource)
  }
}

async function serveTurns(context: Context, resource: Resource, exchange: Exchange): Promise<void> {
  const { fields, method, sink } = exchange
  let alone = method === 'HEAD' || hasField(fields, 'authorization') || requestIsNoStore(fields)
  let incomplete: Head | undefined // a stored head that lacks slices: to validate it would be of no use
  for (let turn = 0; turn < MAX_TURNS && !sink.gone; turn++) {
    const heads = usable(context, await context.resources.heads(resource))
    const head = selectHead(heads, fields)
    const now = Date.now()
    if (head && head !== incomplete) {
      const decision = decide(head, fields, now)
      if (decision !== 'revalidate') {
        if (decision === 'stale-while-revalidate') refreshBehind(context, resource, exchange, heads, head)
        const result = decision === 'fresh' ? 'HIT' : 'STALE'
        const served = await serveStored(context, resource, exchange, head, result)
        if (served === 'done') return
        if (served === 'again') continue
        alone = true
        incomplete = head
      }
    }
    const stale = head === incomplete ? undefined : head
    if (onlyIfCached(fields))
      return sendError(exchange, 504, '504 not in the cache, and only-if-cached asked for no more')
    if (!head && context.uncacheable.has(exchange.key)) {
      if (method === 'HEAD' || hasConditions(fields)) return pass(context, exchange, 'bypass')
      alone = true
    }
    const { outcome, collapsed, leave } = await ask(
      context,
      resource,
      exchange,
      heads,
      planFetch(context, exchange, stale),
      alone,
    )
    try {
      if (sink.gone) return
      if (outcome.kind === 'failed' || outcome.kind === 'stale') {
        const failure = outcome.kind === 'failed' ? 'disconnected' : 'status'
        if (stale && staleOnError(stale, now, failure)) {
          leave()
          const served = await serveStored(context, resource, exchange, stale, 'STALE')
          if (served === 'done') return
        }
        exchange.failures++
        if (collapsed && exchange.failures < MAX_FAILURES) continue // one of those who waited takes over
        const error =
          outcome.kind === 'failed' ? outcome.error : new Error(`the origin answered ${outcome.status}`)
        return sendFailure(context, exchange, error, head ? 'stale' : 'uri-miss')
      }
      if (outcome.kind === 'revalidated') {
        leave()
        if (collapsed && !isForUs(outcome.head, fields)) {
          alone = true
          continue
        }
        const served = await serveStored(context, resource, exchange, outcome.head, 'REVALIDATED')
        if (served === 'done') return
        if (served === 'alone') {
          alone = true
          incomplete = selectHead(usable(context, await context.resources.heads(resource)), fields)
        }
        continue
      }
      if (collapsed) {
        // What was stored is looked up like any other; what was not is no use to us.
        if (outcome.kind !== 'stored') alone = true
        else if (!isForUs(outcome.head, fields)) {
          // Of another variant: now that it is known what varies, those who want ours can wait for each other.
          alone = turn > 0 || selectHead([outcome.head], fields) !== undefined
        } else {
          const served = await serveStored(context, resource, exchange, outcome.head, 'HIT', leave)
          if (served === 'done') return
          alone = served === 'alone'
        }
        continue
      }
      const answer: Answer = {
        head: outcome.head,
        result: head ? 'EXPIRED' : 'MISS',
        status: {
          hit: false,
          fwd: head ? 'stale' : 'uri-miss',
          fwdStatus: outcome.status,
          stored: outcome.kind === 'stored',
        },
        received: outcome.received,
      }
      context.counters.misses++
      const served = await serveFetched(
        context,
        resource,
        exchange,
        answer,
        outcome.fill,
        outcome.kind === 'stored',
        leave,
      )
      if (served) return
      return pass(context, exchange, 'bypass')
    } catch (error) {
      if (!(error instanceof RepresentationChanged) || exchange.res.headersSent) throw error
    } finally {
      leave()
    }
  }
  if (!sink.gone) sendFailure(context, exchange, new Error('the representation keeps changing'), 'miss')
}

/** Heads cut with another slice size are of no use (the configuration changed). */
function usable(context: Context, heads: readonly Head[]): readonly Head[] {
  const matching = (head: Head) => head.sliceSize === context.sliceSize
  return heads.every(matching) ? heads : heads.filter(matching)
}

/** Whether what another request brought answers this one: it is of the same variant, and as fresh as we want it. */
function isForUs(head: Head, fields: FieldList): boolean {
  return selectHead([head], fields) !== undefined && decide(head, fields, Date.now()) !== 'revalidate'
}

function hasConditions(fields: FieldList): boolean {
  return (
    hasField(fields, 'range') || hasField(fields, 'if-none-match') || hasField(fields, 'if-modified-since')
  )
}

/**
 * Serves what this request itself has just fetched.
 *
 * @returns false when the fill lacks what the client wants and it cannot be fetched by itself: the request must be passed on
 */
async function serveFetched(
  context: Context,
  resource: Resource,
  exchange: Exchange,
  answer: Answer,
  fill: Fill,
  stored: boolean,
  leave: () => void,
): Promise<boolean> {
  const { head } = answer
  if (answerPreconditions(exchange, answer)) return true
  const selection = select(exchange, head)
  const begin = selection.ranges[0]?.first ?? 0
  const wantsBody = selection.ranges.length > 0 && exchange.method !== 'HEAD'
  const lacks = !hasAll(fill, selection) || (!stored && selection.ranges.length > 1)
  if (wantsBody && lacks && !(stored && canFetchSlices(head))) {
    leave()
    return false
  }
  const endReading = context.resources.reading(resource, head.generation)
  const source = stored ? createSource(context, resource, exchange, head) : passingSource(context, fill)
  try {
    const covered = wantsBody && begin >= fill.start && (fill.end === null || begin < fill.end)
    let first = covered ? { fill, reader: fill.attach(begin) } : undefined
    leave()
    if (wantsBody && !first) {
      const other = await source.fillAt(begin, selection.ranges[0].last)
      first = { fill: other, reader: other.attach(begin) }
    }
    await stream(context, exchange, answer, selection, source, first)
    return true
  } finally {
    source.close()
    endReading()
  }
}

/** Whether a fill brings the whole selection. It was asked for the first range alone; without a valid If-Range all is sent. */
function hasAll(fill: Fill, { ranges }: Selection): boolean {
  return ranges.every(({ first, last }) => first >= fill.start && (fill.end === null || last < fill.end))
}

/**
 * Sends a body; what fails then can only be told by cutting the connection.
 *
 * @param first lets go of its fill here at the latest: a client that has gone meanwhile never comes to read from it
 */
async function stream(
  context: Context,
  exchange: Exchange,
  answer: Answer,
  selection: Selection,
  source: ResponseSource,
  first?: { fill: Fill; reader: FillReader },
): Promise<void> {
  try {
    await sendSelection(exchange, answer, selection, source, first)
  } catch {
    cut(context, exchange)
  } finally {
    first?.reader.detach()
  }
}

/**
 * Serves from a stored head.
 *
 * @returns 'again' when the head proved wrong and was forgotten, 'alone' when this client must fetch everything for itself
 */
async function serveStored(
  context: Context,
  resource: Resource,
  exchange: Exchange,
  head: Head,
  result: Answer['result'],
  onOpened: () => void = () => {},
): Promise<'done' | 'again' | 'alone'> {
  const { resources, counters } = context
  const hit: Answer = { head, result, status: { hit: true, detail: 'l1' }, received: null }
  if (result === 'STALE') counters.stale++
  if (answerPreconditions(exchange, hit)) {
    counters.l1Hits++
    return 'done'
  }
  const selection = select(exchange, head)
  const source = createSource(context, resource, exchange, head)
  if (selection.ranges.length === 0 || exchange.method === 'HEAD') {
    counters.l1Hits++
    await sendSelection(exchange, hit, selection, source)
    return 'done'
  }
  const endReading = resources.reading(resource, head.generation)
  try {
    const range = selection.ranges[0]
    const tier = await source.open(firstSlice(context, selection))
    const whole = allPresent(context, resource, head, selection)
    if (
      !canFetchSlices(head) &&
      (!whole || (!tier && !transferAt(context, resource, exchange, head, range.first)))
    ) {
      // What is missing cannot be had by itself: everything is fetched anew, as another generation.
      return 'alone'
    }
    const answer = whole === 'stored' ? withTier(hit, tier) : partial(hit, whole === 'coming')
    if (tier) {
      count(context, answer, tier)
      onOpened()
      await stream(context, exchange, answer, selection, source)
      return 'done'
    }
    const fill = await source.fillAt(range.first, range.last)
    if (!fill.covers(range.first)) return 'again'
    const first = { fill, reader: fill.attach(range.first) }
    count(context, answer, undefined)
    onOpened()
    await stream(context, exchange, answer, selection, source, first)
    return 'done'
  } catch (error) {
    if (exchange.res.headersSent) throw error
    if (error instanceof RepresentationChanged) return 'again'
    if (error instanceof SlicesRefused) return 'alone'
    throw error
  } finally {
    source.close()
    endReading()
  }
}

/** Whether every slice of a selection is stored, or will be by transfers under way; false = some must be fetched. */
function allPresent(
  context: Context,
  resource: Resource,
  head: Head,
  selection: Selection,
): 'stored' | 'coming' | false {
  const { store, sliceSize } = context
  let coming = false
  for (const range of selection.ranges) {
    const end = head.length ?? progress(resource, head)
    for (
      let index = Math.floor(range.first / sliceSize);
      index * sliceSize < Math.min(range.last + 1, end);
      index++
    ) {
      if (store.hasSlice(resource.key, head.generation, index)) continue
      if (!isPresent(context, resource, head, index)) return false
      coming = true
    }
  }
  return coming || head.length === null ? 'coming' : 'stored'
}

/** How far the transfer of a representation of unknown length has come, in bytes. */
function progress(resource: Resource, head: Head): number {
  let produced = 0
  for (const { generation, fill } of resource.transfers) {
    if (fill && generation === head.generation) produced = Math.max(produced, fill.produced)
  }
  return produced
}

function withTier(hit: Answer, tier: Tier | undefined): Answer {
  return tier === 'l2' ? { ...hit, status: { ...hit.status, detail: 'l2' } } : hit
}

/** Some of the response comes from the origin: for the client's eyes a miss, unless it was stale or revalidated. */
function partial(hit: Answer, collapsed: boolean): Answer {
  const result = hit.result === 'HIT' ? 'MISS' : hit.result
  return { ...hit, result, status: { hit: false, fwd: 'partial', collapsed } }
}

function count(context: Context, answer: Answer, tier: Tier | undefined): void {
  const { counters } = context
  if (answer.result === 'MISS' || !tier) counters.misses++
  else if (tier === 'l1') counters.l1Hits++
  else counters.l2Hits++
}
