export interface Job {
  path: string
  totalSize: number
  /** Put this many objects of `SLICES` slices first; 0: take what is there. */
  fill: number
  /** How many objects were put in all: some of them are looked up. */
  objects: number
}

export interface Told {
  /** Milliseconds until the store took requests, and until its index was complete. */
  opened: number
  recovered: number
  entries: number
  /** Of the index by its own count. */
  indexBytes: number
  /** Bytes of resident memory by which each entry of the second half made the process grow. */
  grown: number
  /** Seconds that filling took. */
  filled: number
  /** Objects that were looked up, and those of them that were there, heads and slices. */
  asked: number
  found: number
}

/** Slices of each object, beside its heads. */
export const SLICES = 3
/** Size of the store's blocks, in bytes: small ones keep the device small. */
export const BLOCK = 512
