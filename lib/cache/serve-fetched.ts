import type { Fill } from '../slices/fill.ts'
import type { Context, Exchange } from './context.ts'
import type { Resource } from './resource.ts'
import {
  type Answer,
  answerPreconditions,
  type Selection,
  select,
  selectWhole,
  sendAtOnce,
} from './respond.ts'
import { sendBody } from './send-body.ts'
import { canFetchSlices } from './slice-transfers.ts'
import { createSource, passingSource } from './source.ts'

/**
 * Serves what this request itself has just fetched.
 *
 * @returns false when the fill lacks what the client wants and it cannot be fetched by itself: the request must be passed on
 */
export async function serveFetched(
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
  const asked = select(exchange, head)
  // What comes once and cannot be fetched by slices is sent in its order: a full memory may lose a slice before its range's turn.
  const isOnce = stored && asked.ranges.length > 1 && !canFetchSlices(head)
  const selection = isOnce ? selectWhole(head) : asked
  const begin = selection.ranges[0]?.first ?? 0
  const wantsBody = selection.ranges.length > 0 && exchange.method !== 'HEAD'
  const lacks = !hasAll(fill, selection) || (!stored && selection.ranges.length > 1)
  if (wantsBody && lacks && !(stored && canFetchSlices(head))) {
    leave()
    return false
  }
  if (wantsBody && sendWhatCame(context, exchange, answer, selection, fill)) {
    leave()
    return true
  }
  const endReading = context.resources.reading(resource, head.generation)
  const source = stored ? createSource(context, resource, exchange, head) : passingSource(context, fill)
  try {
    const covered =
      wantsBody &&
      (hasAll(fill, selection) || (begin >= fill.start && (fill.end === null || begin < fill.end)))
    let first = covered ? { fill, reader: fill.attach(begin) } : undefined
    leave()
    if (wantsBody && !first) {
      const other = await source.fillAt(begin, selection.ranges[0].last)
      first = { fill: other, reader: other.attach(begin) }
    }
    await sendBody(context, exchange, answer, selection, source, first)
    return true
  } finally {
    source.close()
    endReading()
  }
}

/** Most small bodies have come with their head: they need no reader. @returns false when this one has not */
function sendWhatCame(
  { counters }: Context,
  exchange: Exchange,
  answer: Answer,
  selection: Selection,
  fill: Fill,
): boolean {
  const { ranges, bodyLength } = selection
  // Without a length it is not known yet whether that is all, and what trailers follow.
  if (ranges.length > 1 || bodyLength === null) return false
  const [{ first, last }] = ranges
  const bytes = fill.atHand(first, last)
  if (bytes === undefined || answer.trailers?.length) return false
  counters.bytesToClients += bytes.length
  sendAtOnce(exchange, answer, selection, bytes)
  return true
}

/**
 * Whether a fill brings the whole selection. It was asked for the first range alone; without a valid If-Range all is sent.
 * A range without end is of a body without stated length: small ones have ended by now, and the fill's end is theirs.
 */
function hasAll(fill: Fill, { ranges }: Selection): boolean {
  return ranges.every(
    ({ first, last }) =>
      first >= fill.start && (fill.end === null || last < fill.end || last === Number.POSITIVE_INFINITY),
  )
}
