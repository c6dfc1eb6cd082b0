import type { Scope } from '../../test/helpers/scope.ts'
import { haproxy } from './haproxy.ts'
import { httpProxy } from './http-proxy.ts'
import { nginx, nginxDirectio, nginxDisk, nginxSendfile } from './nginx.ts'
import { nodeHttp } from './node-http.ts'
import { nodeTcp } from './node-tcp.ts'
import { slicestream } from './slicestream.ts'
import { trafficserver } from './trafficserver.ts'
import { varnish } from './varnish.ts'

/** What a server of the comparison is started with. Whatever a peer has no notion of, it leaves aside. */
export interface PeerOptions {
  /** `http://127.0.0.1:port` */
  origin: string
  scope: Scope
  /** The core that all of its threads run on; null: any. */
  core: number | null
  /** Bytes of its cache in memory (of nginx: in its cache directory). */
  memory: number
  /** False: a plain proxy that stores nothing. */
  caching: boolean
  /** nginx only: requests for what is being fetched wait for it (proxy_cache_lock); the others do so anyway. */
  coalesce?: boolean
  /** slicestream only; 'memory' by default. */
  l1?: 'memory' | 'heads'
  /** slicestream only; no second tier by default. */
  l2?: 'file' | 'raw-disk'
}

export interface RunningPeer {
  readonly name: string
  /** `http://127.0.0.1:port` */
  readonly url: string
  /** The processes that do the work, parents first. */
  pids(): number[]
  /** User and system time of all of them so far, microseconds. */
  cpu(): number
  /** Time that they were ready to run and had no core so far, microseconds. */
  waited(): number
  /** Resident memory of all of them now, bytes. */
  rss(): number
  /** The most that each of them had resident since its start or `resetPeak`, bytes. */
  peakRss(): number
  resetPeak(): void
  stop(): Promise<void>
}

export interface Peer {
  readonly name: string
  /** null: it can be used here; else what is missing, as a part of a sentence. */
  missing(): string | null
  version(): string
  start(options: PeerOptions): Promise<RunningPeer>
}

export type PeerName =
  | 'slicestream'
  | 'nginx'
  | 'nginx-sendfile'
  | 'nginx-disk'
  | 'nginx-directio'
  | 'varnish'
  | 'trafficserver'
  | 'haproxy'
  | 'http-proxy'
  | 'node-http'
  | 'node-tcp'

export const peers: Record<PeerName, Peer> = {
  slicestream,
  nginx,
  'nginx-sendfile': nginxSendfile,
  'nginx-disk': nginxDisk,
  'nginx-directio': nginxDirectio,
  varnish,
  trafficserver,
  haproxy,
  'http-proxy': httpProxy,
  'node-http': nodeHttp,
  'node-tcp': nodeTcp,
}
