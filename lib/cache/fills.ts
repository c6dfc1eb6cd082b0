import { fieldValue } from '../semantics/fields.ts'
import type { FieldList, Head } from '../semantics/types.ts'
import { combinable, sameRepresentation } from '../semantics/validators.ts'
import { variantKey } from '../semantics/vary.ts'
import { sliceIndex } from '../slices/arithmetic.ts'
import { createFill, type Fill } from '../slices/fill.ts'
import type { Extent } from '../upstream/extent.ts'
import type { BodyHandler, Transfer } from '../upstream/origin.ts'
import type { Context } from './context.ts'
import { withOne } from './few.ts'
import { errorText } from './problems.ts'
import type { Resource, SliceTransfer } from './resource.ts'
import { shownKey } from './shown.ts'

/** A fill whose slices are stored under a new head, or under the generation that it continues. */
export function storingFill(
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
      sameRepresentation(other, head) &&
      variantKey(other) === variantKey(head),
  )
  if (known) head.generation = known.generation
  // Without a strong validator a part is worth nothing: later slices could not be told to belong to it.
  const early = combinable(head)
  const { epoch } = resource
  const fill = startFill(context, resource, head, transfer, extent, (ended) => {
    if (early || resource.epoch !== epoch) return
    if (ended.state !== 'complete') return resources.forget(resource, head)
    if (!context.bans.mayKeep(head)) return resources.forget(resource, head)
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
  const contentType = head.contentEncoding === '' ? fieldValue(head.fields, 'content-type') : undefined
  const fill = createFill({
    source: transfer,
    sliceSize,
    start: extent.start,
    end: extent.end,
    length: extent.length,
    store(index, slice) {
      const about = { objectBytes: head.length ?? fill.produced, contentType }
      if (!store.putSlice(resource.key, generation, index, slice, about)) counters.slicesNotStored++
    },
    memory: context.memory,
    onLost: () => counters.slicesNotStored++,
    onSettled(ended) {
      end(ended)
      onEnded(ended)
      resources.transferEnded(resource, entry)
    },
  })
  const end = begun(context, resource.key, fill)
  const lastIndex = extent.end === null ? Number.POSITIVE_INFINITY : sliceIndex(extent.end - 1, sliceSize)
  const run = { from: sliceIndex(extent.start, sliceSize), to: lastIndex }
  const entry: SliceTransfer = registered ?? { generation, run, fill, ready: Promise.resolve(fill) }
  if (!registered) resource.transfers = withOne(resource.transfers, entry)
  return fill
}

/** A fill for one client, of which nothing is kept. */
export function passingFill(context: Context, resource: Resource, transfer: Transfer, extent: Extent): Fill {
  const fill = createFill({
    source: transfer,
    sliceSize: context.sliceSize,
    start: extent.start,
    end: extent.end,
    length: extent.length,
    store: null,
    memory: context.memory,
    onLost() {},
    onSettled: (ended) => end(ended),
  })
  const end = begun(context, resource.key, fill)
  return fill
}

let begunFills = 0

/** Counts a fill from now on; the result is to be called with it when it has ended. */
function begun({ counters, fills, problems }: Context, key: string, fill: Fill): (ended: Fill) => void {
  // By a number: of an object V8 would make a hash first.
  const number = ++begunFills
  fills.set(number, { key, fill, startedAt: performance.now() })
  counters.fillsNow++
  return ({ state, error }) => {
    fills.delete(number)
    counters.fillsNow--
    if (state === 'abandoned') counters.abandonedFills++
    if (state !== 'failed') return
    counters.truncatedBodies++
    problems.add('body', error ? errorText(error) : 'failed', shownKey(key))
  }
}

/** @param trailers filled before the fill ends */
export function countingHandler(context: Context, fill: Fill, trailers: FieldList = []): BodyHandler {
  const { counters } = context
  return {
    keepsNothing: !fill.stores,
    data(chunk, block) {
      counters.bytesFromOrigin += chunk.length
      fill.data(chunk, block)
    },
    finished(received) {
      trailers.push(...received)
      fill.finished()
    },
    failed: (error) => fill.failed(error),
  }
}
