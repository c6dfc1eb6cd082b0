import { LRUCache } from 'lru-cache'
import type { Target } from '../semantics/key.ts'
import type { Head } from '../semantics/types.ts'
import { uniqueNow } from '../upstream/clock.ts'

/** Invalidations that are remembered one by one: of fewer long names. */
const MAX_INVALIDATIONS = 10_000

/** When groups of stored responses (RFC 9875) were invalidated: one look-up decides, however many responses they have. */
export interface Groups {
  /** Invalidates the groups of one origin, that is of one scheme and authority. */
  invalidate(origin: Target, names: readonly string[]): void
  /** Whether a response was asked for before one of its groups was invalidated. */
  areInvalidated(origin: Target, head: Head): boolean
}

/**
 * An invalidation that is no longer remembered counts for every group, and so does the time before this process began,
 * of which nothing is known: what is older is validated once, not lost.
 *
 * @param includeHost whether hosts have responses of their own; otherwise they share their groups too
 */
export function createGroups(includeHost: boolean): Groups {
  let forgotten = uniqueNow()
  const invalidated = new LRUCache<string, number>({
    max: MAX_INVALIDATIONS,
    maxSize: MAX_INVALIDATIONS * 200,
    sizeCalculation: (_, key) => key.length,
    dispose(time, _, reason) {
      if (reason === 'evict') forgotten = Math.max(forgotten, time)
    },
  })

  return {
    invalidate(origin, names) {
      for (const name of names) invalidated.set(groupKey(origin, name), uniqueNow())
    },

    areInvalidated(origin, head) {
      if (head.order < forgotten) return true
      return head.groups.some((name) => {
        const time = invalidated.peek(groupKey(origin, name))
        return time !== undefined && head.order < time
      })
    },
  }

  function groupKey({ scheme, authority }: Target, name: string): string {
    return JSON.stringify([scheme, includeHost ? authority : '', name])
  }
}
