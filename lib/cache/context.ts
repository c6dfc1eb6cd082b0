import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { LRUCache } from 'lru-cache'
import type { CachingOptions } from '../semantics/freshness.ts'
import type { Target } from '../semantics/key.ts'
import type { FieldList } from '../semantics/types.ts'
import type { FillMemory } from '../slices/fill-memory.ts'
import type { Sink } from '../slices/reader.ts'
import type { StoreLog } from '../stores/log.ts'
import type { TieredStore } from '../stores/tiered.ts'
import type { Origin } from '../upstream/origin.ts'
import type { RetryBudget } from '../upstream/retry.ts'
import type { Bans } from './bans/bans.ts'
import type { BusyMap } from './busy-map.ts'
import type { Counters } from './counters.ts'
import type { OriginWatch } from './origin-watch.ts'
import type { Problems } from './problems.ts'
import type { Resources } from './resource.ts'
import type { RunningFill } from './view.ts'

/** What a reload may replace: read when it is needed. */
export interface Settings {
  readonly caching: CachingOptions
  readonly maxConcurrentSubrequests: number
  readonly maxRetries: number
  /** For requests that begin now; one under way stays with its exchange's. */
  readonly origin: Origin
}

/** What every part of the cache works with: one per proxy. */
export interface Context extends Settings {
  readonly sliceSize: number
  readonly store: TieredStore
  readonly resources: Resources
  readonly counters: Counters
  readonly budget: RetryBudget
  readonly memory: FillMemory
  readonly bans: Bans
  readonly problems: Problems
  readonly originWatch: OriginWatch
  readonly log: StoreLog | undefined
  /** All transfers under way whose bodies become fills, oldest first. */
  readonly fills: BusyMap<number, RunningFill>
  /** Whether anything is stored at all. */
  readonly stores: boolean
  /** Keys whose answers lately proved not cacheable: their requests do not wait for each other. */
  readonly uncacheable: LRUCache<string, true>
  nextGeneration(): number
  /** Invalidates groups of stored responses of one origin (RFC 9875 section 3). */
  invalidateGroups(origin: Target, names: readonly string[]): void
  /** A token of this proxy, by which it knows its own requests. */
  readonly instance: string
  keyOf(target: Target): string
  /** The fields of a request as the origin gets them. */
  upstreamFields(exchange: Exchange, drop: ReadonlySet<string>): FieldList
}

/** Failed upstream requests that one client waits for: its own, or one it had joined and one it took over. */
export const MAX_FAILURES = 2

/** What the cache wants of a response: node's, or one without a stream of its own, as `net/lane-response.ts` has it. */
export interface ClientResponse {
  /** Null once node:http has taken it away. */
  readonly socket: Socket | null
  readonly statusCode: number
  readonly headersSent: boolean
  readonly destroyed: boolean
  shouldKeepAlive: boolean
  readonly writableEnded: boolean
  readonly writableFinished: boolean
  readonly writableLength: number
  readonly writableCorked: number
  readonly writableNeedDrain: boolean
  once(event: 'close' | 'drain', listener: () => void): unknown
  off(event: 'close' | 'drain', listener: () => void): unknown
  writeHead(status: number, fields: FieldList): unknown
  /**
   * Sends the head, too, if that has not been sent.
   * @param taken called when the bytes are not read any more
   */
  write(bytes: Buffer, taken?: () => void): boolean
  end(bytes?: Buffer): unknown
  uncork?(): void
  addTrailers(pairs: [string, string][]): void
  writeInformation?(status: number, fields: FieldList): void
  writeProcessing?(): void
  writeEarlyHints?(hints: Record<string, string | string[]>): void
}

/** One client request and its response. */
export interface Exchange {
  readonly req: IncomingMessage
  readonly socket: Socket
  readonly res: ClientResponse
  readonly method: string
  readonly fields: FieldList
  /** The fields that a fill for this request is asked with: by these the origin selects, and so do we. */
  forwarded(): FieldList
  readonly target: Target
  /** Two origins may have different representations, and their fields name the one that is asked: a response has one origin. */
  readonly origin: Origin
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
  /** The name of the request in logs, from {@link requestIdOf}; null until somebody asks for it. */
  requestId: string | null
  /** Whether what follows is wanted, for an access log. */
  readonly logged: boolean
  /** X-Cache of the response. */
  result: string
  /** Where the first slice of what was stored came from. */
  tier: 'l1' | 'l2' | null
  /** Milliseconds from asking the origin to its answer, retries included, and its status; null when this request asked nothing. */
  originTime: number | null
  originStatus: number | null
  /** What went wrong between us and the origin (RFC 9209 error type), or what it was refused for; null = nothing. */
  failure: string | null
  /** Called when the response head is sent: the time to first byte. */
  onHead(): void
}
