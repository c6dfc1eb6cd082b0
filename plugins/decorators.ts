import type { RequestListener } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { type Bans, createBans } from '../lib/cache/bans/bans.ts'
import type { Counters } from '../lib/cache/counters.ts'
import type { PressureReason, Refusal } from '../lib/cache/overload.ts'
import type { Purging } from '../lib/cache/purging.ts'
import type { CacheView } from '../lib/cache/view.ts'
import type { HealthStatus } from '../lib/health/status.ts'
import type { ClientCounts } from '../lib/net/client-counts.ts'
import type { Stall } from '../lib/net/stalls.ts'
import type { SetCookiePolicy } from '../lib/semantics/freshness.ts'
import type { RawDiskFigures } from '../lib/stores/raw-disk/figures.ts'
import type { RegionMap } from '../lib/stores/raw-disk/region-map.ts'
import type { SliceStore } from '../lib/stores/store.ts'

/** What a cache offers to other plugins: the proxy's, and that of `route-cache` as `fastify.routeCache`. */
export interface Cache extends Purging {
  readonly counters: Counters
  readonly view: CacheView
}

/** Options of `streaming-proxy` that `fastify.sliceProxy.configure` may replace while requests are served. */
export interface ProxySettings {
  /** The origin: `http://host:port` or `https://host:port`. */
  upstream?: string
  /** Seconds of freshness for cacheable responses that say nothing of it. Default 3600; 0 = always validated. */
  cacheTtl?: number
  /** Upstream requests that one response may have open at once. Default 4. */
  maxConcurrentSubrequests?: number
  /** Attempts after the first, for idempotent requests before the first byte of an answer. Default 3. */
  maxRetries?: number
  /** Globs on the path; a path that none matches is fetched whole. Default []: every path may be fetched by slices. */
  slicePatterns?: string[]
  /** Whose name goes upstream in Host. Default 'upstream'. */
  hostHeader?: 'upstream' | 'client'
  /** Milliseconds. Defaults 5000, 60000 and 60000. */
  connectTimeout?: number
  headersTimeout?: number
  bodyTimeout?: number
  /** Connections to the origin. Default 1024. */
  maxConnections?: number
  /** Whether the certificate of an https origin must be valid. Default true. */
  tlsVerify?: boolean
  /** Addresses or CIDR blocks of proxies in front whose X-Forwarded-* fields are believed. Default []. */
  trustedProxies?: string[]
  /** Response fields that replace Cache-Control (RFC 9213), the one that counts first in front. Default CDN-Cache-Control. */
  targetedCacheControl?: string[]
  /** Which responses with Set-Cookie are stored. Default 'explicit'. */
  setCookie?: SetCookiePolicy
  /** Whether Cache-Status tells clients the cache key. Default false. */
  cacheStatusKey?: boolean
  /** One info line for each response. Default false. */
  accessLog?: boolean
}

/** What `streaming-proxy` offers to the other plugins and to an embedding service, as `fastify.sliceProxy`. */
export interface SliceProxy extends Cache {
  /** Proxies a request that came by another way than the plugin's own route. */
  handle(request: FastifyRequest, reply: FastifyReply): void
  /**
   * Replaces these options for requests that come from now on; what is left out stays. A request under way stays with its
   * origin, whose connections are closed when they are not needed any more.
   * @throws TypeError for an upstream that is none; then nothing has changed
   */
  configure(changes: ProxySettings): void
}

/** The life of the process as the health endpoint tells it, as `fastify.health`. */
export interface Health {
  /** From now on `/ready` answers 503; cannot be undone. */
  drain(): void
  readonly draining: boolean
  /** What `/health` says. */
  status(): HealthStatus
  /** What `/ready` says. */
  readiness(): string
  /** Answers one more path of the port. False when health has no port of its own: then nobody would ask. */
  answer(path: string, listener: RequestListener): boolean
}

/** Options of `client-limits`. Times in milliseconds. */
export interface ClientLimitsOptions {
  /** Connections at once; more are closed as they come. 0 = no limit but that of open files. Default 10000. */
  maxConnections?: number
  /** For the whole head of a request, from its first byte (or the connection's beginning). Default 15000. */
  headerTimeout?: number
  /** Longest pause within the body of a request. Default 60000. */
  bodyTimeout?: number
  /** Longest time for which a client may take nothing of a response that waits for it. Default 60000. */
  sendTimeout?: number
  /** How long a connection without a request stays open. Default 72000. */
  idleTimeout?: number
}

/** What `client-limits` offers, as `fastify.clientLimits`. */
export interface ClientLimits {
  readonly counts: ClientCounts
  /** Replaces these limits, also for connections that are open; what is left out stays. */
  configure(changes: ClientLimitsOptions): void
  /** Why a connection was closed that stood still; null = it was not. */
  stallOf(socket: Socket): Stall | null
}

/** Options of `pressure`. 0 = not looked at. */
export interface PressureOptions {
  /** Most delay of the event loop, the mean of a second, in milliseconds, for three on end. Default 1000. */
  maxEventLoopDelay?: number
  /** Most time that the event loop is busy, in percent, for five seconds on end. Default 0: not looked at. */
  maxEventLoopPercent?: number
  /** Most memory of the process (resident set), in bytes. Default 0. */
  maxRssBytes?: number
  /** Seconds that Retry-After says. Default 10. */
  retryAfter?: number
}

/** What `pressure` offers, as `fastify.pressure`. */
export interface Pressure {
  /** The limits that are exceeded, the one that counts first in front; empty = none. */
  reasons(): readonly PressureReason[]
  /** What a request that cannot be served from memory is refused with; null = it is not. */
  refusal(): Refusal | null
  /** Replaces these limits and looks at once; what is left out stays. */
  configure(changes: PressureOptions): void
}

/** How long closing may take, as `fastify.gracefulClose`. */
export interface GracefulClose {
  /** Milliseconds that requests in flight get to finish. */
  configure(changes: { timeout?: number }): void
}

/** What a raw disk tells beside what `fastify.l2` tells, as `fastify.rawDisk`. */
export interface RawDisk {
  figures(): RawDiskFigures
  /** How full its regions are, in so many cells at most. */
  map(maxCells: number): RegionMap
}

/**
 * What was purged by prefix, tag and all. Caches of one service share their stores, and so their bans.
 * @throws Error of one sentence when the file of bans cannot be used
 */
export function bansOf(fastify: FastifyInstance): Bans {
  if (fastify.bans !== undefined) return fastify.bans
  const outlivedByStores = fastify.l2 !== undefined
  const bans = createBans({ file: fastify.bansFile ?? null, outlivedByStores, log: fastify.log })
  fastify.decorate('bans', bans)
  fastify.addHook('onClose', () => bans.close())
  return bans
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Where bans are kept over restarts: beside the disk tier, which says so. Null: nowhere. */
    bansFile?: string | null
    bans?: Bans
    /** Memory tier, when `l1-cache` is registered. */
    l1?: SliceStore
    /** Disk tier, when `l2-file` (or `l2-rawdisk`) is registered. */
    l2?: SliceStore
    /** When `l2-rawdisk` is registered. */
    rawDisk?: RawDisk
    sliceProxy?: SliceProxy
    routeCache?: Cache
    health?: Health
    gracefulClose?: GracefulClose
    /** When `pressure` is registered. */
    pressure?: Pressure
    /** When `client-limits` is registered. */
    clientLimits?: ClientLimits
  }
}
