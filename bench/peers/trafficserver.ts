import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { programPath } from '../../test/helpers/program-path.ts'
import { tempDir } from '../../test/helpers/scope.ts'
import { freePorts } from '../../test/helpers/server.ts'
import { startDaemon } from './daemon.ts'
import type { Peer, PeerOptions } from './peer.ts'
import { missingProgram, versionOf } from './programs.ts'

export const trafficserver: Peer = {
  name: 'trafficserver',
  missing: () => missingProgram('traffic_server', 'trafficserver'),
  version: () => versionOf('traffic_server', '--version'),
  async start(options) {
    const directory = tempDir(options.scope)
    const [port] = await freePorts(1)
    for (const name of ['etc', 'cache', 'run', 'log']) mkdirSync(join(directory, name))
    for (const [name, text] of Object.entries(files(options, directory, port)))
      writeFileSync(join(directory, name), `${text.trim()}\n`)
    return startDaemon({
      ...options,
      name: 'trafficserver',
      port,
      command: programPath('traffic_server')!,
      args: [],
      env: { TS_RUNROOT: join(directory, 'runroot.yaml') },
    })
  },
}

/** What it reads, all in one directory of its own. */
function files({ origin, memory, caching }: PeerOptions, directory: string, port: number) {
  const records = {
    'http.server_ports': `STRING ${port}:ip-in=127.0.0.1`,
    // One thread for all connections.
    'exec_thread.autoconfig': 'INT 0',
    'exec_thread.limit': 'INT 1',
    accept_threads: 'INT 0',
    task_threads: 'INT 1',
    'http.cache.http': `INT ${caching ? 1 : 0}`,
    'cache.ram_cache.size': `INT ${memory}`,
    'cache.ram_cache_cutoff': 'INT 134217728',
    'http.keep_alive_no_activity_timeout_in': 'INT 300',
    'net.connections_throttle': 'INT 30000',
    'net.listen_backlog': 'INT 4096',
    'log.logging_enabled': 'INT 0',
    // As the user who started it.
    'admin.user_id': 'STRING #-1',
    crash_log_helper: 'STRING NULL',
  }
  return {
    'runroot.yaml': `
prefix: ${directory}
exec_prefix: /usr
bindir: /usr/bin
sbindir: /usr/sbin
sysconfdir: ${directory}/etc
datadir: ${directory}/cache
includedir: /usr/include
libdir: /usr/lib
libexecdir: /usr/lib/trafficserver/modules
localstatedir: ${directory}/run
runtimedir: ${directory}/run
logdir: ${directory}/log
cachedir: ${directory}/cache`,
    'etc/records.config': Object.entries(records)
      .map(([name, value]) => `CONFIG proxy.config.${name} ${value}`)
      .join('\n'),
    'etc/remap.config': `map http://127.0.0.1:${port}/ ${origin}/`,
    'etc/storage.config': `${directory}/cache ${Math.max(memory * 2, 1024 ** 3)}`,
    'etc/plugin.config': '',
    'etc/ip_allow.yaml': `
ip_allow:
  - apply: in
    ip_addrs: 127.0.0.1
    action: allow
    methods: ALL`,
  }
}
