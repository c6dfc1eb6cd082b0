import { mix } from './mix.ts'

/** Lets an entry onto the disk only the second time it is put: most of what is fetched once is never asked for again. */
export interface Admission {
  /** False for a name that was not seen lately, which is noted; true from the second time on. Both words are u32. */
  isSecond(low: number, high: number): boolean
}

export interface AdmissionOptions {
  /** Memory, in bytes; from 1 KiB. */
  bytes?: number
}

/** Bits of a half for each name it is made for: 0.82 % of new names look known then, in both halves together 1.6 %. */
const BITS_PER_NAME = 10
const PROBES = 7

/**
 * Two Bloom filters, of which the newer one takes notes. When it is full, the older one is forgotten and they swap,
 * so what was seen is known for at least as many other names as a half is made for: 419,430 with 1 MiB.
 *
 * A. Broder, M. Mitzenmacher: Network Applications of Bloom Filters, 2004.
 * @throws RangeError for less than 1 KiB
 */
export function createAdmission({ bytes = 2 ** 20 }: AdmissionOptions = {}): Admission {
  if (!(bytes >= 1024)) throw new RangeError(`an admission filter of ${bytes} bytes is too small`)
  const words = Math.floor(bytes / 8)
  const namesPerHalf = Math.floor((words * 32) / BITS_PER_NAME)
  let newer = new Uint32Array(words)
  let older = new Uint32Array(words)
  let noted = 0

  function note(start: number, step: number): void {
    if (noted === namesPerHalf) {
      noted = 0
      const emptied = older.fill(0)
      older = newer
      newer = emptied
    }
    noted++
    for (let probe = 0, at = start; probe < PROBES; probe++, at += step) {
      const bit = bitOf(at, words)
      newer[bit >>> 5] |= 1 << (bit & 31)
    }
  }

  return {
    isSecond(low, high) {
      // Names of one object differ in one of the words only, and both have to count for every probe.
      const start = mix(low ^ Math.imul(high, 0x9e3779b1))
      const step = mix(high ^ Math.imul(low, 0x85ebca6b)) | 1
      if (has(newer, start, step)) return true
      const isKnown = has(older, start, step)
      // Also what is known already, so that what keeps coming is never forgotten.
      note(start, step)
      return isKnown
    },
  }
}

function has(filter: Uint32Array, start: number, step: number): boolean {
  for (let probe = 0, at = start; probe < PROBES; probe++, at += step) {
    const bit = bitOf(at, filter.length)
    if ((filter[bit >>> 5] & (1 << (bit & 31))) === 0) return false
  }
  return true
}

const bitOf = (hash: number, words: number): number => Math.floor((hash >>> 0) * words * 2 ** -27)
