import { randomBytes } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { BlockList, isIPv6 } from 'node:net'
import { posix } from 'node:path'
import type { Duplex } from 'node:stream'
import { LRUCache } from 'lru-cache'
import { fieldValue, fieldValues } from '../semantics/fields.ts'
import type { SetCookiePolicy } from '../semantics/freshness.ts'
import { type CacheKeyOptions, cacheKey, normalisedPath, parseTarget } from '../semantics/key.ts'
import { FILL_FIELDS, loops, upstreamFields } from '../semantics/request-fields.ts'
import { proxyStatus } from '../semantics/response-fields.ts'
import type { FieldList } from '../semantics/types.ts'
import { createFillMemory } from '../slices/fill-memory.ts'
import type { MemoryStore } from '../stores/memory.ts'
import type { SliceStore } from '../stores/store.ts'
import { createTieredStore } from '../stores/tiered.ts'
import { STEPS, uniqueNow } from '../upstream/clock.ts'
import type { Origin, OriginOptions } from '../upstream/origin.ts'
import { createRetryBudget } from '../upstream/retry.ts'
import type { Context, Exchange } from './context.ts'
import { type Counters, createCounters, observeTtfb } from './counters.ts'
import { sendError } from './failures.ts'
import { serveFromMemory } from './fast-path.ts'
import { createGroups } from './groups.ts'
import { hasBody, pass } from './pass.ts'
import { createResources } from './resource.ts'
import { serve } from './serve.ts'
import { createSink } from './sink.ts'
import { forwardUpgrade } from './upgrade.ts'

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

export interface CacheOptions {
  origin: Origin
  /** How requests for another protocol reach the origin; null = there are none. */
  upgrades: OriginOptions | null
  /** Scheme and Host that the client used, where a framework in front knows better than the connection and its fields. */
  seenAs?: (req: IncomingMessage) => { scheme: string; host: string | undefined } | undefined
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
  /** Globs on the path; empty = every path may be fetched by slices. */
  slicePatterns: readonly string[]
  /** Value of Host for the origin: its own name, or what the client sent. */
  hostHeader: 'upstream' | 'client'
  /** Addresses and CIDR blocks of proxies whose X-Forwarded-* fields are kept. */
  trustedProxies: readonly string[]
  key: CacheKeyOptions
  /** Lower-case names of targeted fields (RFC 9213), the one that counts first in front. */
  targets: readonly string[]
  setCookie: SetCookiePolicy
  /** Whether Cache-Status tells the cache key. */
  showKey: boolean
}

/** What is known of a request when its response has ended, for an access log. */
export interface Finished {
  req: IncomingMessage
  remoteAddress: string | undefined
  res: ServerResponse
  /** X-Cache. */
  result: string
  /** Milliseconds to the response head; -1 when there was none. */
  ttfb: number
  /** Milliseconds from the request to the end. */
  duration: number
  /** Body bytes handed to the client's connection. */
  bytes: number
  aborted: boolean
}

export interface ProxyCache {
  readonly counters: Counters
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

  function schemeOf(req: IncomingMessage): string {
    if ((req.socket as { encrypted?: boolean }).encrypted) return 'https'
    if (!trusted(req.socket.remoteAddress)) return 'http'
    return fieldValue(req.rawHeaders, 'x-forwarded-proto') === 'https' ? 'https' : 'http'
  }

  function sliceable(path: string): boolean {
    const { slicePatterns } = options
    if (slicePatterns.length === 0) return true
    const end = path.indexOf('?')
    const plain = end === -1 ? path : path.slice(0, end)
    return slicePatterns.some((pattern) => posix.matchesGlob(plain, pattern))
  }

  function createExchange(
    req: IncomingMessage,
    res: ServerResponse,
    onFinished: ((finished: Finished) => void) | undefined,
    onHead: (() => void) | undefined,
  ): Exchange | undefined {
    const startedAt = performance.now()
    // Node takes it from a request whose body was read to the end.
    const { socket } = req
    const bytesBefore = socket.bytesWritten
    let ttfb = -1
    counters.requests++
    counters.requestsNow++
    const fields = req.rawHeaders
    const hosts = fieldValues(fields, 'host')
    const { scheme, host } = options.seenAs?.(req) ?? { scheme: schemeOf(req), host: hosts[0] }
    const parsed = parseTarget(req.method!, req.url!, host, scheme)
    const target = parsed.ok ? parsed : { scheme: 'http', authority: '', path: '/' }
    const key = cacheKey(target, options.key)
    let forwarded: FieldList | undefined
    const exchange: Exchange = {
      req,
      socket,
      res,
      method: req.method!,
      fields,
      target,
      key,
      shownKey: options.showKey ? key : undefined,
      // Only what is not in memory asks for these two: they are too dear for every hit.
      isSliceable: () => sliceable(target.path),
      forwarded: () => (forwarded ??= context.upstreamFields(exchange, FILL_FIELDS)),
      sink: createSink(res, counters),
      subrequests: 0,
      failures: 0,
      wasCut: false,
      result: '',
      onHead() {
        ttfb = performance.now() - startedAt
        observeTtfb(counters, ttfb / 1000)
        onHead?.()
      },
    }
    res.once('close', () => {
      counters.requestsNow--
      const aborted = !res.writableFinished
      if (res.headersSent) counters.responsesByClass[Math.floor(res.statusCode / 100)]++
      if (aborted && !exchange.wasCut) counters.clientAborts++
      onFinished?.({
        req,
        remoteAddress: socket.remoteAddress,
        res,
        result: exchange.result,
        ttfb,
        duration: performance.now() - startedAt,
        bytes: socket.bytesWritten - bytesBefore,
        aborted,
      })
    })
    // RFC 9112 section 3.2: a request with several Host fields, or an invalid one, is refused.
    const refusal = hosts.length > 1 ? 'more than one Host field' : parsed.ok ? undefined : parsed.reason
    if (refusal === undefined) return exchange
    res.shouldKeepAlive = false
    sendError(exchange, 400, `400 ${refusal}`, ['Proxy-Status', proxyStatus('http_request_error')])
    return undefined
  }

  return {
    counters,

    handle(req, res, onFinished, onHead) {
      const exchange = createExchange(req, res, onFinished, onHead)
      if (!exchange) return
      const { method } = exchange
      const cacheable = caching && (method === 'GET' || method === 'HEAD')
      // A body is not in the key, so nothing that may depend on it is stored or served.
      const usesCache = cacheable && !hasBody(exchange.fields)
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
      const parsed = parseTarget('GET', req.url!, fieldValue(req.rawHeaders, 'host'), schemeOf(req))
      return parsed.ok ? context.resources.purge(cacheKey(parsed, options.key)) : null
    },

    purgeAll: () => context.resources.purgeAll(),

    async close() {
      await origin.close()
    },
  }
}

/** Whether an address belongs to a proxy of ours. */
function createTrustCheck(proxies: readonly string[]): (address: string | undefined) => boolean {
  const list = new BlockList()
  for (const proxy of proxies) {
    const [address, prefix] = proxy.split('/')
    const family = isIPv6(address) ? 'ipv6' : 'ipv4'
    if (prefix === undefined) list.addAddress(address, family)
    else list.addSubnet(address, Number(prefix), family)
  }
  if (proxies.length === 0) return () => false
  return (address) => address !== undefined && list.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')
}
