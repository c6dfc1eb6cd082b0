/** Counts of times, as in an HDR histogram: each to within 1 % of itself, in constant memory however many there are. */
export interface Histogram {
  /** @param microseconds from 0 up to some minutes */
  record(microseconds: number): void
  /** The time that `share` (0 to 1) of all are not longer than, in microseconds; NaN without any. */
  at(share: number): number
  count(): number
  max(): number
}

/** Recorded in tenths of a microsecond. */
const UNIT = 10
/** 2^7 steps between a power of two and the next one: less than 1 %. */
const STEP_BITS = 7
const STEPS = 2 ** STEP_BITS
const LARGEST = 2 ** 32 - 1

export function createHistogram(): Histogram {
  const counts = new Uint32Array((33 - STEP_BITS) * STEPS)
  let count = 0
  let max = 0
  return {
    record(microseconds) {
      const units = Math.min(LARGEST, Math.max(0, Math.round(microseconds * UNIT)))
      counts[slotOf(units)]++
      count++
      max = Math.max(max, microseconds)
    },
    at(share) {
      if (count === 0) return Number.NaN
      // The smallest time that enough are not longer than; with one sample that sample, also at 0.
      let wanted = Math.max(1, Math.ceil(count * share))
      for (let slot = 0; slot < counts.length; slot++) {
        wanted -= counts[slot]
        if (wanted <= 0) return Math.min(max, largestOf(slot) / UNIT)
      }
      return max
    },
    count: () => count,
    max: () => max,
  }
}

/** Up to 2^8 a slot for each value, then 2^7 slots from each power of two to the next one. */
function slotOf(units: number): number {
  const shift = Math.max(0, 31 - Math.clz32(units) - STEP_BITS)
  return shift * STEPS + (units >>> shift)
}

function largestOf(slot: number): number {
  const shift = Math.max(0, Math.floor(slot / STEPS) - 1)
  return (slot - shift * STEPS + 1) * 2 ** shift - 1
}
