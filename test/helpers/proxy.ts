import Fastify, { type FastifyInstance } from 'fastify'
import type { Counters } from '../../lib/cache/counters.ts'
import type { SliceStore } from '../../lib/stores/store.ts'
import l1Cache from '../../plugins/l1-cache.ts'
import l2File from '../../plugins/l2-file.ts'
import streamingProxy from '../../plugins/streaming-proxy.ts'
import { type Scope, tempDir } from './scope.ts'

type ProxyOptions = Parameters<typeof streamingProxy>[1]

export interface StartProxyOptions extends ProxyOptions {
  /** Bytes of the memory tier, default 64 MiB; 0 = none. */
  l1?: number
  /** Bytes of the file tier; default 0 = none. */
  l2?: number
  /** Directory of the file tier; default a temporary one. */
  dir?: string
  /** Registers something before the proxy at each start, such as another disk tier. */
  tier?: (fastify: FastifyInstance) => Promise<void>
}

/** A proxy in this process, on a port of its own. */
export interface Proxy {
  /** `http://127.0.0.1:port`, without a slash at the end. */
  readonly url: string
  readonly port: number
  readonly fastify: FastifyInstance
  readonly counters: Counters
  readonly l1: SliceStore | undefined
  readonly l2: SliceStore | undefined
  /** Where the file tier is. */
  readonly dir: string
  close(): Promise<void>
  /** Closes, and opens again over the same directory and on the same port, with an empty memory. */
  restart(): Promise<void>
}

export async function startProxy(t: Scope, options: StartProxyOptions): Promise<Proxy> {
  const { l1 = 64 * 1024 * 1024, l2 = 0, dir = tempDir(t), tier, ...proxyOptions } = options
  let fastify = await open(0)
  // Kept over a restart: the port is part of Host, and so of the cache key.
  const { port } = fastify.server.address() as { port: number }
  t.teardown(() => fastify.close())

  async function open(port: number): Promise<FastifyInstance> {
    const instance = Fastify({ forceCloseConnections: true })
    if (l1 > 0) await instance.register(l1Cache, { maxBytes: l1 })
    if (l2 > 0) await instance.register(l2File, { dir, maxBytes: l2 })
    await tier?.(instance)
    // As server.ts has it.
    await instance.register(streamingProxy, { beforeHooks: true, ...proxyOptions })
    await instance.listen({ port, host: '127.0.0.1' })
    return instance
  }

  return {
    url: `http://127.0.0.1:${port}`,
    port,
    get fastify() {
      return fastify
    },
    get counters() {
      return fastify.sliceProxy!.counters
    },
    get l1() {
      return fastify.l1
    },
    get l2() {
      return fastify.l2
    },
    dir,
    close: () => fastify.close(),
    async restart() {
      await fastify.close()
      fastify = await open(port)
    },
  }
}
