import { readFileSync } from 'node:fs'
import type { FastifyBaseLogger } from 'fastify'

/** Linux 5.14 and later. */
const SETTING = '/proc/sys/net/ipv4/tcp_migrate_req'

/** Says so where the kernel resets the connections that a process has not yet accepted when it stops listening. */
export function warnOfLostConnections(log: FastifyBaseLogger): void {
  if (migrates() === false) {
    log.warn(
      'listen_reuse_port: with net.ipv4.tcp_migrate_req = 0 a connection that arrives while another process here stops ' +
        'listening may be reset; sysctl -w net.ipv4.tcp_migrate_req=1 hands it over',
    )
  }
}

/** Whether it hands them over to another process on the port; undefined where there is no such setting. */
function migrates(): boolean | undefined {
  try {
    return readFileSync(SETTING, 'utf8').trim() !== '0'
  } catch {
    return undefined
  }
}
