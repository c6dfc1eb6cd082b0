import type { Fill } from '../slices/fill.ts'
import type { HotObjects } from './hot-objects.ts'
import type { Problems } from './problems.ts'

/** A transfer from the origin under way. */
export interface RunningFill {
  /** The cache key. */
  readonly key: string
  readonly fill: Fill
  /** `performance.now()` when its first byte could be read. */
  readonly startedAt: number
}

/** What goes on inside a cache, for people who look at it: read when somebody asks. */
export interface CacheView {
  readonly hot: HotObjects
  readonly problems: Problems
  /** Oldest first. */
  fills(): Iterable<RunningFill>
}
