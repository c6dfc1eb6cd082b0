import { randomBytes } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { LRUCache } from 'lru-cache'
import { fieldValue } from '../semantics/fields.ts'
import type { SetCookiePolicy } from '../semantics/freshness.ts'
import { cacheKey, normalisedPath, parseTarget } from '../semantics/key.ts'
import { loops, upstreamFields } from '../semantics/request-fields.ts'
import { proxyStatus } from '../semantics/response-fields.ts'
import { createFillMemory } from '../slices/fill-memory.ts'
import type { MemoryStore } from '../stores/memory.ts'
import type { SliceStore } from '../stores/store.ts'
import { createTieredStore } from '../stores/tiered.ts'
import { STEPS, uniqueNow } from '../upstream/clock.ts'
import type { Origin, OriginOptions } from '../upstream/origin.ts'
import { createRetryBudget } from '../upstream/retry.ts'
import type { Context } from './context.ts'
import { type Counters, createCounters } from './counters.ts'
import { createExchanges, type ExchangeOptions, type Finished } from './exchange.ts'
import { sendError } from './failures.ts'
import { serveFromMemory } from './fast-path.ts'
import { createGroups } from './groups.ts'
import { createHotObjects } from './hot-objects.ts'
import { hasBody, pass } from './pass.ts'
import { createProblems } from './problems.ts'
import { createResources } from './resource.ts'
import { serve } from './serve.ts'
import { createTrustCheck } from './trust.ts'
import { forwardUpgrade } from './upgrade.ts'
import type { CacheView } from './view.ts'

/**
 * Bytes that the slices in the making of all fills may take together: so many at least, and a share of the memory tier. Each
 * transfer to a slow client has half a slice in the making on average; what has no room is streamed and not stored.
 */
const FILL_MEMORY = 32 * 1024 * 1024
const FILL_MEMORY_SHARE = 1 / 4
/** An object larger than this share of memory is kept on disk only, where there is one: it would flush all others. */
const L1_OBJECT_SHARE = 1 / 8
/** How long an answer that was not cacheable is remembered, in milliseconds, and of how many keys (of fewer long ones). */
const UNCACHEABLE_TTL = 30_000
const UNCACHEABLE_KEYS = 10_000

export interface CacheOptions extends ExchangeOptions {
  origin: Origin
  /** How requests for another protocol reach the origin; null = there are none. */
  upgrades: OriginOptions | null
  /** Tiers; without any, everything is passed through. */
  l1?: MemoryStore
  l2?: SliceStore
  /** Bytes of memory that the l1 tier may use, 0 without one. */
  l1Bytes: number
  /** False: everything is passed through. */
  enabled: boolean
  /** Bytes, 64 KiB to 16 MiB. */
  sliceSize: number
  /** Milliseconds. */
  cacheTtl: number
  /** Whether nothing is stored on a guess. Default false. */
  explicitOnly?: boolean
  maxConcurrentSubrequests: number
  maxRetries: number
  /** Value of Host for the origin: its own name, or what the client sent. */
  hostHeader: 'upstream' | 'client'
  /** Addresses and CIDR blocks of proxies whose X-Forwarded-* fields are kept. */
  trustedProxies: readonly string[]
  /** Lower-case names of targeted fields (RFC 9213), the one that counts first in front. */
  targets: readonly string[]
  setCookie: SetCookiePolicy
}

export interface ProxyCache {
  readonly counters: Counters
  readonly view: CacheView
  /** Takes a request and answers it. @param onHead called just before the response head is written */
  handle(
    req: IncomingMessage,
    res: ServerResponse,
    onFinished?: (finished: Finished) => void,
    onHead?: () => void,
  ): void
  /** Forwards a request that asks for another protocol (WebSocket). */
  upgrade(req: IncomingMessage, socket: Duplex, head: Buffer): void
  /** Forgets everything under an absolute http(s) URL. @throws TypeError for one that is not */
  purge(url: string): Promise<number>
  purgeTarget(req: IncomingMessage): Promise<number | null>
  purgeAll(): Promise<number>
  close(): Promise<void>
}

export function createCache(options: CacheOptions): ProxyCache {
  const counters = createCounters()
  const store = createTieredStore({
    l1: options.l1,
    l2: options.l2,
    l1MaxObjectBytes: options.l1Bytes * L1_OBJECT_SHARE,
  })
  const caching = options.enabled && (options.l1 !== undefined || options.l2 !== undefined)
  const { origin } = options
  const trusted = createTrustCheck(options.trustedProxies)
  const instance = randomBytes(8).toString('hex')

  const context: Context = {
    sliceSize: options.sliceSize,
    caching: {
      cacheTtl: options.cacheTtl,
      targets: options.targets,
      setCookie: options.setCookie,
      explicitOnly: options.explicitOnly,
    },
    maxConcurrentSubrequests: options.maxConcurrentSubrequests,
    maxRetries: options.maxRetries,
    origin,
    store,
    resources: createResources(store, counters),
    counters,
    budget: createRetryBudget(),
    memory: createFillMemory(Math.max(FILL_MEMORY, options.l1Bytes * FILL_MEMORY_SHARE)),
    groups: createGroups(options.key.includeHost),
    problems: createProblems(),
    fills: new Set(),
    stores: caching,
    uncacheable: new LRUCache({
      max: UNCACHEABLE_KEYS,
      ttl: UNCACHEABLE_TTL,
      maxSize: UNCACHEABLE_KEYS * 200,
      sizeCalculation: (_, key) => key.length,
    }),
    // Unique across restarts, and a whole number.
    nextGeneration: () => uniqueNow() * STEPS,
    instance,
    keyOf: (target) => cacheKey(target, options.key),
    upstreamFields: (exchange, drop) => {
      const { req, socket, target } = exchange
      const authority = target.authority
      return upstreamFields(exchange.fields, {
        hostHeader: options.hostHeader === 'client' && authority !== '' ? authority : origin.url.host,
        httpVersion: req.httpVersion,
        clientAddress: socket.remoteAddress ?? '',
        trusted: trusted(socket.remoteAddress),
        scheme: target.scheme,
        host: authority,
        instance,
        drop,
      })
    },
  }

  const exchanges = createExchanges(context, options, trusted)
  const hot = createHotObjects()

  return {
    counters,
    view: { hot, problems: context.problems, fills: context.fills },

    handle(req, res, onFinished, onHead) {
      const exchange = exchanges.open(req, res, onFinished, onHead)
      if (!exchange) return
      const { method } = exchange
      const cacheable = caching && (method === 'GET' || method === 'HEAD')
      // A body is not in the key, so nothing that may depend on it is stored or served.
      const usesCache = cacheable && !hasBody(exchange.fields)
      if (usesCache) hot.see(exchange.target)
      if (usesCache && serveFromMemory(context, exchange)) return
      if (loops(exchange.fields, instance)) {
        const status = ['Proxy-Status', proxyStatus('proxy_loop_detected')]
        sendError(exchange, 508, '508 this proxy is its own origin', status)
      } else if (usesCache) {
        // All spellings of one key are one request to the origin, which might tell them apart.
        exchange.target.path = normalisedPath(exchange.target.path)
        serve(context, exchange)
      } else {
        pass(context, exchange, !caching ? 'bypass' : cacheable ? 'request' : 'method')
      }
    },

    upgrade(req, socket, head) {
      if (options.upgrades) forwardUpgrade(context, options.upgrades, req, socket, head)
      else socket.destroy()
    },

    async purge(url) {
      // As an absolute-form target, so that the path keeps its bytes: URL would normalise them.
      const parsed = parseTarget('GET', url, undefined, /^https:/i.test(url) ? 'https' : 'http')
      if (!parsed.ok || !/^https?:/i.test(url)) throw new TypeError(`not an absolute http(s) URL: ${url}`)
      return context.resources.purge(cacheKey(parsed, options.key))
    },

    async purgeTarget(req) {
      const parsed = parseTarget('GET', req.url!, fieldValue(req.rawHeaders, 'host'), exchanges.schemeOf(req))
      return parsed.ok ? context.resources.purge(cacheKey(parsed, options.key)) : null
    },

    purgeAll: () => context.resources.purgeAll(),

    async close() {
      await origin.close()
    },
  }
}
