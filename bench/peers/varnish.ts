import { join } from 'node:path'
import { programPath } from '../../test/helpers/program-path.ts'
import { tempDir } from '../../test/helpers/scope.ts'
import { freePorts } from '../../test/helpers/server.ts'
import { startDaemon } from './daemon.ts'
import type { Peer, PeerOptions } from './peer.ts'
import { missingProgram, versionOf } from './programs.ts'

/** With its built-in VCL. */
export const varnish: Peer = {
  name: 'varnish',
  missing: () => missingProgram('varnishd', 'varnish'),
  version: () => versionOf('varnishd', '-V'),
  async start(options) {
    const [port] = await freePorts(1)
    return startDaemon({
      ...options,
      name: 'varnish',
      port,
      command: programPath('varnishd')!,
      args: argumentsOf(options, join(tempDir(options.scope), 'varnish'), port),
      children: 1,
    })
  },
}

function argumentsOf({ origin, memory }: PeerOptions, directory: string, port: number): string[] {
  return [
    '-F',
    // As the user who started it: the directory belongs to that one.
    ...['-j', 'none'],
    ...['-n', directory],
    ...['-a', `127.0.0.1:${port}`],
    ...['-b', new URL(origin).host],
    ...['-s', `malloc,${memory}`],
    ...['-p', 'thread_pools=1'],
    ...['-p', 'listen_depth=4096'],
    ...['-p', 'timeout_idle=300'],
    // Else large objects fail when many small ones have to make room for them.
    ...['-p', 'nuke_limit=10000'],
  ]
}
