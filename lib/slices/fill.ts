import type { Mutable } from '../semantics/types.ts'
import type { MemoryBlock } from '../stores/memory-block.ts'
import type { Slice } from '../stores/store.ts'
import { sliceIndex } from './arithmetic.ts'
import type { FillMemory } from './fill-memory.ts'
import { createSegments } from './segments.ts'

/** How far a fill runs ahead of its fastest reader before the upstream is paused, in bytes. */
export const FILL_WINDOW = 32 * 1024
/** How far behind the newest byte a fill keeps bytes for readers that are a little slower, in bytes. */
const KEPT_BEHIND = 256 * 1024
/** A fill that lost its readers is finished all the same when at most this share of it is missing … */
const NEARLY_DONE_SHARE = 0.1
/** … and at most this many bytes (or one slice, where slices are larger). */
const NEARLY_DONE_BYTES = 16 * 1024 * 1024

/** The upstream side of a fill: what produces its bytes. */
export interface FillSource {
  pause(): void
  resume(): void
  /** Stops the transfer; no more events follow. */
  abort(reason: Error): void
}

export interface FillOptions {
  source: FillSource
  sliceSize: number
  /** Absolute offset of the first byte that will arrive. */
  start: number
  /** Absolute offset after the last byte; null when only the end of the transfer will tell. */
  end: number | null
  /** Length of the complete representation; null while unknown. */
  length: number | null
  /** Takes each finished slice, and its blocks, which are held for it; null = nothing of this fill is stored. */
  store: ((index: number, slice: Slice) => void) | null
  memory: FillMemory
  /** Called for each slice that could not be kept for want of memory. */
  onLost(): void
  /** Called once when the fill has ended, however it did. */
  onSettled(fill: Fill): void
}

/** A place in a fill from which one reader takes its bytes. */
export interface FillReader {
  /** Absolute offset of the next byte that this reader wants. */
  readonly offset: number
  /** The next bytes, when they are in memory. The reader moves on by `advance`. */
  peek(): Buffer | undefined
  advance(bytes: number): void
  /** The block that `peek` lies in, if it is to be given back: whoever was given its bytes lets go of it. */
  hold(): MemoryBlock | undefined
  /** Tells that this reader's client takes nothing at the moment, or takes again. */
  block(blocked: boolean): void
  /** Calls back once, from within what changes: when there are bytes, the end, a failure, or `detach`. */
  onChange(callback: () => void): void
  detach(): void
}

export type FillState = 'running' | 'complete' | 'failed' | 'abandoned'

/** One upstream transfer in progress, producing a run of slices that many readers may follow. */
export interface Fill {
  readonly state: FillState
  readonly error: Error | null
  /** Whether it was begun to be stored. */
  readonly stores: boolean
  readonly start: number
  /** Absolute offset after the last byte; null while unknown. */
  readonly end: number | null
  /** Absolute offset after the newest byte. */
  readonly produced: number
  /** Responses that read from it at the moment. */
  readonly readers: number
  /** Whether a reader at `offset` can be served by this fill, now or when it has come so far. */
  covers(offset: number): boolean
  attach(offset: number): FillReader
  /** All bytes from `first` to `last`, if they are in memory now, in one piece that may be kept. */
  atHand(first: number, last: number): Buffer | undefined
  /** Keeps the fill alive for readers that are about to attach; call the result once. */
  hold(): () => void
  /** The fill is wanted to its end, readers or not. */
  finishAlone(): void
  /** Ends the fill early, at a slice boundary that others fetch from on. No effect on what is already produced. */
  truncate(end: number): void
  /** From now on nothing is stored: the representation was purged or replaced. */
  stopStoring(): void
  /** Gives up storing the slice that is in the making, to free its memory. */
  shed(): void
  /** @param block what the chunk lies in, held for the fill */
  data(chunk: Buffer, block?: MemoryBlock): void
  finished(): void
  failed(error: Error): void
}

interface ReaderState extends Mutable<FillReader> {
  wake: (() => void) | null
  blocked: boolean
}

export function createFill(options: FillOptions): Fill {
  const { source, sliceSize, start, length, memory } = options
  // What nobody stores nobody shares: a client that stalls keeps what it would keep anyway.
  const segments = createSegments(start, sliceSize, options.store === null ? sliceSize : undefined)
  const readers = new Set<ReaderState>()
  let store = options.store
  let paused = false
  let fastest = start
  let holds = 0
  let wanted = false
  let blocked = 0 // readers whose client takes nothing
  let abandonAt = Number.POSITIVE_INFINITY
  // The slice in the making. A first slice that does not start at its boundary cannot become whole.
  let sliceStart = start
  let keeping = store !== null && start % sliceSize === 0
  let reserved = 0

  function wakeAll(): void {
    for (const reader of readers) {
      const wake = reader.wake
      if (wake) {
        reader.wake = null
        wake()
      }
    }
  }

  function settle(next: FillState, reason: Error | null): void {
    if (fill.state !== 'running') return
    fill.state = next
    fill.error = reason
    release()
    memory.paused.delete(fill)
    options.onSettled(fill)
    wakeAll()
  }

  function release(): void {
    memory.used -= reserved
    reserved = 0
  }

  function setPaused(next: boolean): void {
    if (next === paused || fill.state !== 'running') return
    paused = next
    if (paused) {
      memory.paused.add(fill)
      source.pause()
    } else {
      memory.paused.delete(fill)
      source.resume()
    }
  }

  /** Invariant 5: the pace is that of the fastest reader; without readers it is free. */
  function setPace(): void {
    const ahead = segments.end - fastest > FILL_WINDOW
    if (fill.readers === 0) setPaused(holds > 0 && !wanted && ahead)
    else setPaused(ahead || blocked === fill.readers)
  }

  function forgetOld(): void {
    let before = segments.end - KEPT_BEHIND
    if (fill.readers === 0) before = holds > 0 && !wanted ? start : segments.end
    else if (fill.readers === 1) for (const only of readers) before = Math.min(only.offset, segments.end)
    else before = Math.min(before, fastest)
    segments.dropBefore(keeping ? Math.min(before, sliceStart) : before)
  }

  /** Of a fill that has ended, when nobody can come to read from it any more. */
  function letGo(): void {
    if (fill.readers === 0 && holds === 0) segments.dropBefore(segments.end)
  }

  /** Hands over every slice that has become whole, and begins the next. */
  function cutSlices(isEnd: boolean): void {
    for (;;) {
      const boundary = (sliceIndex(sliceStart, sliceSize) + 1) * sliceSize
      const last = isEnd || segments.end === length
      const sliceEnd = segments.end >= boundary ? boundary : last ? segments.end : 0
      if (sliceEnd === 0 || sliceEnd === sliceStart) return
      if (keeping && store) {
        const index = sliceIndex(sliceStart, sliceSize)
        const { segments: theirs, blocks } = segments.between(sliceStart, sliceEnd)
        store(index, { length: sliceEnd - sliceStart, segments: theirs, blocks })
      }
      release()
      sliceStart = sliceEnd
      keeping = store !== null
    }
  }

  function nobodyWants(): void {
    if (wanted) setPace() // a reader that stood still may have been the last to leave
    if (fill.state !== 'running' || fill.readers > 0 || holds > 0 || wanted) return
    const remaining = fill.end === null ? sliceSize : fill.end - segments.end
    const span = fill.end === null ? 0 : fill.end - start
    const limit = Math.max(sliceSize, Math.min(NEARLY_DONE_BYTES, span * NEARLY_DONE_SHARE))
    if (store === null || remaining > limit) {
      abandon()
      return
    }
    // Of a transfer whose end nobody knows, one slice more may come.
    if (fill.end === null) abandonAt = segments.end + sliceSize
    setPaused(false)
  }

  function endEarly(): void {
    settle('complete', null)
    source.abort(new Error('the rest of this transfer is being fetched elsewhere'))
  }

  function abandon(): void {
    const reason = new Error('nobody wants this transfer any more')
    settle('abandoned', reason)
    source.abort(reason)
  }

  function attach(offset: number): FillReader {
    const reader: ReaderState = {
      offset,
      wake: null,
      blocked: false,
      peek: () => segments.at(reader.offset),
      advance(bytes) {
        reader.offset += bytes
        if (reader.offset > fastest) fastest = reader.offset
        if (!readers.has(reader)) return
        forgetOld()
        if (paused) setPace()
      },
      block(next) {
        if (next === reader.blocked || !readers.has(reader)) return
        reader.blocked = next
        blocked += next ? 1 : -1
        setPace()
      },
      hold: () => segments.holdAt(reader.offset),
      onChange(callback) {
        reader.wake = callback
      },
      detach() {
        if (!readers.delete(reader)) return
        fill.readers--
        if (reader.blocked) blocked--
        reader.wake?.()
        reader.wake = null
        if (fill.state !== 'running') return letGo()
        if (reader.offset === fastest) {
          fastest = start
          for (const other of readers) if (other.offset > fastest) fastest = other.offset
        }
        if (fill.readers === 0) nobodyWants()
        else setPace()
      },
    }
    readers.add(reader)
    fill.readers++
    abandonAt = Number.POSITIVE_INFINITY
    if (offset > fastest) fastest = offset
    setPace()
    return reader
  }

  // Data that is written here, and no getters: an object literal with getters gets a hidden class of its own from V8, which takes
  // longer than all else and keeps everything that the getters can see until the next major collection.
  const fill: Mutable<Fill> = {
    state: 'running',
    error: null,
    stores: options.store !== null,
    start,
    end: options.end,
    produced: start,
    readers: 0,

    covers(offset) {
      if (offset < segments.start || (fill.end !== null && offset >= fill.end)) return false
      return fill.state === 'running' || offset < segments.end
    },

    attach,

    atHand(first, last) {
      const bytes = segments.lasting(first)
      const length = last - first + 1
      if (bytes === undefined || bytes.length < length) return undefined
      return bytes.length === length ? bytes : bytes.subarray(0, length)
    },

    hold() {
      holds++
      let held = true
      return () => {
        if (!held) return
        held = false
        holds--
        if (holds > 0 || fill.readers > 0) return
        if (fill.state === 'running') nobodyWants()
        else letGo()
      }
    },

    finishAlone() {
      wanted = true
      setPace()
    },

    truncate(at) {
      if (fill.state !== 'running' || at < segments.end || (fill.end !== null && at >= fill.end)) return
      fill.end = at
      if (segments.end === at) endEarly()
    },

    stopStoring() {
      store = null
      keeping = false
      release()
    },

    shed() {
      if (keeping) options.onLost()
      keeping = false
      release()
      forgetOld()
    },

    data(chunk, block) {
      if (fill.state !== 'running') return
      const rest = fill.end === null ? chunk.length : fill.end - segments.end
      const truncated = fill.end !== options.end
      if (chunk.length > rest && !truncated) {
        const reason = new Error('the body is longer than its stated length')
        settle('failed', reason)
        source.abort(reason)
        return
      }
      const bytes = chunk.length > rest ? chunk.subarray(0, rest) : chunk
      if (keeping) {
        if (memory.reserve(bytes.length)) reserved += bytes.length
        else fill.shed()
      }
      segments.append(bytes, block)
      fill.produced = segments.end
      cutSlices(false)
      if (truncated && segments.end === fill.end) return endEarly()
      if (segments.end >= abandonAt) return abandon()
      // Those who take it at once make room, or say that their client is full: before the pace is set, and memory for more is there.
      wakeAll()
      if (fill.state !== 'running') return
      forgetOld()
      setPace()
    },

    finished() {
      if (fill.state !== 'running') return
      // Invariant 1: a transfer that ended before its length is a failed one.
      if (fill.end !== null && segments.end < fill.end)
        return fill.failed(new Error('the body ended before its length'))
      if (fill.end === null) fill.end = segments.end
      // Only a transfer that went on to the end of the representation has its last slice, which may be short.
      cutSlices(options.end === null)
      settle('complete', null)
    },

    failed(reason) {
      settle('failed', reason)
    },
  }
  return fill
}
