import { join } from 'node:path'
import { freePorts } from '../../test/helpers/server.ts'
import { startDaemon } from './daemon.ts'
import type { Peer } from './peer.ts'

/** No cache and no proxy: the least that a node:http handler costs that sends the same bytes as slicestream's hit. */
export const nodeHttp: Peer = nodePeer('node-http', 'node-http-server.ts', () => process.versions.node)

/** A peer that is a program of this directory: `node program PORT ORIGIN`. */
export function nodePeer(name: string, program: string, version: () => string): Peer {
  return {
    name,
    missing: () => null,
    version,
    async start(options) {
      const [port] = await freePorts(1)
      const args = [join(import.meta.dirname, program), String(port), options.origin]
      return startDaemon({ ...options, name, port, command: process.execPath, args })
    },
  }
}
