import type { IncomingMessage, ServerResponse } from 'node:http'
import type {
  FastifyPluginAsync,
  FastifyReply,
  FastifyRequest,
  onRequestHookHandler,
  RouteOptions,
} from 'fastify'
import fp from 'fastify-plugin'
import { createCache } from '../lib/cache/cache.ts'
import { mayUpgrade } from '../lib/cache/upgrade.ts'
import { type CacheKeyOptions, cacheKeyOptions } from '../lib/semantics/key.ts'
import { isTrustedOnly } from '../lib/semantics/request-fields.ts'
import { checkSliceSize, DEFAULT_SLICE } from '../lib/slices/arithmetic.ts'
import type { MemoryStore } from '../lib/stores/memory.ts'
import { createLocalOrigin } from '../lib/upstream/local-origin.ts'
import { bansOf } from './decorators.ts'

export interface RouteCacheOptions {
  /** Bytes of a slice, 64 KiB to 16 MiB. Default 1 MiB; the same as that of a `streaming-proxy` on the same stores. */
  sliceSize?: number
  /**
   * After which hooks a request meets the cache, all of that kind: those of the route and of plugins registered before or
   * later (but for what later plugins add in `onRoute` hooks). 'onRequest': hits cost least. 'preHandler': hits are validated
   * and guarded like misses. Default 'onRequest'.
   */
  hook?: 'onRequest' | 'preHandler'
  cacheKey?: Partial<CacheKeyOptions>
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** False: `route-cache` leaves this route alone. */
    cache?: boolean
  }
}

const CACHED: ReadonlySet<string> = new Set(['GET', 'HEAD'])

/** Methods that no cache has to do with; PURGE is for the `purge` plugin. */
const LEFT_ALONE: ReadonlySet<string> = new Set(['CONNECT', 'OPTIONS', 'PURGE', 'TRACE'])

/** A request as the service sees it, where its `trustProxy` lets it believe a proxy in front. */
interface Seen {
  scheme: string
  host: string | undefined
}

/**
 * The cache before the service's own routes: before all that are registered after it, in its scope. The Cache-Control of a
 * route's response decides; a response without one, and without Expires, is not stored.
 */
const routeCache: FastifyPluginAsync<RouteCacheOptions> = async (fastify, options) => {
  const { l1, l2, initialConfig } = fastify
  const { hook = 'onRequest', sliceSize = DEFAULT_SLICE, cacheKey } = options
  checkSliceSize('route-cache', sliceSize)
  if (l1 === undefined && l2 === undefined) {
    throw new Error('route-cache: register l1-cache or l2-file before it, there is nowhere to store')
  }
  if (initialConfig.http2) throw new Error('route-cache: an HTTP/2 server is not supported')

  /** Of requests behind a proxy that the service believes. */
  const seen = new WeakMap<IncomingMessage, Seen>()
  const origin = createLocalOrigin({
    answer: (req, res) => fastify.routing(req, res),
    hides: (req, name) =>
      CACHED.has(req.method!) && !seen.has(req) && isTrustedOnly(name.replaceAll('_', '-')),
  })
  const cache = createCache({
    origin,
    bans: bansOf(fastify),
    upgrades: null,
    seenAs: (req) => seen.get(req),
    l1: l1 as MemoryStore | undefined,
    l2,
    l1Bytes: l1?.stats().maxBytes ?? 0,
    enabled: true,
    sliceSize,
    cacheTtl: 0,
    explicitOnly: true,
    // The service is no network: one request at a time is enough, and what it fails to answer it fails again.
    maxConcurrentSubrequests: 1,
    maxRetries: 0,
    slicePatterns: [],
    hostHeader: 'client',
    trustedProxies: [],
    targets: ['cdn-cache-control'],
    // Sessions set cookies behind the back of a route: its max-age alone does not say that they are for all.
    setCookie: 'shared',
    showKey: false,
    key: cacheKeyOptions(cacheKey),
  })
  const { counters, view, purging } = cache
  fastify.decorate('routeCache', { counters, view, ...purging })
  fastify.addHook('onClose', () => cache.close())

  fastify.addHook('onRoute', (route: RouteOptions) => {
    const methods = [route.method].flat()
    if (route.config?.cache === false || methods.every((method) => LEFT_ALONE.has(method))) return
    const hooks: onRequestHookHandler[] = [route[hook] ?? []].flat()
    route[hook] = [...hooks, meetCache]
    route.onError = [...[route.onError ?? []].flat(), sayNothingOfErrors]
  })

  function meetCache(request: FastifyRequest, reply: FastifyReply, done: () => void) {
    const { raw: req } = request
    if (origin.isOurs(req)) return done()
    // An upgrade (WebSocket) that a plugin has sent through the routes, to answer on the socket.
    if (req.headers.upgrade !== undefined && mayUpgrade(req)) return done()
    const res = reply.raw
    // Undefined without trustProxy; one address: the peer is not believed, or forwards for nobody.
    if (request.ips !== undefined && request.ips.length > 1) {
      seen.set(req, { scheme: request.protocol, host: request.host })
    }
    origin.offer(req, (captured, restore) => {
      answerInto(captured, reply, res)
      // Before the listener that has Fastify call the onResponse hooks and log.
      res.prependOnceListener('finish', () => {
        setRaw(reply, res)
        restore()
      })
      done()
    })
    cache.handle(req, res, undefined, () => {
      if (reply.raw !== res) return
      // Answered without this request's own handler. What is missing later is asked by a request of the cache.
      origin.withdraw(req)
      reply.hijack()
    })
  }
}

/** Fastify keeps what a handler has set before it failed: said of its answer, it does not hold for the error that comes instead. */
function sayNothingOfErrors(_request: FastifyRequest, reply: FastifyReply, _error: Error, done: () => void) {
  for (const name of SAID_OF_THE_ANSWER) reply.removeHeader(name)
  done()
}

const SAID_OF_THE_ANSWER = ['cache-control', 'cdn-cache-control', 'expires', 'etag', 'last-modified']

/** What Fastify does with the reply from now on goes to the cache; fields that were set past Fastify go with it. */
function answerInto(captured: ServerResponse, reply: FastifyReply, res: ServerResponse): void {
  captured.statusCode = res.statusCode
  for (const [name, value] of Object.entries(res.getHeaders())) captured.setHeader(name, value!)
  setRaw(reply, captured)
}

function setRaw(reply: FastifyReply, res: ServerResponse): void {
  ;(reply as { raw: ServerResponse }).raw = res
}

/** RFC 9111 caching of the routes of an embedding service. Needs `l1-cache` or `l2-file`; register it before the routes. */
export default fp(routeCache, { fastify: '5.x', name: 'slicestream-route-cache' })
