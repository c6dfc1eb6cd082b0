import type { IncomingMessage, RequestListener } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Counters } from '../lib/cache/counters.ts'
import type { CacheView } from '../lib/cache/view.ts'
import type { HealthStatus } from '../lib/health/status.ts'
import type { RawDiskFigures } from '../lib/stores/raw-disk/figures.ts'
import type { RegionMap } from '../lib/stores/raw-disk/region-map.ts'
import type { SliceStore } from '../lib/stores/store.ts'

/** What a cache offers to other plugins: the proxy's, and that of `route-cache` as `fastify.routeCache`. */
export interface Cache {
  readonly counters: Counters
  readonly view: CacheView
  /** Forgets everything stored under the target of an absolute http(s) URL, fills under way too. Resolves to the number of entries removed. */
  purge(url: string): Promise<number>
  /** The same for the target of a request as this cache keys it; null when it has no valid one. */
  purgeTarget(request: IncomingMessage): Promise<number | null>
  /** Forgets everything. */
  purgeAll(): Promise<number>
}

/** What `streaming-proxy` offers to the other plugins and to an embedding service, as `fastify.sliceProxy`. */
export interface SliceProxy extends Cache {
  /** Proxies a request that came by another way than the plugin's own route. */
  handle(request: FastifyRequest, reply: FastifyReply): void
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

/** What a raw disk tells beside what `fastify.l2` tells, as `fastify.rawDisk`. */
export interface RawDisk {
  figures(): RawDiskFigures
  /** How full its regions are, in so many cells at most. */
  map(maxCells: number): RegionMap
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Memory tier, when `l1-cache` is registered. */
    l1?: SliceStore
    /** Disk tier, when `l2-file` (or `l2-rawdisk`) is registered. */
    l2?: SliceStore
    /** When `l2-rawdisk` is registered. */
    rawDisk?: RawDisk
    sliceProxy?: SliceProxy
    routeCache?: Cache
    health?: Health
  }
}
