import { readFileSync } from 'node:fs'
import { nodePeer } from './node-http.ts'
import type { Peer } from './peer.ts'

/** Fastify with @fastify/http-proxy, which stores nothing. */
export const httpProxy: Peer = nodePeer('http-proxy', 'http-proxy-server.ts', () => {
  const about = new URL('../../node_modules/@fastify/http-proxy/package.json', import.meta.url)
  return JSON.parse(readFileSync(about, 'utf8')).version
})
