import { nodePeer } from './node-http.ts'
import type { Peer } from './peer.ts'

/** No HTTP at all: the least that any server of node can do, and so what the machine and the runtime alone make of a figure. */
export const nodeTcp: Peer = nodePeer('node-tcp', 'node-tcp-server.ts', () => process.versions.node)
