import { createFill, type Fill, type FillOptions } from '../../lib/slices/fill.ts'
import { createFillMemory, type FillMemory } from '../../lib/slices/fill-memory.ts'

/** A fill without an upstream: the test sends the bytes, and sees what the fill wants of the source. */
export interface TestFill {
  readonly fill: Fill
  readonly memory: FillMemory
  /** Slices that were handed over, by index. */
  readonly stored: Map<number, Buffer>
  readonly paused: boolean
  readonly aborted: boolean
  readonly lost: number
  readonly settled: number
}

export function testFill(options: Partial<FillOptions> & { sliceSize: number }): TestFill {
  const state = { paused: false, aborted: false, lost: 0, settled: 0 }
  const stored = new Map<number, Buffer>()
  const memory = options.memory ?? createFillMemory(Number.POSITIVE_INFINITY)
  const fill = createFill({
    source: {
      pause: () => void (state.paused = true),
      resume: () => void (state.paused = false),
      abort: () => void (state.aborted = true),
    },
    start: 0,
    end: null,
    length: null,
    store: (index, slice) => void stored.set(index, Buffer.concat(slice.segments)),
    memory,
    onLost: () => void state.lost++,
    onSettled: () => void state.settled++,
    ...options,
  })
  return {
    fill,
    memory,
    stored,
    get paused() {
      return state.paused
    },
    get aborted() {
      return state.aborted
    },
    get lost() {
      return state.lost
    },
    get settled() {
      return state.settled
    },
  }
}

/** Sends bytes in chunks of these sizes, over and over. */
export function sendChunks(fill: Fill, bytes: Buffer, sizes: readonly number[]): void {
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = Math.max(1, sizes[i % sizes.length])
    fill.data(bytes.subarray(at, at + size))
    at += size
  }
}
