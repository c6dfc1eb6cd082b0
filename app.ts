import type { Server } from 'node:http'
import { type FastifyHttpOptions, type FastifyPluginAsync, LogController } from 'fastify'
import fp from 'fastify-plugin'
import { pluginOptions } from './config/options.ts'
import { readConfig } from './config/read.ts'
import type { Config } from './config/schema.ts'
import gracefulClose from './plugins/graceful-close.ts'
import health from './plugins/health.ts'
import l1Cache from './plugins/l1-cache.ts'
import l2File from './plugins/l2-file.ts'
import l2RawDisk from './plugins/l2-rawdisk.ts'
import metrics from './plugins/metrics.ts'
import purge from './plugins/purge.ts'
import streamingProxy from './plugins/streaming-proxy.ts'

/**
 * A validated configuration; or the path of a configuration file as `config`, which `fastify start app.ts -- --config=FILE`
 * gives, or else as SLICESTREAM_CONFIG in the environment.
 */
export type AppOptions = Config | { config?: string }

/** The suite as one plugin: the proxy with its tiers, health and metrics on their own ports. */
const app: FastifyPluginAsync<AppOptions> = async (fastify, given) => {
  const config = isConfig(given) ? given : readConfig(fileOf(given), process.env)
  const options = pluginOptions(config)
  if (options.l1Cache) await fastify.register(l1Cache, options.l1Cache)
  if (options.l2File) await fastify.register(l2File, options.l2File)
  if (options.l2RawDisk) await fastify.register(l2RawDisk, options.l2RawDisk)
  await fastify.register(streamingProxy, options.streamingProxy)
  await fastify.register(purge, options.purge)
  if (options.health) await fastify.register(health, options.health)
  if (options.metrics) await fastify.register(metrics, options.metrics)
  await fastify.register(gracefulClose, options.gracefulClose)
}

/** Options of the Fastify instance that the app is meant for (`fastify start --options app.ts`). */
export const options = {
  // A request's head must be here within 15 s of its first byte, so that slow senders cannot hold sockets. Its body may
  // take an hour: requestTimeout counts the whole upload, and a shorter one would cut honest clients on slow lines.
  http: { headersTimeout: 15_000, connectionsCheckingInterval: 5_000 },
  requestTimeout: 3_600_000,
  // Longer than the 60 s for which common load balancers keep idle connections: they shall be the ones to close.
  keepAliveTimeout: 72_000,
  // Requests that arrive while closing, on connections that were already open, are answered and not refused.
  return503OnClosing: false,
  forceCloseConnections: 'idle',
  // Preallocating a raw disk takes as long as the disk does: minutes, and not Fastify's 10 s for a plugin.
  pluginTimeout: 0,
  // The origin answers HEAD itself; and one line for each request is access_log's decision.
  exposeHeadRoutes: false,
  // The router refuses targets that it cannot decode, such as /100%: they are the origin's to judge.
  frameworkErrors(error, request, reply) {
    const proxy = request.server.sliceProxy
    if (error.code === 'FST_ERR_BAD_URL' && proxy && request.method !== 'PURGE') proxy.handle(request, reply)
    else reply.send(error as never)
  },
  logController: new LogController({ disableRequestLogging: true }),
} satisfies FastifyHttpOptions<Server>

export default fp(app, { fastify: '5.x', name: 'slicestream' })

function isConfig(given: AppOptions): given is Config {
  return 'upstream_address' in given
}

function fileOf({ config }: { config?: string }): string {
  const file = config ?? process.env.SLICESTREAM_CONFIG
  if (!file) throw new Error('no configuration: give --config=FILE or SLICESTREAM_CONFIG')
  return file
}
