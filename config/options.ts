import { parseAddress, parseOrigin } from '../lib/net/address.ts'
import type { Place } from '../lib/net/place.ts'
import type { Config } from './schema.ts'

/** File descriptors of listening sockets that the process was started with, which take the place of addresses. */
export interface Sockets {
  proxy?: number
  health?: number
  metrics?: number
}

/** Where the proxy itself listens, as `fastify.listen` wants it. */
export function listenOptions(config: Config, sockets: Sockets = {}): Place {
  const address = parsed(parseAddress(config.listen_address))
  return { ...address, reusePort: config.listen_reuse_port, fd: sockets.proxy }
}

/** What a validated configuration means to each plugin; null for one that it turns off. */
export function pluginOptions(config: Config, sockets: Sockets = {}) {
  const { upstream, cache_key, purge, health_endpoint, metrics_endpoint, shutdown_timeout_ms } = config
  const { client, pressure } = config
  const reusePort = config.listen_reuse_port
  return {
    l1Cache:
      config.enable_cache && config.l1_cache_size_bytes > 0 ? { maxBytes: config.l1_cache_size_bytes } : null,
    l2File:
      l2Backend(config) === 'file'
        ? {
            dir: config.l2_cache_dir,
            maxBytes: config.l2_cache_size_bytes,
            bansFile: purge.bans_file ?? undefined,
          }
        : null,
    l2RawDisk: rawDiskOptions(config),
    streamingProxy: {
      upstream: parsed(parseOrigin(config.upstream_address)),
      sliceSize: config.slice_size,
      cacheTtl: config.cache_ttl,
      enableCache: config.enable_cache,
      maxConcurrentSubrequests: config.max_concurrent_subrequests,
      maxRetries: config.max_retries,
      slicePatterns: config.slice_patterns,
      hostHeader: upstream.host_header,
      connectTimeout: upstream.connect_timeout_ms,
      headersTimeout: upstream.headers_timeout_ms,
      bodyTimeout: upstream.body_timeout_ms,
      maxConnections: upstream.max_connections,
      tlsVerify: upstream.tls_verify,
      trustedProxies: config.trusted_proxies,
      cacheKey: {
        includeHost: cache_key.include_host,
        ignoreQuery: cache_key.ignore_query,
        queryAllowlist: cache_key.query_allowlist,
      },
      targetedCacheControl: config.targeted_cache_control,
      setCookie: config.set_cookie,
      cacheStatusKey: config.cache_status_key,
      accessLog: config.access_log,
    },
    pressure: {
      maxEventLoopDelay: pressure.max_event_loop_delay_ms,
      maxEventLoopPercent: pressure.max_event_loop_percent,
      maxRssBytes: pressure.max_rss_bytes,
      retryAfter: pressure.retry_after_seconds,
    },
    clientLimits: {
      maxConnections: client.max_connections,
      headerTimeout: client.header_timeout_ms,
      bodyTimeout: client.body_timeout_ms,
      sendTimeout: client.send_timeout_ms,
      idleTimeout: client.idle_timeout_ms,
    },
    purge: { enabled: purge.enabled, authToken: purge.auth_token },
    health: health_endpoint.enabled
      ? { reusePort, fd: sockets.health, address: health_endpoint.address }
      : null,
    metrics: metrics_endpoint.enabled
      ? { reusePort, fd: sockets.metrics, address: metrics_endpoint.address }
      : null,
    status: health_endpoint.enabled && health_endpoint.status_page ? {} : null,
    // What is left of the time is for the stores to finish their writes.
    gracefulClose: { timeout: shutdown_timeout_ms - Math.min(1000, shutdown_timeout_ms / 4) },
  }
}

/** The disk tier is files, the raw disk, or not there. */
export function l2Backend(config: Config): Config['l2_backend'] | null {
  return config.enable_cache && config.enable_l2_cache ? config.l2_backend : null
}

function rawDiskOptions(config: Config) {
  const raw = config.raw_disk_cache
  if (l2Backend(config) !== 'raw_disk' || raw === null) return null
  return {
    devicePath: raw.device_path,
    totalSize: raw.total_size,
    blockSize: raw.block_size,
    sliceSize: config.slice_size,
    directIo: raw.use_direct_io,
    compression: raw.enable_compression,
    prefetch: raw.enable_prefetch,
    zeroCopy: raw.enable_zero_copy,
    secondHitAdmission: raw.second_hit_admission,
    format: raw.format,
    // Several processes at once are what reuse of the port is for; a disk has one owner at a time.
    waitForOwner: config.listen_reuse_port,
    selfTest: raw.self_test,
    bansFile: config.purge.bans_file ?? undefined,
  }
}

/** The formats of the schema have let these texts through already. */
function parsed<T>(value: T | null): T {
  if (value === null) throw new TypeError('not a validated configuration')
  return value
}
