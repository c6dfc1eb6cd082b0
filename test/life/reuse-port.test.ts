import { existsSync, readFileSync } from 'node:fs'
import type { FastifyBaseLogger } from 'fastify'
import t from 'tap'
import { warnOfLostConnections } from '../../life/reuse-port.ts'

const SETTING = '/proc/sys/net/ipv4/tcp_migrate_req'

t.test(
  'a kernel that loses connections is told of, with what to do',
  { skip: !existsSync(SETTING) },
  async (t) => {
    const told: string[] = []
    warnOfLostConnections({ warn: (text: string) => told.push(text) } as unknown as FastifyBaseLogger)
    const loses = readFileSync(SETTING, 'utf8').trim() === '0'
    t.match(told, loses ? [/sysctl -w net\.ipv4\.tcp_migrate_req=1/] : [])
  },
)
