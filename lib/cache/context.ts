import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { LRUCache } from 'lru-cache'
import type { CachingOptions } from '../semantics/freshness.ts'
import type { Target } from '../semantics/key.ts'
import type { FieldList } from '../semantics/types.ts'
import type { FillMemory } from '../slices/fill-memory.ts'
import type { Sink } from '../slices/reader.ts'
import type { TieredStore } from '../stores/tiered.ts'
import type { Origin } from '../upstream/origin.ts'
import type { RetryBudget } from '../upstream/retry.ts'
import type { Counters } from './counters.ts'
import type { Groups } from './groups.ts'
import type { Problems } from './problems.ts'
import type { Resources } from './resource.ts'
import type { RunningFill } from './view.ts'

/** What every part of the cache works with: one per proxy. */
export interface Context {
  readonly sliceSize: number
  readonly caching: CachingOptions
  readonly maxConcurrentSubrequests: number
  readonly maxRetries: number
  readonly origin: Origin
  readonly store: TieredStore
  readonly resources: Resources
  readonly counters: Counters
  readonly budget: RetryBudget
  readonly memory: FillMemory
  readonly groups: Groups
  readonly problems: Problems
  /** All transfers under way whose bodies become fills, oldest first. */
  readonly fills: Set<RunningFill>
  /** Whether anything is stored at all. */
  readonly stores: boolean
  /** Keys whose answers lately proved not cacheable: their requests do not wait for each other. */
  readonly uncacheable: LRUCache<string, true>
  nextGeneration(): number
  /** A token of this proxy, by which it knows its own requests. */
  readonly instance: string
  keyOf(target: Target): string
  /** The fields of a request as the origin gets them. */
  upstreamFields(exchange: Exchange, drop: ReadonlySet<string>): FieldList
}

/** Failed upstream requests that one client waits for: its own, or one it had joined and one it took over. */
export const MAX_FAILURES = 2

/** One client request and its response. */
export interface Exchange {
  readonly req: IncomingMessage
  readonly socket: Socket
  readonly res: ServerResponse
  readonly method: string
  readonly fields: FieldList
  /** The fields that a fill for this request is asked with: by these the origin selects, and so do we. */
  forwarded(): FieldList
  readonly target: Target
  readonly key: string
  /** The cache key where clients may see it in Cache-Status, undefined where not. */
  readonly shownKey: string | undefined
  /** Whether `slice_patterns` let this path be fetched by slices; otherwise only whole. */
  isSliceable(): boolean
  readonly sink: Sink
  /** Upstream requests that are open on behalf of this response. */
  subrequests: number
  /** Failed upstream requests that this client has waited for, and fills that failed while it followed them. */
  failures: number
  /** We closed the connection, not the client. */
  wasCut: boolean
  /** X-Cache of the response, for the access log. */
  result: string
  /** Called when the response head is sent: the time to first byte. */
  onHead(): void
}
