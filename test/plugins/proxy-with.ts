import type { Counters } from '../../lib/cache/counters.ts'
import { createHotObjects } from '../../lib/cache/hot-objects.ts'
import { createProblems } from '../../lib/cache/problems.ts'
import type { SliceProxy } from '../../plugins/decorators.ts'

/** The decorator of streaming-proxy for plugins that only look at its counters. */
export function proxyWith(counters: Counters): SliceProxy {
  return {
    counters,
    view: { hot: createHotObjects(), problems: createProblems(), fills: () => [] },
    handle() {},
    configure() {},
    purge: async () => 0,
    purgeTarget: async () => 0,
    targetOf: () => null,
    purgePaths: async () => {},
    purgeTags: async () => {},
    purgeAll: async () => 0,
  }
}
