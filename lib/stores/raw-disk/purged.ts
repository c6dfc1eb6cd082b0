import type { PurgeRecord } from './purge-log.ts'

/** Tells which entries of earlier lives were purged. */
export interface Purged {
  has(objectLow: number, objectHigh: number, isHeads: boolean, sequence: number): boolean
}

export function createPurged(records: readonly PurgeRecord[]): Purged {
  const objects = new Map<string, number>()
  const heads = new Map<string, number>()
  let all = -1
  for (const { kind, objectLow, objectHigh, sequence } of records) {
    const name = `${objectLow}.${objectHigh}`
    const map = kind === 'heads' ? heads : objects
    if (kind === 'all') all = Math.max(all, sequence)
    else map.set(name, Math.max(map.get(name) ?? -1, sequence))
  }
  return {
    has(objectLow, objectHigh, isHeads, sequence) {
      if (sequence < all) return true
      // Most lives end without a purge, and a million entries ask.
      if (objects.size === 0 && heads.size === 0) return false
      const name = `${objectLow}.${objectHigh}`
      if (sequence < (objects.get(name) ?? -1)) return true
      return isHeads && sequence < (heads.get(name) ?? -1)
    },
  }
}
