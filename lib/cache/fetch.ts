import { staleOnError } from '../semantics/decide.ts'
import { endToEnd, fieldValue, hasField, without } from '../semantics/fields.ts'
import { confirms, createHead, freshen } from '../semantics/head.ts'
import { parseRangeSpec } from '../semantics/ranges.ts'
import { FILL_FIELDS } from '../semantics/request-fields.ts'
import { storable } from '../semantics/storable.ts'
import type { FieldList, Head } from '../semantics/types.ts'
import { combinable, sameRepresentation } from '../semantics/validators.ts'
import { sliceIndex } from '../slices/arithmetic.ts'
import { createFill, type Fill } from '../slices/fill.ts'
import { type AskedRange, type Extent, extentOf, rangeField } from '../upstream/extent.ts'
import { WrongAnswer } from '../upstream/failure.ts'
import { type BodyHandler, IGNORE_BODY, type Transfer, type UpstreamResponse } from '../upstream/origin.ts'
import type { Context, Exchange } from './context.ts'
import type { Counters } from './counters.ts'
import type { Resource, SliceTransfer } from './resource.ts'
import { sendWithRetries } from './send.ts'

/** Response fields that depend on what part of the representation the client gets. */
const WRITTEN_ANEW: ReadonlySet<string> = new Set(['content-length', 'content-range', 'x-cache'])

/** Of a 416 that is passed on, Content-Range tells the length of the representation. */
const WRITTEN_ANEW_IN_416: ReadonlySet<string> = new Set(['content-length', 'x-cache'])

/** What is asked of the origin to learn what a key is. */
export interface FetchPlan {
  /** Whole slices; null = the whole representation. */
  range: AskedRange | null
  /** What is stored and stale: validated where it can be, and served where the origin's error allows it. */
  stale: Head | null
}

export type FetchOutcome =
  /** The head is known and others may use it. `received` has the fields for the asking client, private ones too. */
  | { kind: 'stored'; head: Head; fill: Fill; status: number; received: FieldList }
  /** A 304 made the stored head fresh again. */
  | { kind: 'revalidated'; head: Head; status: number }
  /** The answer is for the asking client alone. */
  | { kind: 'unstored'; head: Head; fill: Fill; status: number; received: FieldList }
  /** The origin answered with an error for which the stale head stands in. */
  | { kind: 'stale'; status: number }
  | { kind: 'failed'; error: Error }

/** An upstream request for a head, under way. */
export interface Fetch {
  readonly outcome: Promise<FetchOutcome>
  /** Nobody waits any more: stops it before its answer, lets go of its fill after it. */
  release(): void
}

/** Asks the origin what a key is. Decisions are made as the response head arrives; the body becomes a fill. */
export function fetchHead(context: Context, resource: Resource, exchange: Exchange, plan: FetchPlan): Fetch {
  const { counters, resources, sliceSize } = context
  const { epoch } = resource
  let resolve!: (outcome: FetchOutcome) => void
  const outcome = new Promise<FetchOutcome>((settle) => {
    resolve = settle
  })
  let letGo: (() => void) | null = null
  let stop = ask(plan)

  function ask(next: FetchPlan): () => void {
    return sendWithRetries(
      context,
      {
        method: exchange.method,
        path: exchange.target.path,
        fields: askFields(context, exchange, next),
        body: null,
        cause: exchange.req,
      },
      {
        response: (response, transfer) => accept(response, transfer, next),
        failed: (error) => resolve({ kind: 'failed', error }),
      },
    )
  }

  function accept(response: UpstreamResponse, transfer: Transfer, asked: FetchPlan): BodyHandler {
    const { status } = response
    const { stale } = asked
    if (status === 304 && stale && canValidate(stale)) {
      if (confirms(stale, response)) revalidate(stale, response)
      else stop = ask({ range: null, stale: null })
      return IGNORE_BODY
    }
    if (status >= 500 && stale && staleOnError(stale, Date.now(), 'status')) {
      transfer.abort(new Error('the stored response is served instead'))
      resolve({ kind: 'stale', status })
      return IGNORE_BODY
    }
    // It speaks of the one range that was asked for, and knows nothing of others or of the client's If-Range.
    if (status === 416 && asked.range && !isSingleRange(exchange.fields)) {
      stop = ask({ range: null, stale: null })
      return IGNORE_BODY
    }
    const extent = extentOf(response, exchange.method, asked.range)
    if (!extent) {
      counters.identityRefusals++
      transfer.abort(new WrongAnswer('the origin answered another range than was asked'))
      if (asked.range) stop = ask({ range: null, stale: null })
      else resolve({ kind: 'failed', error: new WrongAnswer(`unusable ${status} response`) })
      return IGNORE_BODY
    }
    return begin(response, transfer, extent)
  }

  function revalidate(stale: Head, response: UpstreamResponse): void {
    const request = { method: exchange.method, fields: exchange.fields }
    const head = freshen(stale, response, request, context.caching)
    counters.revalidated++
    const isCurrent = resource.heads?.some((known) => known.generation === stale.generation)
    if (resource.epoch === epoch && isCurrent) {
      const freshened = { ...response, status: head.status, fields: head.fields }
      const verdict = storable(request, freshened, context.caching)
      if (verdict.store) resources.publish(resource, head, true)
      // What only this request forbids (HEAD, Authorization, no-store) takes nothing from the others.
      else if (!verdict.byRequest) resources.forget(resource, stale)
    }
    resolve({ kind: 'revalidated', head, status: 304 })
  }

  function begin(response: UpstreamResponse, transfer: Transfer, extent: Extent): BodyHandler {
    const head = createHead({
      key: resource.key,
      generation: context.nextGeneration(),
      sliceSize,
      request: { fields: exchange.fields },
      response,
      length: extent.length,
      options: context.caching,
    })
    const stored = mayStore(response, extent)
    const fill = stored
      ? storingFill(context, resource, head, transfer, extent)
      : passingFill(context, transfer, extent)
    letGo = fill.hold()
    const received = without(
      endToEnd(response.fields),
      response.status === 416 ? WRITTEN_ANEW_IN_416 : WRITTEN_ANEW,
    )
    resolve({ kind: stored ? 'stored' : 'unstored', head, fill, status: response.status, received })
    return countingHandler(context, fill)
  }

  function mayStore(response: UpstreamResponse, extent: Extent): boolean {
    if (exchange.method !== 'GET' || resource.epoch !== epoch) return false
    const request = { method: exchange.method, fields: exchange.fields }
    const verdict = storable(request, response, context.caching)
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
      if (letGo) letGo()
      else stop()
      resolve({ kind: 'failed', error: new Error('nobody waits for this answer any more') })
    },
  }
}

function askFields(context: Context, exchange: Exchange, plan: FetchPlan): FieldList {
  const fields = context.upstreamFields(exchange, FILL_FIELDS)
  if (plan.range) fields.push('Range', rangeField(plan.range))
  const { stale } = plan
  if (stale && canValidate(stale)) {
    if (stale.etag) fields.push('If-None-Match', stale.etag)
    if (stale.lastModified) fields.push('If-Modified-Since', stale.lastModified)
  }
  return fields
}

/** A fill whose slices are stored under a new head, or under the generation that it continues. */
function storingFill(
  context: Context,
  resource: Resource,
  head: Head,
  transfer: Transfer,
  extent: Extent,
): Fill {
  const { resources, sliceSize } = context
  const known = (resource.heads ?? []).find(
    (other) =>
      other.sliceSize === sliceSize &&
      combinable(other) &&
      combinable(head) &&
      sameRepresentation(other, head),
  )
  if (known && known.varyKey === head.varyKey) head.generation = known.generation
  // Without a strong validator a part is worth nothing: later slices could not be told to belong to it.
  const early = combinable(head)
  const { epoch } = resource
  const fill = startFill(context, resource, head, transfer, extent, (ended) => {
    if (early || resource.epoch !== epoch) return
    if (ended.state !== 'complete') return resources.forget(resource, head)
    head.length ??= ended.end
    if (resource.heads?.includes(head)) resources.publish(resource, head, true)
  })
  resources.publish(resource, head, early)
  return fill
}

/** A fill that hands its slices to the stores, registered so that other readers of its generation find it. */
export function startFill(
  context: Context,
  resource: Resource,
  head: Head,
  transfer: Transfer,
  extent: Extent,
  onEnded: (fill: Fill) => void,
  registered?: SliceTransfer,
): Fill {
  const { store, counters, resources, sliceSize } = context
  const { generation } = head
  counters.fillsNow++
  const fill = createFill({
    source: transfer,
    sliceSize,
    start: extent.start,
    end: extent.end,
    length: extent.length,
    store(index, slice) {
      const objectBytes = head.length ?? fill.produced
      if (!store.putSlice(resource.key, generation, index, slice, objectBytes)) counters.slicesNotStored++
    },
    memory: context.memory,
    onLost: () => counters.slicesNotStored++,
    onSettled(ended) {
      countEnd(counters, ended)
      onEnded(ended)
      resources.transferEnded(resource, entry)
    },
  })
  const lastIndex = extent.end === null ? Number.POSITIVE_INFINITY : sliceIndex(extent.end - 1, sliceSize)
  const run = { from: sliceIndex(extent.start, sliceSize), to: lastIndex }
  const entry: SliceTransfer = registered ?? { generation, run, fill, ready: Promise.resolve(fill) }
  if (!registered) resource.transfers.add(entry)
  return fill
}

/** A fill for one client, of which nothing is kept. */
function passingFill(context: Context, transfer: Transfer, extent: Extent): Fill {
  const { counters } = context
  counters.fillsNow++
  return createFill({
    source: transfer,
    sliceSize: context.sliceSize,
    start: extent.start,
    end: extent.end,
    length: extent.length,
    store: null,
    memory: context.memory,
    onLost() {},
    onSettled: (ended) => countEnd(counters, ended),
  })
}

function countEnd(counters: Counters, { state }: Fill): void {
  counters.fillsNow--
  if (state === 'failed') counters.truncatedBodies++
  if (state === 'abandoned') counters.abandonedFills++
}

export function countingHandler(context: Context, fill: Fill): BodyHandler {
  const { counters } = context
  return {
    data(chunk) {
      counters.bytesFromOrigin += chunk.length
      fill.data(chunk)
    },
    finished: () => fill.finished(),
    failed: (error) => fill.failed(error),
  }
}

/** Whether the origin's answer to the first range of a request answers the request. */
function isSingleRange(request: FieldList): boolean {
  const parsed = parseRangeSpec(fieldValue(request, 'range'))
  return parsed.kind === 'specs' && parsed.specs.length === 1 && !hasField(request, 'if-range')
}

/** Whether a stale head has a validator to ask with. One of unknown length is still on its way: a 304 would not complete it. */
function canValidate(head: Head): boolean {
  return head.length !== null && (head.etag !== null || head.lastModified !== null)
}
