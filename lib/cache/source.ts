import type { Head } from '../semantics/types.ts'
import { neededPart, sliceIndex } from '../slices/arithmetic.ts'
import type { Fill } from '../slices/fill.ts'
import type { SliceSource } from '../slices/reader.ts'
import type { Sequence, Slice } from '../stores/store.ts'
import { retryDelay } from '../upstream/retry.ts'
import { type Context, type Exchange, MAX_FAILURES } from './context.ts'
import type { Resource } from './resource.ts'
import {
  canFetchSlices,
  isPresent,
  mayShare,
  openTransfer,
  RepresentationChanged,
  transferAt,
} from './slice-transfers.ts'

export type Tier = 'l1' | 'l2'

export interface ResponseSource extends SliceSource {
  /**
   * The tier that has the slice with the byte at `offset`, 'l1' or 'l2', after making it available up to `last`; undefined
   * when no store has it.
   */
  open(offset: number, last: number): Tier | undefined | Promise<Tier | undefined>
  /** Lets go of transfers that were opened ahead, and of all that was read and not sent. */
  close(): void
}

/** Where one response finds the slices of a stored representation. */
export function createSource(
  context: Context,
  resource: Resource,
  exchange: Exchange,
  head: Head,
): ResponseSource {
  const { store, sliceSize, counters } = context
  const { key } = resource
  const { generation } = head
  const objectBytes = head.length ?? 0
  const ahead: (() => void)[] = []
  let closed = false
  // The failure that this reader comes back from: a transfer begun again because of it costs a retry.
  let failure: Error | null = null
  let heals = 0
  let failedAt = 0
  // A slice that was read from disk to open the response, for which memory may have no room.
  let opened: { index: number; slice: Slice } | null = null

  // The slices of one range that are read from disk; null: none were, or not lately.
  let sequence: (Sequence & { last: number }) | null = null

  function fromDisk(offset: number, last: number): Slice | undefined | Promise<Slice | undefined> {
    const found = readFromDisk(offset, last)
    return found instanceof Promise ? found.then((slice) => slice ?? broughtMeanwhile(offset, last)) : found
  }

  /** A transfer can have brought it while the disk was asked, and its fill have let go of it: it is not fetched once more. */
  function broughtMeanwhile(offset: number, last: number): Slice | undefined | Promise<Slice | undefined> {
    const index = sliceIndex(offset, sliceSize)
    if (!store.hasSlice(key, generation, index)) return undefined
    const part = neededPart(offset, last, sliceSize, head.length)
    return store.l1Slice(key, generation, index) ?? store.l2Slice(key, generation, index, objectBytes, part)
  }

  function readFromDisk(offset: number, last: number): Slice | undefined | Promise<Slice | undefined> {
    const index = sliceIndex(offset, sliceSize)
    const part = neededPart(offset, last, sliceSize, head.length)
    if (sequence?.last !== last) {
      letGo()
      if (sliceIndex(last, sliceSize) === index) {
        return store.l2Slice(key, generation, index, objectBytes, part)
      }
      sequence = { ...store.l2Sequence(key, generation, lastWhole(last), objectBytes), last }
    }
    return sequence!.get(index, part)
  }

  /** Index of the last slice of which a response that ends with the byte `last` needs more than a part. */
  function lastWhole(last: number): number {
    const index = sliceIndex(last, sliceSize)
    return neededPart(index * sliceSize, last, sliceSize, head.length) ? index - 1 : index
  }

  function letGo(): void {
    sequence?.close()
    sequence = null
  }

  /** The run of missing slices from `index` on, at most to `lastIndex`. */
  function runFrom(index: number, lastIndex: number) {
    let to = index
    while (to < lastIndex && !isPresent(context, resource, head, to + 1)) to++
    return { from: index, to }
  }

  /** Opens the next runs of missing slices too, within what one response may have open at once. */
  function openAhead(after: number, lastIndex: number): void {
    let index = after
    while (exchange.subrequests < context.maxConcurrentSubrequests) {
      while (index <= lastIndex && isPresent(context, resource, head, index)) index++
      if (index > lastIndex) return
      const run = runFrom(index, lastIndex)
      const transfer = openTransfer(context, resource, exchange, head, run)
      transfer.ready.then(
        (fill) => {
          // The client may have gone before the origin answered: a hold taken then would never end.
          if (!closed) ahead.push(fill.hold())
        },
        () => {},
      )
      index = run.to + 1
    }
  }

  function fillAt(offset: number, last: number): Promise<Fill> {
    // How long the transfer takes is not known.
    letGo()
    const cause = failure
    failure = null
    const joined = transferAt(context, resource, exchange, head, offset)
    if (joined) return joined.ready.catch((error) => takeOver(error, offset, last))
    if (!canFetchSlices(head)) {
      return Promise.reject(new Error('a slice is missing and cannot be fetched by itself'))
    }
    if (cause) {
      // Paid by the one who opens the transfer: a thousand readers of one cut body are one retry.
      if (!context.budget.spend()) return Promise.reject(cause)
      counters.healedTransfers++
    }
    const lastIndex = sliceIndex(Math.min(last, head.length! - 1), sliceSize)
    const run = exchange.isSliceable()
      ? runFrom(sliceIndex(offset, sliceSize), lastIndex)
      : { from: 0, to: sliceIndex(head.length! - 1, sliceSize) }
    const transfer = openTransfer(context, resource, exchange, head, run)
    // What is not shared cannot be found again.
    if (exchange.isSliceable() && mayShare(context, exchange, head)) openAhead(run.to + 1, lastIndex)
    return transfer.ready
  }

  /** What another client's request was refused says nothing of ours: one of those who waited for it asks again. */
  function takeOver(error: Error, offset: number, last: number): Promise<Fill> {
    if (error instanceof RepresentationChanged || ++exchange.failures >= MAX_FAILURES) throw error
    return fillAt(offset, last)
  }

  return {
    sliceSize,
    length: () => head.length,

    open(offset, last) {
      const index = sliceIndex(offset, sliceSize)
      if (store.l1Slice(key, generation, index)) return 'l1'
      const found = fromDisk(offset, last)
      return found instanceof Promise ? found.then(keep) : keep(found)

      function keep(slice: Slice | undefined): Tier | undefined {
        if (!slice) return undefined
        opened = { index, slice }
        return 'l2'
      }
    },

    fromMemory(index) {
      if (opened?.index === index) {
        const { slice } = opened
        opened = null
        return slice
      }
      return store.l1Slice(key, generation, index)
    },

    fromDisk,
    letGo,

    fillAt,

    async afterFailure(error, offset) {
      // Failures count together only where no slice came between them: a long download may meet many.
      heals = offset - failedAt >= sliceSize ? 1 : heals + 1
      failedAt = offset
      if (!canFetchSlices(head) || heals > context.maxRetries) throw error
      failure = error
      await new Promise((resolve) => setTimeout(resolve, retryDelay(heals)))
    },

    served(bytes) {
      counters.bytesFromCache += bytes
    },

    close() {
      closed = true
      letGo()
      opened?.slice.loan?.releaseAll()
      opened = null
      for (const release of ahead) release()
    },
  }
}

/** The source of a response of which nothing is stored: the one fill that the client came with. */
export function passingSource(context: Context, fill: Fill): ResponseSource {
  return {
    sliceSize: context.sliceSize,
    length: () => fill.length,
    open: () => undefined,
    fromMemory: () => undefined,
    fromDisk: () => undefined,
    letGo() {},
    fillAt: () => Promise.reject(fill.error ?? new Error('the transfer no longer has these bytes')),
    afterFailure: (error) => Promise.reject(error),
    served() {},
    close() {},
  }
}
