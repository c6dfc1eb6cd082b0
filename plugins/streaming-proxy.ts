import { METHODS } from 'node:http'
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { createCache } from '../lib/cache/cache.ts'
import type { Finished } from '../lib/cache/exchange.ts'
import { mayUpgrade } from '../lib/cache/upgrade.ts'
import type { SetCookiePolicy } from '../lib/semantics/freshness.ts'
import { type CacheKeyOptions, cacheKeyOptions } from '../lib/semantics/key.ts'
import { checkSliceSize, DEFAULT_SLICE } from '../lib/slices/arithmetic.ts'
import type { MemoryStore } from '../lib/stores/memory.ts'
import { createOrigin } from '../lib/upstream/origin.ts'
import './decorators.ts'

export interface StreamingProxyOptions {
  /** The origin: `http://host:port` or `https://host:port`. */
  upstream: string
  /** Bytes of a slice, 64 KiB to 16 MiB. Default 1 MiB. */
  sliceSize?: number
  /** Seconds of freshness for cacheable responses that say nothing of it. Default 3600; 0 = always validated. */
  cacheTtl?: number
  /** False: stream everything, store nothing. Default true. */
  enableCache?: boolean
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
  cacheKey?: Partial<CacheKeyOptions>
  /** Response fields that replace Cache-Control (RFC 9213), the one that counts first in front. Default CDN-Cache-Control. */
  targetedCacheControl?: string[]
  /** Which responses with Set-Cookie are stored. Default 'explicit'. */
  setCookie?: SetCookiePolicy
  /** Whether Cache-Status tells clients the cache key. Default false. */
  cacheStatusKey?: boolean
  /** One info line for each response. Default false. */
  accessLog?: boolean
}

/** CONNECT asks for a tunnel to anywhere; PURGE is for the `purge` plugin and never goes to the origin. */
const FORWARDED = METHODS.filter((method) => method !== 'CONNECT' && method !== 'PURGE')

const streamingProxy: FastifyPluginAsync<StreamingProxyOptions> = async (fastify, options) => {
  checkOptions(options)
  const originOptions = {
    url: options.upstream,
    connectTimeout: options.connectTimeout ?? 5000,
    headersTimeout: options.headersTimeout ?? 60_000,
    bodyTimeout: options.bodyTimeout ?? 60_000,
    maxConnections: options.maxConnections ?? 1024,
    tlsVerify: options.tlsVerify ?? true,
  }
  const cache = createCache({
    origin: createOrigin(originOptions),
    upgrades: originOptions,
    l1: fastify.l1 as MemoryStore | undefined,
    l2: fastify.l2,
    l1Bytes: fastify.l1?.stats().maxBytes ?? 0,
    enabled: options.enableCache ?? true,
    sliceSize: options.sliceSize ?? DEFAULT_SLICE,
    cacheTtl: (options.cacheTtl ?? 3600) * 1000,
    maxConcurrentSubrequests: options.maxConcurrentSubrequests ?? 4,
    maxRetries: options.maxRetries ?? 3,
    slicePatterns: options.slicePatterns ?? [],
    hostHeader: options.hostHeader ?? 'upstream',
    trustedProxies: options.trustedProxies ?? [],
    key: cacheKeyOptions(options.cacheKey),
    targets: (options.targetedCacheControl ?? ['CDN-Cache-Control']).map((name) => name.toLowerCase()),
    setCookie: options.setCookie ?? 'explicit',
    showKey: options.cacheStatusKey ?? false,
  })
  const onFinished = options.accessLog
    ? (finished: Finished) => fastify.log.info(accessLine(finished))
    : undefined
  const handle = (request: FastifyRequest, reply: FastifyReply) => {
    reply.hijack()
    cache.handle(request.raw, reply.raw, onFinished)
  }
  fastify.decorate('sliceProxy', { ...cache, handle })
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
  fastify.server.on('upgrade', cache.upgrade)
  Object.assign(fastify.server, { shouldUpgradeCallback: mayUpgrade })
  fastify.addHook('onClose', () => cache.close())
}

/** @throws TypeError that names the option, its value and what is allowed */
function checkOptions({ upstream, sliceSize = DEFAULT_SLICE }: StreamingProxyOptions): void {
  const url = URL.parse(upstream)
  if (!url || !/^https?:$/.test(url.protocol) || url.pathname !== '/' || url.search !== '') {
    throw new TypeError(`streaming-proxy: upstream ${upstream} is not http://host:port or https://host:port`)
  }
  checkSliceSize('streaming-proxy', sliceSize)
}

function accessLine({ req, remoteAddress, res, result, ttfb, duration, bytes, aborted }: Finished) {
  return {
    msg: 'access',
    remoteAddress,
    method: req.method,
    url: req.url,
    status: res.statusCode,
    bytes,
    cache: result,
    ttfbMs: round(ttfb),
    durationMs: round(duration),
    aborted,
    userAgent: req.headers['user-agent'],
  }
}

function round(milliseconds: number): number {
  return Math.round(milliseconds * 1000) / 1000
}

/** A streaming, slicing, caching proxy on every path that no other route takes. */
export default fp(streamingProxy, { fastify: '5.x', name: 'slicestream-streaming-proxy' })
