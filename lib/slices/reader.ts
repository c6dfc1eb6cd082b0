import type { ByteRange } from '../semantics/ranges.ts'
import type { Loan, Slice } from '../stores/store.ts'
import { sliceIndex } from './arithmetic.ts'
import type { Fill } from './fill.ts'
import type { FillReader } from './fill-reader.ts'

/**
 * A client that takes nothing for so long, in milliseconds, no longer keeps a whole slice alive, nor what was read ahead
 * for it: it is looked up again.
 */
const LET_GO_AFTER = 1000

/** Where a response's bytes go. */
export interface Sink {
  /**
   * False = wait for `drained()` before the next one.
   * @param taken called once, when nobody reads the bytes any more: the kernel has them, or the connection is closed
   */
  write(bytes: Buffer, taken?: () => void): boolean
  /** Resolves to true when more may be written, also when the client has gone; to false after `within` milliseconds. */
  drained(within?: number): Promise<boolean>
  /** Calls back once when the client has gone; the result takes the callback back. */
  onGone(callback: () => void): () => void
  readonly gone: boolean
}

/** Where a reader finds the slices of one representation. A slice that is lent is the reader's to give back. */
export interface SliceSource {
  readonly sliceSize: number
  /** Length of the representation in bytes; null while a transfer that does not say is under way. */
  length(): number | null
  fromMemory(index: number): Slice | undefined
  /** The slice that holds `offset`, or what of it lies between that and `last`. What follows up to `last` may be read ahead. */
  fromDisk(offset: number, last: number): Slice | undefined | Promise<Slice | undefined>
  /** The client takes nothing: what was read ahead is dropped. */
  letGo(): void
  /**
   * A fill that covers `offset`: one under way, else a new one for the run of missing slices up to `last`.
   * Rejects when the origin fails or no longer has this representation.
   */
  fillAt(offset: number, last: number): Promise<Fill>
  /** A fill failed under the reader: resolves when it may look again (after a pause), rejects when it must give up. */
  afterFailure(error: Error, offset: number): Promise<void>
  /** Told where the bytes of each stored slice came from. */
  served(bytes: number): void
}

/** A fill, and the place in it from which one response takes its bytes. */
export interface Following {
  fill: Fill
  reader: FillReader
}

/**
 * Sends the bytes `range.first` to `range.last` in order: from memory, else from disk, else from a fill.
 * A reader that falls behind its fill comes back through the stores; one whose fill fails looks again.
 *
 * @param first a place in a fill that the caller has already attached at `range.first`
 * @returns true when all was sent, false when the client went away
 * @throws when the bytes cannot be had; the caller must then cut the connection
 */
export async function sendRange(
  source: SliceSource,
  range: ByteRange,
  sink: Sink,
  first?: Following,
): Promise<boolean> {
  let offset = range.first
  let following = first
  while (offset <= range.last && !sink.gone) {
    if (range.last === Number.POSITIVE_INFINITY && isAtEnd(source.length(), offset)) return true
    if (!following) {
      const index = sliceIndex(offset, source.sliceSize)
      let slice = source.fromMemory(index) ?? (await source.fromDisk(offset, range.last))
      const within = offset - index * source.sliceSize - (slice?.from ?? 0)
      // A slice that is too short has nothing for us; taken for one that is there, it would be asked for ever.
      if (slice && within >= 0 && within < slice.length) {
        offset += await sendSlice(slice, within, range.last - offset + 1, source, sink)
        slice = undefined // what is held over the next wait is kept alive by it
        if (await sink.drained(LET_GO_AFTER)) continue
        source.letGo()
        await sink.drained()
        continue
      }
      slice?.loan?.releaseAll()
      if (sink.gone) return false
      const fill = await source.fillAt(offset, range.last)
      if (!fill.covers(offset)) {
        // It may have failed before we came to attach; without this we would ask again at once, and for ever.
        if (fill.error) await source.afterFailure(fill.error, offset)
        continue
      }
      following = { fill, reader: fill.attach(offset) }
    }
    const { fill, reader } = following
    await followFill(fill, reader, range.last, sink)
    offset = reader.offset
    reader.detach()
    following = undefined
    // The end of a transfer may be the end of the body: not for a reader that had fallen behind, nor of a transfer of some slices.
    const atEnd = fill.state === 'complete' && isAtEnd(fill.length, offset)
    if (atEnd && range.last === Number.POSITIVE_INFINITY) return !sink.gone
    if (fill.error && offset <= range.last && offset >= fill.produced && !sink.gone)
      await source.afterFailure(fill.error, offset)
  }
  return !sink.gone
}

function isAtEnd(length: number | null, offset: number): boolean {
  return length !== null && offset >= length
}

/**
 * Sends from one slice until its end, the client's or that of our patience; returns the bytes sent. Of a lent one each
 * segment is given back when the socket has taken it, and what is not sent at once.
 *
 * @param from place in the slice's segments
 */
async function sendSlice(
  { segments, length, loan }: Slice,
  from: number,
  wanted: number,
  source: SliceSource,
  sink: Sink,
): Promise<number> {
  let skip = from
  let rest = Math.min(wanted, length - from)
  let sent = 0
  let next = 0
  try {
    while (next < segments.length) {
      const segment = segments[next]
      if (skip >= segment.length) {
        skip -= segment.length
        loan?.release(next)
        next++
        continue
      }
      const bytes = skip === 0 && rest >= segment.length ? segment : segment.subarray(skip, skip + rest)
      const more = sink.write(bytes, loan && releaseOf(loan, next))
      next++
      skip = 0
      rest -= bytes.length
      sent += bytes.length
      source.served(bytes.length)
      if (rest === 0 || sink.gone) break
      if (!more && !(await sink.drained(LET_GO_AFTER))) break
    }
  } finally {
    if (loan) for (; next < segments.length; next++) loan.release(next)
  }
  return sent
}

function releaseOf(loan: Loan, segment: number): () => void {
  return () => loan.release(segment)
}

/**
 * Follows a fill until the range, the fill or the client ends, or the reader falls behind what the fill keeps. Bytes are sent
 * as they come, within the call that brings them: a promise for each would cost more than sending them.
 */
function followFill(fill: Fill, reader: FillReader, last: number, sink: Sink): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const forget = sink.onGone(() => reader.detach())

  function end(): void {
    forget()
    resolve()
  }

  function fail(error: unknown): void {
    forget()
    reject(error)
  }

  function goOn(): void {
    reader.block(false)
    send()
  }

  function send(): void {
    try {
      while (!sink.gone && reader.offset <= last) {
        const bytes = reader.peek()
        if (bytes) {
          const wanted = last - reader.offset + 1
          const part = bytes.length > wanted ? bytes.subarray(0, wanted) : bytes
          const block = reader.hold()
          const more = sink.write(part, block && (() => block.release()))
          // Before advance: that may resume the upstream, and what it delivers at once would wait here for nobody.
          if (!more) reader.block(true)
          reader.advance(part.length)
          if (more) continue
          sink.drained().then(goOn).catch(fail)
          return
        }
        const isBehind = reader.offset < fill.produced
        if (isBehind || fill.state !== 'running') break
        reader.onChange(send)
        return
      }
      end()
    } catch (error) {
      fail(error)
    }
  }

  send()
  return promise
}
