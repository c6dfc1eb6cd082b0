/**
 * One limit, in bytes, for the slices that all fills together have in the making. A fill whose readers
 * stand still would keep up to a whole slice for nobody: when the limit is reached, such fills give up
 * storing the slice they are in (they go on streaming), and new slices are streamed without being stored.
 */
export interface FillMemory {
  readonly limit: number
  used: number
  /** Fills that are paused by their readers, oldest first. */
  readonly paused: Set<{ shed(): void }>
  /** Makes room for `bytes` more; false = there is none, do not keep them. */
  reserve(bytes: number): boolean
}

export function createFillMemory(limit: number): FillMemory {
  const memory: FillMemory = {
    limit,
    used: 0,
    paused: new Set(),
    reserve(bytes) {
      if (memory.used + bytes > limit) {
        for (const fill of memory.paused) {
          // It has nothing more to give before it moves again: the next one who looks for room need not ask it.
          memory.paused.delete(fill)
          fill.shed()
          if (memory.used + bytes <= limit) break
        }
      }
      if (memory.used + bytes > limit) return false
      memory.used += bytes
      return true
    },
  }
  return memory
}
