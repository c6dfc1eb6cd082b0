import type { MemoryBlock } from '../stores/memory-block.ts'
import type { Segments } from './segments.ts'

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

/** What its readers tell a fill. */
export interface Followed {
  /** It has come to another offset, attached or not. */
  moved(reader: Reader): void
  /** So many more clients take nothing. */
  blocked(change: 1 | -1): void
  /** It is attached no more. */
  left(reader: Reader): void
}

export class Reader implements FillReader {
  offset: number
  isAttached = true
  isBlocked = false
  readonly #fill: Followed
  readonly #segments: Segments
  #wake: (() => void) | null = null

  constructor(fill: Followed, segments: Segments, offset: number) {
    this.#fill = fill
    this.#segments = segments
    this.offset = offset
  }

  peek(): Buffer | undefined {
    return this.#segments.at(this.offset)
  }

  hold(): MemoryBlock | undefined {
    return this.#segments.holdAt(this.offset)
  }

  advance(bytes: number): void {
    this.offset += bytes
    this.#fill.moved(this)
  }

  block(blocked: boolean): void {
    if (blocked === this.isBlocked || !this.isAttached) return
    this.isBlocked = blocked
    this.#fill.blocked(blocked ? 1 : -1)
  }

  onChange(callback: () => void): void {
    this.#wake = callback
  }

  wakeUp(): void {
    const wake = this.#wake
    if (wake === null) return
    this.#wake = null
    wake()
  }

  detach(): void {
    if (!this.isAttached) return
    this.isAttached = false
    this.#fill.left(this)
  }
}
