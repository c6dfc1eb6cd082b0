import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import type { Counters } from '../../lib/cache/counters.ts'
import l1Cache from '../../plugins/l1-cache.ts'
import l2File from '../../plugins/l2-file.ts'
import routeCache, { type RouteCacheOptions } from '../../plugins/route-cache.ts'
import { type Scope, tempDir } from './scope.ts'

export interface StartServiceOptions extends RouteCacheOptions {
  /** Bytes of the memory tier, default 64 MiB; 0 = none. */
  l1?: number
  /** Bytes of the file tier; default 0 = none. */
  l2?: number
  dir?: string
  fastify?: FastifyServerOptions
  /** What is registered before the cache. */
  before?: (fastify: FastifyInstance) => unknown
}

/** A Fastify service of somebody else, in this process, with the cache before its routes. */
export interface Service {
  /** `http://127.0.0.1:port`, without a slash at the end. */
  readonly url: string
  readonly port: number
  readonly fastify: FastifyInstance
  readonly counters: Counters
}

/** @param routes registers the routes, after the cache */
export async function startService(
  t: Scope,
  routes: (fastify: FastifyInstance) => unknown,
  options: StartServiceOptions = {},
): Promise<Service> {
  const { l1 = 64 * 1024 * 1024, l2 = 0, dir = tempDir(t), before, fastify: server, ...rest } = options
  const fastify = Fastify({ forceCloseConnections: true, ...server })
  t.teardown(() => fastify.close())
  await before?.(fastify)
  if (l1 > 0) await fastify.register(l1Cache, { maxBytes: l1 })
  if (l2 > 0) await fastify.register(l2File, { dir, maxBytes: l2 })
  await fastify.register(routeCache, rest)
  await routes(fastify)
  const url = await fastify.listen({ port: 0, host: '127.0.0.1' })
  const { port } = fastify.server.address() as { port: number }
  return { url, port, fastify, counters: fastify.routeCache!.counters }
}
