import { addressesClash, isLoopback, parseAddress, parseOrigin } from '../lib/net/address.ts'
import { geometryOf } from '../lib/stores/raw-disk/geometry.ts'
import { binarySize } from './expected.ts'
import type { Config } from './schema.ts'

/** What keys must satisfy together. */
export interface Rule {
  /** The keys judged, dotted; the first is the one to blame. While one of them is wrong by itself, the rule waits. */
  keys: readonly string[]
  /** What is wrong, as the words that follow "KEY: VALUE "; null when nothing is. */
  broken(config: Config): string | null
}

export const rules: readonly Rule[] = [
  {
    keys: ['l2_backend', 'enable_l2_cache', 'raw_disk_cache'],
    broken({ l2_backend, enable_l2_cache, raw_disk_cache }) {
      const missing = enable_l2_cache && l2_backend === 'raw_disk' && raw_disk_cache === null
      return missing ? 'needs the section raw_disk_cache' : null
    },
  },
  {
    keys: ['raw_disk_cache.total_size', 'raw_disk_cache.block_size'],
    broken({ raw_disk_cache: raw }) {
      if (raw === null || raw.total_size >= 10 * raw.block_size) return null
      return `is less than 10 blocks of raw_disk_cache.block_size (${10 * raw.block_size})`
    },
  },
  {
    keys: ['raw_disk_cache.total_size', 'raw_disk_cache.block_size', 'slice_size', 'l2_backend'],
    broken({ raw_disk_cache: raw, slice_size, l2_backend, enable_l2_cache }) {
      const isUsed = enable_l2_cache && l2_backend === 'raw_disk'
      if (!isUsed || raw === null || raw.total_size < 10 * raw.block_size) return null
      return whyNoDevice({ totalSize: raw.total_size, blockSize: raw.block_size, sliceSize: slice_size })
    },
  },
  {
    keys: ['l2_cache_size_bytes', 'slice_size', 'enable_l2_cache', 'l2_backend'],
    broken(config) {
      const holdsFiles = config.enable_l2_cache && config.l2_backend === 'file'
      if (!holdsFiles || config.l2_cache_size_bytes >= config.slice_size) return null
      return `cannot hold one slice (slice_size is ${config.slice_size} = ${binarySize(config.slice_size)})`
    },
  },
  {
    keys: ['purge.enabled', 'purge.auth_token', 'listen_address'],
    broken({ purge, listen_address }) {
      const address = parseAddress(listen_address)
      if (!purge.enabled || purge.auth_token !== null || (address && isLoopback(address))) return null
      return 'needs purge.auth_token or PURGE_TOKEN in the environment, unless listen_address is a loopback address'
    },
  },
  {
    keys: ['purge.bans_file', 'purge.enabled', 'raw_disk_cache.device_path', 'l2_backend'],
    broken({ purge, enable_cache, enable_l2_cache, l2_backend, raw_disk_cache: raw }) {
      const isUsed = enable_cache && enable_l2_cache && l2_backend === 'raw_disk' && raw !== null
      if (!isUsed || !purge.enabled || purge.bans_file !== null || !raw.device_path.startsWith('/dev/'))
        return null
      return 'needs a path: there is no place for it beside the device raw_disk_cache.device_path'
    },
  },
  {
    keys: ['upstream_address', 'listen_address'],
    broken({ upstream_address, listen_address }) {
      const origin = parseOrigin(upstream_address)
      const address = parseAddress(listen_address)
      if (origin === null || address === null) return null
      const { hostname, port, protocol } = new URL(origin)
      const upstream = {
        host: hostname.replace(/^\[|\]$/g, ''),
        port: Number(port || (protocol === 'https:' ? 443 : 80)),
      }
      const here =
        addressesClash(upstream, address) && (upstream.host === address.host || isLoopback(upstream))
      return here ? `is this proxy itself (listen_address is ${listen_address})` : null
    },
  },
  clash('health_endpoint', 'listen_address'),
  clash('metrics_endpoint', 'listen_address'),
  clash('metrics_endpoint', 'health_endpoint'),
]

/**
 * What is wrong with a configuration where sockets were handed to the process, as the words of a message; null = nothing.
 * `listen_address` then says nothing of who can connect.
 */
export function brokenBySockets(
  { purge, health_endpoint, metrics_endpoint }: Config,
  sockets: { proxy?: number; health?: number; metrics?: number },
): string | null {
  if (sockets.proxy !== undefined && purge.enabled && purge.auth_token === null) {
    return "purge.enabled: true needs purge.auth_token or PURGE_TOKEN in the environment, because the proxy's socket was handed over (LISTEN_FDS)"
  }
  for (const [name, endpoint] of Object.entries({ health: health_endpoint, metrics: metrics_endpoint })) {
    if (sockets[name as 'health' | 'metrics'] !== undefined && !endpoint.enabled) {
      return `${name}_endpoint.enabled: false, but a socket for it was handed over (LISTEN_FDS)`
    }
  }
  return null
}

/** Only the store knows what has to fit on a device. */
function whyNoDevice(sizes: Parameters<typeof geometryOf>[0]): string | null {
  try {
    geometryOf(sizes)
    return null
  } catch (error) {
    return `is not possible: ${(error as RangeError).message}`
  }
}

type Endpoint = 'health_endpoint' | 'metrics_endpoint'

function clash(endpoint: Endpoint, other: Endpoint | 'listen_address'): Rule {
  const otherKey = other === 'listen_address' ? other : `${other}.address`
  return {
    keys: [`${endpoint}.address`, otherKey],
    broken(config) {
      const mine = listens(config, endpoint)
      const theirs = listens(config, other)
      return mine && theirs && addressesClash(mine, theirs) ? `is taken by ${otherKey} already` : null
    },
  }
}

function listens(config: Config, who: Endpoint | 'listen_address') {
  if (who === 'listen_address') return parseAddress(config.listen_address)
  return config[who].enabled ? parseAddress(config[who].address) : null
}
