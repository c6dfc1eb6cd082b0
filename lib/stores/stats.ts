import type { StoreStats } from './store.ts'

/** Figures of a store that has done nothing yet. Stores raise them in place and hand out copies. */
export function emptyStats(maxBytes: number): StoreStats {
  return {
    entries: 0,
    bytes: 0,
    maxBytes,
    pendingBytes: 0,
    stores: 0,
    lookups: 0,
    hits: 0,
    removes: 0,
    evictions: 0,
    refused: 0,
    readBytes: 0,
    writtenBytes: 0,
    readErrors: 0,
    writeErrors: 0,
    corrupt: 0,
  }
}

/** Figures of several stores taken together: every field is a sum. */
export function sumStats(parts: readonly StoreStats[]): StoreStats {
  const sum = emptyStats(0)
  for (const part of parts) {
    for (const name of Object.keys(sum) as (keyof StoreStats)[]) sum[name] += part[name]
  }
  return sum
}
