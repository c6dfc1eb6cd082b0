import { type Address, parseAddress, parseOrigin } from '../lib/net/address.ts'
import type { Config } from './schema.ts'

/** Where the proxy itself listens, as `fastify.listen` wants it. */
export function listenOptions(config: Config): Address {
  return parsed(parseAddress(config.listen_address))
}

/** What a validated configuration means to each plugin; null for one that it turns off. */
export function pluginOptions(config: Config) {
  const { upstream, cache_key, purge, health_endpoint, metrics_endpoint, shutdown_timeout_ms } = config
  return {
    l1Cache:
      config.enable_cache && config.l1_cache_size_bytes > 0 ? { maxBytes: config.l1_cache_size_bytes } : null,
    l2File: usesFiles(config) ? { dir: config.l2_cache_dir, maxBytes: config.l2_cache_size_bytes } : null,
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
    purge: { enabled: purge.enabled, authToken: purge.auth_token },
    health: health_endpoint.enabled ? { address: health_endpoint.address } : null,
    metrics: metrics_endpoint.enabled ? { address: metrics_endpoint.address } : null,
    // What is left of the time is for the stores to finish their writes.
    gracefulClose: { timeout: shutdown_timeout_ms - Math.min(1000, shutdown_timeout_ms / 4) },
  }
}

/** Whether the disk tier is the raw disk. */
export function usesRawDisk(config: Config): boolean {
  return config.enable_cache && config.enable_l2_cache && config.l2_backend === 'raw_disk'
}

function usesFiles(config: Config): boolean {
  return config.enable_cache && config.enable_l2_cache && config.l2_backend === 'file'
}

/** The formats of the schema have let these texts through already. */
function parsed<T>(value: T | null): T {
  if (value === null) throw new TypeError('not a validated configuration')
  return value
}
