import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { tempDir } from '../../test/helpers/scope.ts'
import { freePorts } from '../../test/helpers/server.ts'
import { startDaemon } from './daemon.ts'
import type { Peer, PeerOptions } from './peer.ts'

/** Of memory: enough for the heads of some hundred objects, and an eighth of it, the most that it takes of one, is less than 64 KiB. */
const HEADS = 384 * 1024

const root = join(import.meta.dirname, '../..')
const DISK = 4 * 1024 * 1024 * 1024

/** As an operator runs it: the defaults, but for sizes, ports and the log's level. */
export const slicestream: Peer = {
  name: 'slicestream',
  missing: () => null,
  version: () => JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version,
  async start(options) {
    const directory = tempDir(options.scope)
    const [proxy, health, metrics] = await freePorts(3)
    const file = join(directory, 'config.yaml')
    // JSON is YAML.
    writeFileSync(file, JSON.stringify(settings(options, directory, { proxy, health, metrics })))
    return startDaemon({
      ...options,
      name: 'slicestream',
      port: proxy,
      command: process.execPath,
      args: [...(process.env.SLICESTREAM_NODE_FLAGS?.split(' ') ?? []), join(root, 'server.ts'), file],
      cwd: root,
    })
  },
}

function settings(options: PeerOptions, directory: string, ports: Record<string, number>): object {
  const raw = { device_path: join(directory, 'raw'), total_size: DISK }
  return {
    upstream_address: options.origin,
    listen_address: `127.0.0.1:${ports.proxy}`,
    health_endpoint: { enabled: true, address: `127.0.0.1:${ports.health}` },
    metrics_endpoint: { enabled: true, address: `127.0.0.1:${ports.metrics}` },
    log_level: 'warn',
    enable_cache: options.caching,
    l1_cache_size_bytes: options.l1 === 'heads' ? HEADS : options.memory,
    enable_l2_cache: options.l2 !== undefined,
    l2_cache_dir: join(directory, 'cache'),
    l2_cache_size_bytes: DISK,
    ...(options.l2 === 'raw-disk' && { l2_backend: 'raw_disk', raw_disk_cache: raw }),
  }
}
