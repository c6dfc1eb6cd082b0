import type { MemoryBlock } from '../stores/memory-block.ts'
import type { Slice } from '../stores/store.ts'
import { sliceIndex } from './arithmetic.ts'
import type { FillMemory } from './fill-memory.ts'
import { type FillReader, type Followed, Reader } from './fill-reader.ts'
import { createSegments, type Segments } from './segments.ts'

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
  /** Length of the complete representation; null while unknown. A fill of a part ends before it. */
  readonly length: number | null
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

export function createFill(options: FillOptions): Fill {
  return new UpstreamFill(options)
}

const NOBODY: Set<Reader> = new Set()

/**
 * A class: as closures its parts would be garbage for each transfer. Its fields are data that is written: getters in a literal would be
 * dearer yet.
 */
class UpstreamFill implements Fill, Followed {
  state: FillState = 'running'
  error: Error | null = null
  readonly stores: boolean
  readonly start: number
  end: number | null
  length: number | null
  produced: number
  readers = 0
  readonly #options: FillOptions
  readonly #segments: Segments
  // Most have one reader at a time.
  #first: Reader | null = null
  #others = NOBODY
  #isStoring: boolean
  #isPaused = false
  /** Offset of the fastest reader. */
  #fastest: number
  #holds = 0
  #isWanted = false
  /** Readers whose client takes nothing. */
  #blocked = 0
  #abandonAt = Number.POSITIVE_INFINITY
  /** Of the slice in the making. */
  #sliceStart: number
  /** A first slice that does not start at its boundary cannot become whole. */
  #isKeeping: boolean
  #reserved = 0

  constructor(options: FillOptions) {
    const { start, end, length, sliceSize } = options
    this.stores = options.store !== null
    this.start = start
    this.end = end
    this.length = length
    this.produced = start
    this.#options = options
    // What nobody stores nobody shares: a client that stalls keeps what it would keep anyway.
    this.#segments = createSegments(start, sliceSize, this.stores ? undefined : sliceSize)
    this.#isStoring = this.stores
    this.#fastest = start
    this.#sliceStart = start
    this.#isKeeping = this.stores && start % sliceSize === 0
  }

  covers(offset: number): boolean {
    if (offset < this.#segments.start || (this.end !== null && offset >= this.end)) return false
    return this.state === 'running' || offset < this.#segments.end
  }

  attach(offset: number): FillReader {
    const reader = new Reader(this, this.#segments, offset)
    if (this.#first === null) this.#first = reader
    else {
      if (this.#others === NOBODY) this.#others = new Set()
      this.#others.add(reader)
    }
    this.readers++
    this.#abandonAt = Number.POSITIVE_INFINITY
    if (offset > this.#fastest) this.#fastest = offset
    this.#setPace()
    return reader
  }

  moved(reader: Reader): void {
    if (reader.offset > this.#fastest) this.#fastest = reader.offset
    if (!reader.isAttached) return
    this.#forgetOld()
    if (this.#isPaused) this.#setPace()
  }

  blocked(change: 1 | -1): void {
    this.#blocked += change
    this.#setPace()
  }

  left(reader: Reader): void {
    if (this.#first === reader) this.#first = null
    else this.#others.delete(reader)
    this.readers--
    if (reader.isBlocked) this.#blocked--
    reader.wakeUp()
    if (this.state !== 'running') {
      this.#letGo()
      return
    }
    if (reader.offset === this.#fastest) {
      this.#fastest = Math.max(this.start, this.#first?.offset ?? this.start)
      for (const { offset } of this.#others) if (offset > this.#fastest) this.#fastest = offset
    }
    if (this.readers === 0) this.#nobodyWants()
    else this.#setPace()
  }

  atHand(first: number, last: number): Buffer | undefined {
    const bytes = this.#segments.lasting(first)
    const length = last - first + 1
    if (bytes === undefined || bytes.length < length) return undefined
    return bytes.length === length ? bytes : bytes.subarray(0, length)
  }

  hold(): () => void {
    this.#holds++
    let held = true
    return () => {
      if (!held) return
      held = false
      this.#holds--
      if (this.#holds > 0 || this.readers > 0) return
      if (this.state === 'running') this.#nobodyWants()
      else this.#letGo()
    }
  }

  finishAlone(): void {
    this.#isWanted = true
    this.#setPace()
  }

  truncate(at: number): void {
    const produced = this.#segments.end
    if (this.state !== 'running' || at < produced || (this.end !== null && at >= this.end)) return
    this.end = at
    if (produced === at) this.#endEarly()
  }

  stopStoring(): void {
    this.#isStoring = false
    this.#isKeeping = false
    this.#release()
  }

  shed(): void {
    if (this.#isKeeping) this.#options.onLost()
    this.#isKeeping = false
    this.#release()
    this.#forgetOld()
  }

  data(chunk: Buffer, block?: MemoryBlock): void {
    if (this.state !== 'running') return
    const segments = this.#segments
    const rest = this.end === null ? chunk.length : this.end - segments.end
    const truncated = this.end !== this.#options.end
    if (chunk.length > rest && !truncated) {
      const reason = new Error('the body is longer than its stated length')
      this.#settle('failed', reason)
      this.#options.source.abort(reason)
      return
    }
    const bytes = chunk.length > rest ? chunk.subarray(0, rest) : chunk
    if (this.#isKeeping) {
      if (this.#options.memory.reserve(bytes.length)) this.#reserved += bytes.length
      else this.shed()
    }
    const isWhole = bytes.length === rest && segments.end === this.start && this.end !== null
    segments.append(bytes, block, isWhole)
    this.produced = segments.end
    this.#cutSlices()
    if (truncated && segments.end === this.end) this.#endEarly()
    else if (segments.end >= this.#abandonAt) this.#abandon()
    // Those who take it at once make room, or say that their client is full: before the pace is set, and memory for more is there.
    else this.#wakeAll()
    if (this.state !== 'running') return
    this.#forgetOld()
    this.#setPace()
  }

  finished(): void {
    if (this.state !== 'running') return
    const produced = this.#segments.end
    // Invariant 1: a transfer that ended before its length is a failed one.
    if (this.end !== null && produced < this.end) {
      this.failed(new Error('the body ended before its length'))
      return
    }
    if (this.end === null) this.length = this.end = produced
    this.#cutSlices()
    this.#settle('complete', null)
  }

  failed(reason: Error): void {
    this.#settle('failed', reason)
  }

  #wakeAll(): void {
    this.#first?.wakeUp()
    if (this.#others.size > 0) for (const reader of this.#others) reader.wakeUp()
  }

  #settle(next: FillState, reason: Error | null): void {
    if (this.state !== 'running') return
    this.state = next
    this.error = reason
    this.#release()
    if (this.#isPaused) this.#options.memory.paused.delete(this)
    this.#options.onSettled(this)
    this.#wakeAll()
  }

  #release(): void {
    this.#options.memory.used -= this.#reserved
    this.#reserved = 0
  }

  #setPaused(next: boolean): void {
    if (next === this.#isPaused || this.state !== 'running') return
    const { memory, source } = this.#options
    this.#isPaused = next
    if (next) {
      // What stores nothing has nothing to give.
      if (this.#isStoring) memory.paused.add(this)
      source.pause()
    } else {
      memory.paused.delete(this)
      source.resume()
    }
  }

  /** Invariant 5: the pace is that of the fastest reader; without readers it is free. */
  #setPace(): void {
    const ahead = this.#segments.end - this.#fastest > FILL_WINDOW
    if (this.readers === 0) this.#setPaused(this.#holds > 0 && !this.#isWanted && ahead)
    else this.#setPaused(ahead || this.#blocked === this.readers)
  }

  #forgetOld(): void {
    const { start, end } = this.#segments
    let before = end - KEPT_BEHIND
    if (this.readers === 0) before = this.#holds > 0 && !this.#isWanted ? start : end
    else if (this.readers === 1) before = Math.min(this.#only().offset, end)
    else before = Math.min(before, this.#fastest)
    this.#segments.dropBefore(this.#isKeeping ? Math.min(before, this.#sliceStart) : before)
  }

  #only(): Reader {
    return this.#first ?? this.#others.values().next().value!
  }

  /** Of a fill that has ended, when nobody can come to read from it any more. */
  #letGo(): void {
    if (this.readers === 0 && this.#holds === 0) this.#segments.dropBefore(this.#segments.end)
  }

  /** Hands over every slice that has become whole, and begins the next. */
  #cutSlices(): void {
    const { sliceSize } = this.#options
    const segments = this.#segments
    for (;;) {
      const start = this.#sliceStart
      const index = sliceIndex(start, sliceSize)
      const boundary = (index + 1) * sliceSize
      // Only the last slice of the representation may be short.
      const end = segments.end >= boundary ? boundary : segments.end === this.length ? segments.end : 0
      if (end === 0 || end === start) return
      if (this.#isKeeping && this.#isStoring) {
        const { segments: theirs, blocks } = segments.between(start, end)
        this.#options.store!(index, { length: end - start, segments: theirs, blocks })
      }
      this.#release()
      this.#sliceStart = end
      this.#isKeeping = this.#isStoring
    }
  }

  #nobodyWants(): void {
    if (this.#isWanted) this.#setPace() // a reader that stood still may have been the last to leave
    if (this.state !== 'running' || this.readers > 0 || this.#holds > 0 || this.#isWanted) return
    const { sliceSize } = this.#options
    const produced = this.#segments.end
    const remaining = this.end === null ? sliceSize : this.end - produced
    const span = this.end === null ? 0 : this.end - this.start
    const limit = Math.max(sliceSize, Math.min(NEARLY_DONE_BYTES, span * NEARLY_DONE_SHARE))
    if (!this.#isStoring || remaining > limit) {
      this.#abandon()
      return
    }
    // Of a transfer whose end nobody knows, one slice more may come.
    if (this.end === null) this.#abandonAt = produced + sliceSize
    this.#setPaused(false)
  }

  #endEarly(): void {
    this.#settle('complete', null)
    this.#options.source.abort(new Error('the rest of this transfer is being fetched elsewhere'))
  }

  #abandon(): void {
    const reason = new Error('nobody wants this transfer any more')
    this.#settle('abandoned', reason)
    this.#letGo()
    this.#options.source.abort(reason)
  }
}
