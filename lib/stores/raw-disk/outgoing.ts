import type { EntryName } from './format/entry.ts'

/** An entry on its way to the device. */
export interface Outgoing {
  readonly name: EntryName
  /** Bytes of the key as UTF-8. */
  readonly keyBytes: number
  /** Its name in the index. */
  readonly low: number
  readonly high: number
  readonly generation: number
  readonly index: number
  /** The payload as it is stored, and its bytes. */
  readonly segments: readonly Buffer[]
  readonly stored: number
  /** Bytes of the payload before it was compressed. */
  readonly length: number
  readonly codec: 'none' | 'zstd'
  /** Seconds since the epoch; 0 = never. */
  readonly expires: number
  readonly flags: number
  /** Turned true by whoever does not want it any more: what is not yet written then never is. */
  gone: boolean
  /**
   * Called once: with the place on the device, whose blocks count as live from then on, or with -1 when it was not
   * written. Who does not want it any more takes the blocks back.
   */
  settled(block: number, blocks: number): void
}

/** What is to be written: in the order in which it came, but what is carried goes first. */
export interface OutgoingQueue {
  put(entry: Outgoing): void
  carry(entry: Outgoing): void
  peek(): Outgoing | undefined
  /** Takes the one that `peek` shows. */
  shift(): Outgoing
  readonly isCarrying: boolean
  /** Takes all that is carried, or everything. */
  takeCarried(): Outgoing[]
  takeAll(): Outgoing[]
}

export function createOutgoingQueue(): OutgoingQueue {
  const carried: Outgoing[] = []
  let waiting: (Outgoing | undefined)[] = []
  /** Taken from the front already: shifting a long array would move the rest each time. */
  let taken = 0

  function takeCarried(): Outgoing[] {
    return carried.splice(0)
  }

  return {
    put: (entry) => void waiting.push(entry),
    carry: (entry) => void carried.push(entry),
    peek: () => carried[0] ?? waiting[taken],

    shift() {
      if (carried.length > 0) return carried.shift()!
      const entry = waiting[taken]!
      // What is taken must not be kept alive: a thousand entries can be a gigabyte.
      waiting[taken++] = undefined
      if (taken === waiting.length || (taken > 1024 && taken * 2 > waiting.length)) {
        waiting = waiting.slice(taken)
        taken = 0
      }
      return entry
    },

    get isCarrying() {
      return carried.length > 0
    },

    takeCarried,

    takeAll() {
      const all = [...takeCarried(), ...waiting.slice(taken).map((entry) => entry!)]
      waiting = []
      taken = 0
      return all
    },
  }
}
