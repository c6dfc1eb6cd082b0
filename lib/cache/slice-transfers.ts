import { hasField } from '../semantics/fields.ts'
import { freshen } from '../semantics/head.ts'
import { policyOf } from '../semantics/policy.ts'
import { FILL_FIELDS } from '../semantics/request-fields.ts'
import { storable } from '../semantics/storable.ts'
import type { Head } from '../semantics/types.ts'
import { combinable, sameRepresentation, validatorsOf } from '../semantics/validators.ts'
import { variantKey } from '../semantics/vary.ts'
import { type Run, runBytes, sliceIndex } from '../slices/arithmetic.ts'
import type { Fill } from '../slices/fill.ts'
import { extentOf, rangeField } from '../upstream/extent.ts'
import { WrongAnswer } from '../upstream/failure.ts'
import { type BodyHandler, IGNORE_BODY, type Transfer, type UpstreamResponse } from '../upstream/origin.ts'
import type { Context, Exchange } from './context.ts'
import { withOne } from './few.ts'
import { countingHandler, startFill } from './fills.ts'
import { keepFreshened } from './freshening.ts'
import type { Resource, SliceTransfer } from './resource.ts'
import { sendWithRetries } from './send.ts'
import { shownKey } from './shown.ts'

/** A reader waits for a fill that is at most this many slices behind it, and fetches from its own place otherwise. */
const JOIN_SLICES = 2

/** The origin no longer has the representation that a response was begun with. */
export class RepresentationChanged extends Error {
  override name = 'RepresentationChanged'
}

/** The origin answered this client's request with an error that says nothing of the representation (401, 403, 429 …). */
export class SlicesRefused extends Error {
  override name = 'SlicesRefused'
}

/** Whether missing slices of a head can be fetched by themselves, and trusted to belong to it. */
export function canFetchSlices(head: Head): boolean {
  return head.length !== null && combinable(head)
}

/**
 * Whether what is fetched for this request may be for others too: not what it forbids to store, nor what its
 * credentials may have opened (RFC 9111 sections 3.5 and 5.2.1.5).
 */
export function mayShare({ caching }: Context, { fields }: Exchange, head: Head): boolean {
  if (!hasField(fields, 'authorization') && !hasField(fields, 'cache-control')) return true
  const verdict = storable({ method: 'GET', fields }, head, policyOf(head.fields, caching.targets), caching)
  return verdict.store || !verdict.byRequest
}

/** The transfer that brings the byte at `offset` soon enough, if one is under way. */
export function transferAt(
  context: Context,
  resource: Resource,
  exchange: Exchange,
  head: Head,
  offset: number,
): SliceTransfer | undefined {
  const { sliceSize } = context
  const patient = !canFetchSlices(head) || !exchange.isSliceable()
  for (const transfer of resource.transfers) {
    if (!comesBy(transfer, head.generation, sliceIndex(offset, sliceSize))) continue
    const { fill } = transfer
    if (fill && !fill.covers(offset)) continue
    const at = fill ? fill.produced : transfer.run.from * sliceSize
    if (patient || offset - at <= JOIN_SLICES * sliceSize) return transfer
  }
  return undefined
}

function comesBy(transfer: SliceTransfer, generation: number, index: number): boolean {
  return transfer.generation === generation && index >= transfer.run.from && index <= transfer.run.to
}

/** Whether a slice need not be fetched: a store has it, or a transfer under way will bring it. */
export function isPresent(context: Context, resource: Resource, head: Head, index: number): boolean {
  if (context.store.hasSlice(resource.key, head.generation, index)) return true
  for (const transfer of resource.transfers) {
    if (!comesBy(transfer, head.generation, index)) continue
    const { fill } = transfer
    if (!fill || fill.covers(index * context.sliceSize)) return true
  }
  return false
}

/**
 * Asks the origin for a run of slices, one upstream request for the run, and registers it before it is
 * sent, so that whoever wants one of these slices meanwhile waits for this one (invariant 6).
 */
export function openTransfer(
  context: Context,
  resource: Resource,
  exchange: Exchange,
  head: Head,
  run: Run,
): SliceTransfer {
  const { counters, resources, sliceSize } = context
  const bytes = runBytes(run, sliceSize, head.length)
  const asked = exchange.isSliceable() ? { first: bytes.first, last: bytes.last } : null
  const { promise, resolve, reject } = Promise.withResolvers<Fill>()
  promise.catch(() => {}) // a run that was opened ahead may fail before anybody waits for it
  const transfer: SliceTransfer = { generation: head.generation, run, fill: null, ready: promise }
  const { epoch } = resource
  const shared = mayShare(context, exchange, head)

  if (shared) {
    // Others that would come by this run later leave it to this one.
    for (const other of resource.transfers) {
      if (comesBy(other, head.generation, run.from)) other.fill?.truncate(bytes.first)
    }
    resource.transfers = withOne(resource.transfers, transfer)
  }
  exchange.subrequests++

  const fields = context.upstreamFields(exchange, SLICE_DECISION)
  if (head.acceptEncoding !== null) fields.push('Accept-Encoding', head.acceptEncoding)
  if (asked) {
    fields.push('Range', rangeField(asked))
    const validator = head.etag && !head.etag.startsWith('W/') ? head.etag : head.lastModified
    if (validator) fields.push('If-Range', validator)
  }
  sendWithRetries(
    context,
    exchange,
    { method: 'GET', path: exchange.target.path, fields, body: null, cause: exchange.req, awaited: true },
    { response: accept, failed: (error) => fail(error) },
  )

  function fail(error: Error): void {
    exchange.subrequests--
    resources.transferEnded(resource, transfer)
    reject(error)
  }

  function accept(response: UpstreamResponse, sender: Transfer): BodyHandler {
    const { status, fields: received } = response
    const extent = extentOf(response, 'GET', asked)
    const partOfIt =
      (status === 200 || status === 206) &&
      extent !== undefined &&
      (extent.length === null || extent.length === head.length) &&
      sameRepresentation(head, validatorsOf(received, head.length))
    if (!extent || !partOfIt) {
      sender.abort(new WrongAnswer('not the representation that was asked for'))
      if (status >= 500) {
        counters.subrequestFailures++
        fail(new Error(`the origin answered ${status}`))
      } else if (status >= 400 && !GONE.has(status)) {
        fail(new SlicesRefused(`the origin answered ${status}`))
      } else {
        counters.identityRefusals++
        context.problems.add('answer', `${status} with another representation`, shownKey(resource.key))
        if (resource.epoch === epoch) resources.forget(resource, head)
        fail(new RepresentationChanged(`the origin answered ${status} with another representation`))
      }
      return IGNORE_BODY
    }
    // An origin that ignores Range sends everything from the first byte: it is cut all the same.
    extent.end ??= head.length
    extent.length ??= head.length
    if (status === 206) freshenByPart(response)
    const fill = startFill(context, resource, head, sender, extent, () => exchange.subrequests--, transfer)
    transfer.fill = fill
    const isCurrent = resource.heads?.some((known) => known.generation === head.generation)
    if (!shared || resource.epoch !== epoch || !isCurrent) fill.stopStoring()
    // Small slices are complete before those who wait run again: what they came for is kept until they have attached.
    setImmediate(fill.hold())
    resolve(fill)
    return countingHandler(context, fill)
  }

  /** A part of the same representation renews what is stored of it (RFC 9111 section 3.4). */
  function freshenByPart(response: UpstreamResponse): void {
    const current = resource.heads?.find((known) => variantKey(known) === variantKey(head))
    if (current?.generation !== head.generation) return
    const { fields } = exchange
    const fresh = freshen(current, response, { fields: exchange.forwarded() }, context.caching)
    if (fresh.head.date < current.date) return
    keepFreshened(context, resource, epoch, fields, current, fresh.head, fresh.policy)
  }

  return transfer
}

/** Client errors that speak of the representation and not of who asks. */
const GONE: ReadonlySet<number> = new Set([404, 410, 412, 416])

const SLICE_DECISION: ReadonlySet<string> = new Set([...FILL_FIELDS, 'accept-encoding'])
