import type { Counters } from '../../lib/cache/counters.ts'
import type { SliceProxy } from '../../plugins/decorators.ts'

/** The decorator of streaming-proxy for plugins that only look at its counters. */
export function proxyWith(counters: Counters): SliceProxy {
  return {
    counters,
    handle() {},
    purge: async () => 0,
    purgeTarget: async () => 0,
    purgeAll: async () => 0,
  }
}
