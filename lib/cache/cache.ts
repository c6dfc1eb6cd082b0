import { randomBytes } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { LRUCache } from 'lru-cache'
import type { SetCookiePolicy } from '../semantics/freshness.ts'
import { cacheKey, normalisedPath } from '../semantics/key.ts'
import { loops, upstreamFields } from '../semantics/request-fields.ts'
import { proxyStatus } from '../semantics/response-fields.ts'
import { createFillMemory } from '../slices/fill-memory.ts'
import type { StoreLog } from '../stores/log.ts'
import type { MemoryStore } from '../stores/memory.ts'
import type { SliceStore } from '../stores/store.ts'
import { createTieredStore } from '../stores/tiered.ts'
import { STEPS, uniqueNow } from '../upstream/clock.ts'
import type { Origin, OriginOptions } from '../upstream/origin.ts'
import { createRetryBudget } from '../upstream/retry.ts'
import { type AnswerAtOnce, createAnswerAtOnce } from './at-once.ts'
import type { Bans } from './bans/bans.ts'
import { createBusyMap } from './busy-map.ts'
import type { Context, Exchange, Settings } from './context.ts'
import { type Counters, createCounters } from './counters.ts'
import { createExchanges, type ExchangeOptions } from './exchange.ts'
import { sendError } from './failures.ts'
import { serveFromMemory } from './fast-path.ts'
import type { Finished } from './finished.ts'
import { createHotObjects } from './hot-objects.ts'
import { createOriginWatch } from './origin-watch.ts'
import { isInMemory, type Refusal, refuse, refuseUpgrade } from './overload.ts'
import { hasBody, pass } from './pass.ts'
import { createProblems } from './problems.ts'
import { createPurging, type Purging } from './purging.ts'
import { createResources } from './resource.ts'
import { serve } from './serve.ts'
import { createTrustCheck, type TrustCheck } from './trust.ts'
import { forwardUpgrade } from './upgrade.ts'
import { noteUpgrade } from './upgrade-log.ts'
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
  /** What was purged by name and time; caches on the same stores share it. */
  bans: Bans
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
  /** Asked for each request that memory does not answer at once; null = there is room for it. */
  overloaded?: () => Refusal | null
  /**
   * Called with the connection of a GET that came by way of node:http, if it was a hit in memory or not the first of its
   * connection: the next one may go without.
   */
  onRegular?: (socket: Socket) => void
  /** What Keep-Alive tells clients of {@link ProxyCache.answerAtOnce}, in milliseconds. */
  keepAlive?: () => number
  log?: StoreLog
}

/** What may be replaced while requests are served. */
export type LiveOptions = Pick<
  CacheOptions,
  | 'origin'
  | 'upgrades'
  | 'cacheTtl'
  | 'maxConcurrentSubrequests'
  | 'maxRetries'
  | 'slicePatterns'
  | 'showKey'
  | 'hostHeader'
  | 'trustedProxies'
  | 'targets'
  | 'setCookie'
>

export interface ProxyCache {
  readonly counters: Counters
  readonly view: CacheView
  readonly purging: Purging
  /** Takes a request and answers it. @param onHead called just before the response head is written */
  handle(
    req: IncomingMessage,
    res: ServerResponse,
    onFinished?: (finished: Finished) => void,
    onHead?: () => void,
  ): void
  /** Answers a plain GET before node:http has made a request of its bytes. */
  readonly answerAtOnce: AnswerAtOnce
  /** Forwards a request that asks for another protocol (WebSocket). */
  upgrade(req: IncomingMessage, socket: Duplex, head: Buffer, onFinished?: (finished: Finished) => void): void
  /** From now on new requests are served so; those under way stay with their origin. Counters and what is stored stay. */
  configure(next: LiveOptions): void
  close(): Promise<void>
}

export function createCache(given: CacheOptions): ProxyCache {
  const options = { ...given }
  const counters = createCounters()
  const store = createTieredStore({
    l1: options.l1,
    l2: options.l2,
    l1MaxObjectBytes: options.l1Bytes * L1_OBJECT_SHARE,
  })
  const caching = options.enabled && (options.l1 !== undefined || options.l2 !== undefined)
  let trusts = createTrustCheck(options.trustedProxies)
  const trusted: TrustCheck = (address) => trusts(address)
  const retired = new Set<Origin>()
  const instance = randomBytes(8).toString('hex')

  const { bans } = options
  const resources = createResources(store, counters, bans)
  const detach = bans.attach({ store, settle: resources.settle, heed: resources.heedBans })
  const { invalidateGroups, ...purging } = createPurging({
    bans,
    resources,
    tiers: [options.l1, options.l2].filter((tier) => tier !== undefined),
    key: options.key,
    seenAs: (req) => exchanges.seenAs(req),
  })

  const context: Context = {
    sliceSize: options.sliceSize,
    ...settingsOf(options),
    store,
    resources,
    counters,
    budget: createRetryBudget(),
    memory: createFillMemory(Math.max(FILL_MEMORY, options.l1Bytes * FILL_MEMORY_SHARE)),
    bans,
    invalidateGroups,
    problems: createProblems(),
    originWatch: createOriginWatch(options.origin, counters, options.log),
    log: options.log,
    fills: createBusyMap(),
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
      const { req, socket, target, origin } = exchange
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
  const answerAtOnce = createAnswerAtOnce(
    context,
    {
      key: options.key,
      isKeyShown: () => options.showKey,
      keepAlive: options.keepAlive ?? (() => 0),
    },
    exchanges,
    hot,
    (exchange) => {
      if (caching) hot.see(exchange.target)
      goOn(exchange, caching, false)
    },
  )

  /** Serves what a few look-ups in memory have not answered. */
  function goOn(exchange: Exchange, usesCache: boolean, cacheable: boolean): void {
    const refusal = options.overloaded?.() ?? null
    if (refusal !== null && !(usesCache && isInMemory(context, exchange))) {
      refuse(context, exchange, refusal)
    } else if (loops(exchange.fields, instance)) {
      const status = ['Proxy-Status', proxyStatus('proxy_loop_detected')]
      sendError(exchange, 508, '508 this proxy is its own origin', status)
    } else if (usesCache) {
      // All spellings of one key are one request to the origin, which might tell them apart.
      exchange.target.path = normalisedPath(exchange.target.path)
      serve(context, exchange)
    } else {
      pass(context, exchange, !caching ? 'bypass' : cacheable ? 'request' : 'method')
    }
  }

  return {
    counters,
    view: { hot, problems: context.problems, fills: () => context.fills.values() },
    answerAtOnce,

    handle(req, res, onFinished, onHead) {
      const exchange = exchanges.open(req, res, onFinished, onHead)
      if (!exchange) return
      const { method } = exchange
      const cacheable = caching && (method === 'GET' || method === 'HEAD')
      // A body is not in the key, so nothing that may depend on it is stored or served.
      const usesCache = cacheable && !hasBody(exchange.fields)
      if (usesCache) hot.see(exchange.target)
      if (method === 'GET' && exchange.socket.bytesWritten > 0) options.onRegular?.(exchange.socket)
      if (usesCache && serveFromMemory(context, exchange, options.onRegular)) return
      goOn(exchange, usesCache, cacheable)
    },

    upgrade(req, duplex, head, onFinished) {
      const socket = duplex as Socket
      if (!options.upgrades) return void socket.destroy()
      const notes = noteUpgrade(req, socket, trusted, onFinished)
      const refusal = options.overloaded?.() ?? null
      if (refusal !== null) refuseUpgrade(context, socket, refusal, notes)
      else forwardUpgrade(context, options.upgrades, req, socket, head, notes)
    },

    purging,

    configure(next) {
      const { origin } = context
      Object.assign(options, next)
      trusts = createTrustCheck(options.trustedProxies)
      Object.assign(context, settingsOf(options))
      if (context.origin === origin) return
      context.originWatch.replace(context.origin)
      retired.add(origin)
      origin.retire().then(() => retired.delete(origin))
    },

    async close() {
      detach()
      await Promise.all([context.origin, ...retired].map((origin) => origin.close()))
    },
  }
}

function settingsOf(options: CacheOptions): Settings {
  const { origin, maxConcurrentSubrequests, maxRetries, cacheTtl, targets, setCookie, explicitOnly } = options
  return {
    origin,
    maxConcurrentSubrequests,
    maxRetries,
    caching: { cacheTtl, targets, setCookie, explicitOnly },
  }
}
