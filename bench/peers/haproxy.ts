import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { programPath } from '../../test/helpers/program-path.ts'
import { tempDir } from '../../test/helpers/scope.ts'
import { freePorts } from '../../test/helpers/server.ts'
import { startDaemon } from './daemon.ts'
import type { Peer, PeerOptions } from './peer.ts'
import { missingProgram, versionOf } from './programs.ts'

/** Its cache is meant for small objects. */
const LARGEST_OBJECT = 256 * 1024

export const haproxy: Peer = {
  name: 'haproxy',
  missing: () => missingProgram('haproxy', 'haproxy'),
  version: () => versionOf('haproxy', '-v'),
  async start(options) {
    const file = join(tempDir(options.scope), 'haproxy.cfg')
    const [port] = await freePorts(1)
    writeFileSync(file, configuration(options, port))
    const command = programPath('haproxy')!
    return startDaemon({ ...options, name: 'haproxy', port, command, args: ['-db', '-f', file] })
  },
}

function configuration({ origin, memory, caching }: PeerOptions, port: number): string {
  // Megabytes, 4095 at most.
  const size = Math.min(4095, Math.floor(memory / 1024 / 1024))
  const use = 'http-request cache-use objects\n  http-response cache-store objects'
  return `global
  nbthread 1
  maxconn 4000
defaults
  mode http
  timeout connect 5s
  timeout client 300s
  timeout server 60s
  timeout http-keep-alive 300s
  http-reuse always
cache objects
  total-max-size ${size}
  max-object-size ${LARGEST_OBJECT}
  max-age 3600
frontend clients
  bind 127.0.0.1:${port} backlog 4096
  ${caching ? use : ''}
  default_backend origin
backend origin
  server origin ${new URL(origin).host}
`
}
