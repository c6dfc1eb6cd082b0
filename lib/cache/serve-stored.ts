import { onlyIfCached } from '../semantics/decide.ts'
import type { Head } from '../semantics/types.ts'
import { sliceIndex } from '../slices/arithmetic.ts'
import type { Context, Exchange } from './context.ts'
import type { Resource } from './resource.ts'
import { type Answer, answerPreconditions, type Selection, select, sendSelection } from './respond.ts'
import { sendBody } from './send-body.ts'
import {
  canFetchSlices,
  isPresent,
  RepresentationChanged,
  SlicesRefused,
  transferAt,
} from './slice-transfers.ts'
import { createSource, type Tier } from './source.ts'

/** 'again': the head proved wrong and was forgotten; 'alone': this client must ask the origin for itself. */
export type Served = 'done' | 'again' | 'alone'

/** How a stored head came to be what answers a request. */
export type How = Pick<Answer, 'result' | 'status'>

/**
 * Serves from a stored head.
 *
 * @param onOpened called when the first bytes are at hand
 */
export async function serveStored(
  context: Context,
  resource: Resource,
  exchange: Exchange,
  head: Head,
  { result, status }: How,
  onOpened: () => void = () => {},
): Promise<Served> {
  const { resources, counters } = context
  const hit: Answer = { head, result, status: inTier(status, 'l1'), received: null }
  if (result === 'STALE') counters.stale++
  if (answerPreconditions(exchange, hit)) {
    counters.l1Hits++
    exchange.tier = 'l1'
    return 'done'
  }
  const selection = select(exchange, head)
  const source = createSource(context, resource, exchange, head)
  if (selection.ranges.length === 0 || exchange.method === 'HEAD') {
    counters.l1Hits++
    exchange.tier = 'l1'
    await sendSelection(exchange, hit, selection, source)
    return 'done'
  }
  const endReading = resources.reading(resource, head.generation)
  try {
    const range = selection.ranges[0]
    const tier = await source.open(range.first, range.last)
    const opened = tier && sliceIndex(range.first, context.sliceSize)
    const whole = allPresent(context, resource, head, selection, opened)
    const mayFetch = canFetchSlices(head) && !onlyIfCached(exchange.fields)
    if (!mayFetch && (!whole || (!tier && !transferAt(context, resource, exchange, head, range.first)))) {
      // What is missing cannot be had by itself, or is not wanted: everything is fetched anew, as another generation.
      return 'alone'
    }
    const answer =
      whole === 'stored' ? { ...hit, status: inTier(status, tier) } : partial(hit, whole === 'coming')
    if (tier) {
      exchange.tier = tier
      count(context, answer, tier)
      onOpened()
      await sendBody(context, exchange, answer, selection, source)
      return 'done'
    }
    const fill = await source.fillAt(range.first, range.last)
    if (!fill.covers(range.first)) return 'again'
    const first = { fill, reader: fill.attach(range.first) }
    count(context, answer, undefined)
    onOpened()
    await sendBody(context, exchange, answer, selection, source, first)
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

/**
 * Whether every slice of a selection is stored, or will be by transfers under way; false = some must be fetched.
 *
 * @param opened index of the slice that is at hand
 */
function allPresent(
  context: Context,
  resource: Resource,
  head: Head,
  selection: Selection,
  opened: number | undefined,
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
      if (index === opened || store.hasSlice(resource.key, head.generation, index)) continue
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

/** A hit tells its tier; what went to the origin before tells that. */
function inTier(status: Answer['status'], tier: Tier | undefined): Answer['status'] {
  return status.hit ? { ...status, detail: tier ?? 'l1' } : status
}

/** Some of the response comes from the origin: for the client's eyes a miss, unless it was stale or revalidated. */
function partial(hit: Answer, collapsed: boolean): Answer {
  const result = hit.result === 'HIT' ? 'MISS' : hit.result
  return { ...hit, result, status: hit.status.hit ? { hit: false, fwd: 'partial', collapsed } : hit.status }
}

function count(context: Context, answer: Answer, tier: Tier | undefined): void {
  const { counters } = context
  if (answer.result === 'MISS' || !tier) counters.misses++
  else if (tier === 'l1') counters.l1Hits++
  else counters.l2Hits++
}
