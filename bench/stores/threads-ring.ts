/**
 * Reads that one thread asks of one worker: numbered from 0; number n is in cell n % CELLS, and they are done in order.
 * All of it is memory that both threads see.
 */
export interface Ring {
  /** At ASKED and DONE: how many reads were asked for and done; at STOP: 1 = no more will come. */
  control: Int32Array
  place: Float64Array
  bytes: Int32Array
  /** Where in `memory` the bytes go. */
  offset: Int32Array
}

export const ASKED = 0
export const DONE = 1
export const STOP = 2
export const CELLS = 64

/** What a worker is started with. */
export interface WorkerData {
  fd: number
  memory: SharedArrayBuffer
  wake: 'message' | 'atomics'
  ring: Ring
}

export function createRing(): Ring {
  return {
    control: new Int32Array(new SharedArrayBuffer(3 * 4)),
    place: new Float64Array(new SharedArrayBuffer(CELLS * 8)),
    bytes: new Int32Array(new SharedArrayBuffer(CELLS * 4)),
    offset: new Int32Array(new SharedArrayBuffer(CELLS * 4)),
  }
}
