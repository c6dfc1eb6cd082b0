import type { Sequence, Slice, SlicePart } from '../store.ts'

/**
 * Reading ahead: a response that has asked for two slices in a row will want the next ones too, so they are read while
 * it sends. What is read ahead and never asked for costs reads and memory: the window begins with one slice, grows only
 * while its slices are used, and all windows together have a limit.
 */

/** Most slices that are read ahead of one response. */
const MOST_AHEAD = 4

export interface ReadAheadOptions {
  /** Most bytes that all slices read ahead may have together; less than one slice: nothing is read ahead. */
  maxBytes: number
  /** Bytes that a slice is taken for where a response has not read a whole one yet. */
  sliceBytes: number
}

export interface SequenceOptions {
  /** Never rejects. */
  read(index: number, part?: SlicePart): Slice | undefined | Promise<Slice | undefined>
  /** Whether a read will probably find it. */
  has(index: number): boolean
  /** Index of the last slice that may be read ahead. */
  last: number
}

export interface ReadAheadFigures {
  /** Reads that were begun ahead. */
  slices: number
  /** Of these, the ones that were asked for. */
  used: number
  /** Of these, the ones that nobody wanted any more. The rest is held. */
  wasted: number
  /** Bytes reserved for what is held, and for what nobody wants but is still being read. */
  bytes: number
}

export interface ReadAhead {
  open(options: SequenceOptions): Sequence
  figures(): ReadAheadFigures
}

/** A slice that is being or was read ahead. */
interface Ahead {
  /** Undefined while it is being read. */
  found: { slice: Slice | undefined } | undefined
  /** What the read comes to; undefined when it was there at once. */
  arrival: Promise<Slice | undefined> | undefined
  /** Reserved for it. */
  bytes: number
  /** Nobody waits for it any more. */
  dropped: boolean
}

export function createReadAhead({ maxBytes, sliceBytes }: ReadAheadOptions): ReadAhead {
  const figures: ReadAheadFigures = { slices: 0, used: 0, wasted: 0, bytes: 0 }
  const hasRoom = (bytes: number) => figures.bytes + bytes <= maxBytes

  function begin(read: SequenceOptions['read'], index: number, bytes: number): Ahead {
    figures.slices++
    figures.bytes += bytes
    const ahead: Ahead = { found: undefined, arrival: undefined, bytes, dropped: false }
    const reading = read(index)
    if (reading instanceof Promise) {
      ahead.arrival = reading
      reading.then((slice) => {
        ahead.found = { slice }
        if (ahead.dropped) giveBack(ahead, slice)
      })
    } else {
      ahead.found = { slice: reading }
    }
    return ahead
  }

  function drop(ahead: Ahead): void {
    figures.wasted++
    ahead.dropped = true
    // The memory of a read that is under way is in use until it ends.
    if (ahead.found) giveBack(ahead, ahead.found.slice)
  }

  function giveBack({ bytes }: Ahead, slice: Slice | undefined): void {
    figures.bytes -= bytes
    slice?.loan?.releaseAll()
  }

  /** From here on it is the reader's. */
  function handOver(ahead: Ahead): Slice | undefined | Promise<Slice | undefined> {
    figures.used++
    figures.bytes -= ahead.bytes
    return ahead.found ? ahead.found.slice : ahead.arrival
  }

  function open({ read, has, last }: SequenceOptions): Sequence {
    const held = new Map<number, Ahead>()
    let previous = Number.NEGATIVE_INFINITY
    let run = 0 // slices asked for in a row
    let window = 1
    let length = 0 // of the first slice that was read whole: the others have as much
    let closed = false

    function learn(slice: Slice | undefined): void {
      if (slice !== undefined && slice.from === undefined) length = slice.length
    }

    function dropBefore(index: number): void {
      for (const [at, ahead] of held) {
        if (at >= index) continue
        held.delete(at)
        drop(ahead)
      }
    }

    /** A run goes on where slices are left out that the reader found elsewhere, as far as was read ahead. */
    function follow(index: number): void {
      const gap = index - previous
      if (gap === 0) return
      if (gap < 0 || gap > (run < 2 ? 1 : 1 + window)) {
        dropBefore(Number.POSITIVE_INFINITY)
        run = 0
        window = 1
      }
      run++
      previous = index
      dropBefore(index)
    }

    /** @param wanted slices ahead; the window grows to that where there is room */
    function extend(from: number, wanted: number): void {
      const to = Math.min(from + wanted, last)
      const bytes = length || sliceBytes
      for (let index = from + 1; index <= to; index++) {
        if (held.has(index)) continue
        // Behind a hole comes a transfer of the origin: when that has ended is not known.
        if (!has(index) || !hasRoom(bytes)) return
        held.set(index, begin(read, index, bytes))
        window = Math.max(window, index - from)
      }
    }

    return {
      get(index, part) {
        if (closed) return read(index, part)
        follow(index)
        const ahead = held.get(index)
        held.delete(index)
        const slice = ahead ? handOver(ahead) : read(index, part)
        if (length === 0) {
          if (slice instanceof Promise) slice.then(learn)
          else learn(slice)
        }
        if (run >= 2) extend(index, ahead ? Math.min(window + 1, MOST_AHEAD) : window)
        return slice
      },

      close() {
        closed = true
        dropBefore(Number.POSITIVE_INFINITY)
      },
    }
  }

  return { open, figures: () => ({ ...figures }) }
}
