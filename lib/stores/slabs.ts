import { ROOM_BYTES, sumsIn } from './checksum/checksum.ts'
import { wasm } from './checksum/wasm.ts'

/** Unit of the memory that is handed out: a page, and the largest sector of a disk, in bytes. */
export const PAGE = 4096

const WASM_PAGE = 65536
/** At the start of an arena: what checksums need. */
const ROOM = Math.ceil(ROOM_BYTES / PAGE) * PAGE

/** What a given page is filled with where `poison` is asked for, so that who reads it too late is caught. */
export const POISON = 0xdb

const TAKEN = 0
const FREE = 1

/** Page-aligned memory of a fixed size, for O_DIRECT, which needs aligned addresses and lengths. */
export interface Slab {
  /** Size of the slab. */
  readonly bytes: number
  /**
   * Memory of whole pages, at least `bytes` long, that begins on a page; its content is arbitrary.
   * Undefined when no such run is free now, or others wait for memory. RangeError below 1 byte.
   */
  take(bytes: number): Buffer | undefined
  /** As `take`, when there is room: first come, first served. Rejects with a RangeError what could never fit. */
  wait(bytes: number): Promise<Buffer>
  /**
   * Takes back what was taken, whole or in parts that begin on a page; every page once.
   * A part that ends within a page stands for all of that page. RangeError for anything else.
   *
   * @param from, to the part of the Buffer; a Buffer of the part would cost more than giving it back
   */
  give(buffer: Buffer, from?: number, to?: number): void
  /** Bytes that are taken now. */
  usedBytes(): number
}

/** Memory that slabs are cut from. */
export interface Arena {
  /** RangeError when the rest of the arena is smaller. `poison`: given pages are overwritten (for tests). */
  slab(bytes: number, options?: { poison?: boolean }): Slab
}

/**
 * Reserves memory for slabs. It is one WebAssembly.Memory, because that is the only memory in Node that is sure to
 * begin on a page (nodejs/node#65003); it never grows, since growing would detach every Buffer. The operating
 * system provides a page when it is first written to. Checksums (checksum.ts) of what lies in slabs need no copy of it.
 *
 * @param bytes sum of the slabs that will be cut from it, each rounded up to pages; RangeError over almost 4 GiB, or when
 * the system refuses
 */
export function createArena(bytes: number): Arena {
  const pages = Math.ceil((ROOM + bytes) / WASM_PAGE)
  const whole = new wasm.Memory({ initial: pages, maximum: pages })
  sumsIn(whole, 0)
  const memory = whole.buffer
  const end = Math.min(ROOM + Math.ceil(bytes / WASM_PAGE) * WASM_PAGE, memory.byteLength)
  let used = ROOM

  return {
    slab(bytes, { poison = false } = {}) {
      const size = Math.ceil(bytes / PAGE) * PAGE
      if (!(size > 0 && used + size <= end)) {
        throw new RangeError(`no slab of ${bytes} bytes in what is left, ${end - used} bytes`)
      }
      used += size
      return createSlab(memory, used - size, size, poison)
    },
  }
}

interface Waiter {
  pages: number
  resolve(buffer: Buffer): void
}

/** First fit by address: it keeps the large runs at the end whole, and touches no more memory than is needed. */
function createSlab(memory: ArrayBuffer, offset: number, bytes: number, poison: boolean): Slab {
  const pages = bytes / PAGE
  const state = new Uint8Array(pages).fill(FREE)
  /** Length of a free run, in pages, at its first and at its last page; arbitrary elsewhere. */
  const runLength = new Uint32Array(pages)
  const waiters: Waiter[] = []
  let used = 0
  /** No page before it is free. */
  let firstFree = 0
  markRun(0, pages)

  function markRun(first: number, length: number): void {
    runLength[first] = runLength[first + length - 1] = length
  }

  function findRun(wanted: number): number {
    for (let at = state.indexOf(FREE, firstFree); at >= 0; at = state.indexOf(FREE, at + runLength[at])) {
      if (runLength[at] >= wanted) return at
    }
    return -1
  }

  function takePages(wanted: number): Buffer | undefined {
    if (wanted > pages - used) return
    const first = findRun(wanted)
    if (first < 0) return
    const rest = runLength[first] - wanted
    if (rest > 0) markRun(first + wanted, rest)
    state.fill(TAKEN, first, first + wanted)
    used += wanted
    if (first === firstFree) firstFree += wanted
    return Buffer.from(memory, offset + first * PAGE, wanted * PAGE)
  }

  function givePages(first: number, length: number): void {
    let start = first
    let end = first + length
    if (start > 0 && state[start - 1] === FREE) start -= runLength[start - 1]
    if (end < pages && state[end] === FREE) end += runLength[end]
    state.fill(FREE, first, first + length)
    markRun(start, end - start)
    used -= length
    firstFree = Math.min(firstFree, start)
  }

  function serveWaiters(): void {
    while (waiters.length > 0) {
      const buffer = takePages(waiters[0].pages)
      if (!buffer) return
      waiters.shift()!.resolve(buffer)
    }
  }

  function pagesFor(bytes: number): number {
    if (!(bytes >= 1)) throw new RangeError(`${bytes} bytes of memory cannot be taken`)
    return Math.ceil(bytes / PAGE)
  }

  return {
    bytes,
    usedBytes: () => used * PAGE,

    take(bytes) {
      const wanted = pagesFor(bytes)
      return waiters.length > 0 ? undefined : takePages(wanted)
    },

    async wait(bytes) {
      const wanted = pagesFor(bytes)
      if (wanted > pages) throw new RangeError(`${bytes} bytes do not fit a slab of ${pages * PAGE} bytes`)
      const buffer = waiters.length > 0 ? undefined : takePages(wanted)
      return buffer ?? new Promise((resolve) => waiters.push({ pages: wanted, resolve }))
    },

    give(buffer, from = 0, to = buffer.length) {
      const first = (buffer.byteOffset + from - offset) / PAGE
      const length = Math.ceil((to - from) / PAGE)
      const isOurs = buffer.buffer === memory && first >= 0 && first + length <= pages
      if (!isOurs || !Number.isInteger(first) || !(length > 0)) {
        throw new RangeError('this memory is no whole pages of the slab')
      }
      for (let page = first; page < first + length; page++) {
        if (state[page] === FREE) throw new RangeError('this memory was given back before')
      }
      if (poison) new Uint8Array(memory, offset + first * PAGE, length * PAGE).fill(POISON)
      givePages(first, length)
      serveWaiters()
    },
  }
}

/** Memory of its own, freed with the Buffer: for what is done once. @param bytes whole pages */
export function pageAligned(bytes: number): Buffer {
  return createArena(bytes).slab(bytes).take(bytes)!
}
