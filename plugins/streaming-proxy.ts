import { type IncomingMessage, METHODS, type ServerResponse } from 'node:http'
import { isDeepStrictEqual } from 'node:util'
import type { FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { createCache, type LiveOptions } from '../lib/cache/cache.ts'
import { accessLine, type Finished } from '../lib/cache/finished.ts'
import { mayUpgrade } from '../lib/cache/upgrade.ts'
import { createExpressLane } from '../lib/net/express-lane.ts'
import { type CacheKeyOptions, cacheKeyOptions } from '../lib/semantics/key.ts'
import { checkSliceSize, DEFAULT_SLICE } from '../lib/slices/arithmetic.ts'
import type { MemoryStore } from '../lib/stores/memory.ts'
import { createOrigin, type OriginOptions } from '../lib/upstream/origin.ts'
import { bansOf, type ProxySettings } from './decorators.ts'

export interface StreamingProxyOptions extends ProxySettings {
  /** The origin: `http://host:port` or `https://host:port`. */
  upstream: string
  /** Bytes of a slice, 64 KiB to 16 MiB. Default 1 MiB. */
  sliceSize?: number
  /** False: stream everything, store nothing. Default true. */
  enableCache?: boolean
  cacheKey?: Partial<CacheKeyOptions>
  /**
   * True: GET and HEAD come to the proxy before Fastify's router and hooks, and plain GETs are answered before even
   * node:http has seen them. For a service that has nothing else on their paths; it halves what a hit costs. Default false.
   */
  beforeHooks?: boolean
}

/** CONNECT asks for a tunnel to anywhere; PURGE is for the `purge` plugin and never goes to the origin. */
const FORWARDED = METHODS.filter((method) => method !== 'CONNECT' && method !== 'PURGE')

const streamingProxy: FastifyPluginAsync<StreamingProxyOptions> = async (fastify, options) => {
  checkOptions(options)
  let current = { ...options }
  let originOptions = originOptionsOf(current)
  let origin = createOrigin(originOptions)
  const cache = createCache({
    ...liveOptions(),
    bans: bansOf(fastify),
    l1: fastify.l1 as MemoryStore | undefined,
    l2: fastify.l2,
    l1Bytes: fastify.l1?.stats().maxBytes ?? 0,
    enabled: options.enableCache ?? true,
    sliceSize: options.sliceSize ?? DEFAULT_SLICE,
    key: cacheKeyOptions(options.cacheKey),
    log: fastify.log,
    // Asked when they are needed: the plugins may be registered later, or not at all.
    overloaded: () => fastify.pressure?.refusal() ?? null,
    stallOf: (socket) => fastify.clientLimits?.stallOf(socket) ?? null,
    onRegular: options.beforeHooks ? (socket) => lane.follow(socket) : undefined,
    keepAlive: () => fastify.server.keepAliveTimeout,
  })
  const lane = createExpressLane({
    server: fastify.server,
    // A log wants to know more of a request than its answer does.
    answer: (memory, length, socket, longest, open) =>
      current.accessLog ? null : cache.answerAtOnce(memory, length, socket, longest, open),
    waiting(change, cut, socket) {
      cache.counters.requestsNow += change
      const isStalled = cut && fastify.clientLimits?.stallOf(socket)
      if (cut && !isStalled) cache.counters.clientAborts++
    },
  })

  function liveOptions(): LiveOptions {
    return {
      origin,
      upgrades: originOptions,
      cacheTtl: (current.cacheTtl ?? 3600) * 1000,
      maxConcurrentSubrequests: current.maxConcurrentSubrequests ?? 4,
      maxRetries: current.maxRetries ?? 3,
      slicePatterns: current.slicePatterns ?? [],
      hostHeader: current.hostHeader ?? 'upstream',
      trustedProxies: current.trustedProxies ?? [],
      targets: (current.targetedCacheControl ?? ['CDN-Cache-Control']).map((name) => name.toLowerCase()),
      setCookie: current.setCookie ?? 'explicit',
      showKey: current.cacheStatusKey ?? false,
    }
  }

  function configure(changes: ProxySettings): void {
    const next = { ...current, ...changes }
    checkOptions(next)
    current = next
    const wanted = originOptionsOf(next)
    // Connections are kept where nothing changed that they depend on.
    if (!isDeepStrictEqual(wanted, originOptions)) {
      originOptions = wanted
      origin = createOrigin(wanted)
    }
    cache.configure(liveOptions())
  }

  const onFinished = (finished: Finished) => fastify.log.info(accessLine(finished))
  const onFinishedNow = () => (current.accessLog ? onFinished : undefined)
  const handle = (request: FastifyRequest, reply: FastifyReply) => {
    reply.hijack()
    cache.handle(request.raw, reply.raw, onFinishedNow())
  }
  const { counters, view, purging } = cache
  fastify.decorate('sliceProxy', { counters, view, ...purging, handle, configure })
  const known = new Set(fastify.supportedMethods)
  for (const method of FORWARDED) if (!known.has(method)) fastify.addHttpMethod(method, { hasBody: true })
  fastify.route({
    method: FORWARDED,
    url: '/*',
    exposeHeadRoute: false,
    config: { cache: false }, // it is its own cache: `route-cache` has nothing to do here
    // Before Fastify would parse a body: what passes through is not touched.
    onRequest: handle,
    handler() {},
  })
  fastify.server.on('upgrade', (req, socket, head) => cache.upgrade(req, socket, head, onFinishedNow()))
  Object.assign(fastify.server, { shouldUpgradeCallback: mayUpgrade })
  if (options.beforeHooks) comeFirst(fastify, (req, res) => cache.handle(req, res, onFinishedNow()))
  fastify.addHook('preClose', async () => lane.stop())
  fastify.addHook('onClose', () => cache.close())
}

/** While closing Fastify has its say: its responses tell clients that they are the last. */
function comeFirst(
  fastify: FastifyInstance,
  handle: (req: IncomingMessage, res: ServerResponse) => void,
): void {
  const { server } = fastify
  const toFastify = server.listeners('request') as ((req: IncomingMessage, res: ServerResponse) => void)[]
  let closing = false
  server.removeAllListeners('request')
  server.on('request', (req, res) => {
    const isOurs = !closing && (req.method === 'GET' || req.method === 'HEAD')
    if (isOurs) handle(req, res)
    else for (const listener of toFastify) listener.call(server, req, res)
  })
  fastify.addHook('preClose', async () => void (closing = true))
}

function originOptionsOf(options: StreamingProxyOptions): OriginOptions {
  return {
    url: options.upstream,
    connectTimeout: options.connectTimeout ?? 5000,
    headersTimeout: options.headersTimeout ?? 60_000,
    bodyTimeout: options.bodyTimeout ?? 60_000,
    maxConnections: options.maxConnections ?? 1024,
    tlsVerify: options.tlsVerify ?? true,
  }
}

/** @throws TypeError that names the option, its value and what is allowed */
function checkOptions({ upstream, sliceSize = DEFAULT_SLICE }: StreamingProxyOptions): void {
  const url = URL.parse(upstream)
  if (!url || !/^https?:$/.test(url.protocol) || url.pathname !== '/' || url.search !== '') {
    throw new TypeError(`streaming-proxy: upstream ${upstream} is not http://host:port or https://host:port`)
  }
  checkSliceSize('streaming-proxy', sliceSize)
}

/** A streaming, slicing, caching proxy on every path that no other route takes. */
export default fp(streamingProxy, { fastify: '5.x', name: 'slicestream-streaming-proxy' })
