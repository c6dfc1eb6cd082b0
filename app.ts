import type { Server } from 'node:http'
import {
  type FastifyHttpOptions,
  type FastifyInstance,
  type FastifyPluginAsync,
  LogController,
} from 'fastify'
import fp from 'fastify-plugin'
import { pluginOptions, type Sockets } from './config/options.ts'
import { readConfig } from './config/read.ts'
import { describeChange, planReload, type Reload } from './config/reload.ts'
import { brokenBySockets } from './config/rules.ts'
import type { Config } from './config/schema.ts'
import clientLimits from './plugins/client-limits.ts'
import gracefulClose from './plugins/graceful-close.ts'
import health from './plugins/health.ts'
import l1Cache from './plugins/l1-cache.ts'
import l2File from './plugins/l2-file.ts'
import l2RawDisk from './plugins/l2-rawdisk.ts'
import metrics from './plugins/metrics.ts'
import pressure from './plugins/pressure.ts'
import purge from './plugins/purge.ts'
import status from './plugins/status.ts'
import streamingProxy from './plugins/streaming-proxy.ts'

/**
 * A validated configuration, and listening sockets that this process was started with; or the path of a configuration file
 * as `config`, which `fastify start app.ts -- --config=FILE` gives, or else as SLICESTREAM_CONFIG in the environment.
 * `beforeHooks` is that of `streaming-proxy`: for an instance that has nothing but this app.
 */
export type AppOptions = (Config & { sockets?: Sockets; beforeHooks?: boolean }) | { config?: string }

declare module 'fastify' {
  interface FastifyInstance {
    /**
     * Makes a running app follow another validated configuration, as far as that is possible without a restart, and logs
     * what changed. With `refusals` in the result nothing did.
     */
    reload?(config: Config): Reload
  }
}

/** The suite as one plugin: the proxy with its tiers, health and metrics on their own ports. */
const app: FastifyPluginAsync<AppOptions> = async (fastify, given) => {
  const {
    sockets = {},
    beforeHooks = false,
    ...config
  } = isConfig(given)
    ? given
    : { ...readConfig(fileOf(given), process.env), sockets: undefined, beforeHooks: undefined }
  const broken = brokenBySockets(config, sockets)
  if (broken !== null) throw new Error(broken)
  const options = pluginOptions(config, sockets)
  if (options.l1Cache) await fastify.register(l1Cache, options.l1Cache)
  if (options.l2File) await fastify.register(l2File, options.l2File)
  if (options.l2RawDisk) await fastify.register(l2RawDisk, options.l2RawDisk)
  await fastify.register(streamingProxy, { ...options.streamingProxy, beforeHooks })
  await fastify.register(pressure, options.pressure)
  await fastify.register(clientLimits, options.clientLimits)
  await fastify.register(purge, options.purge)
  if (options.health) await fastify.register(health, options.health)
  if (options.status) await fastify.register(status, options.status)
  if (options.metrics) await fastify.register(metrics, options.metrics)
  await fastify.register(gracefulClose, options.gracefulClose)

  let running: Config = config
  fastify.decorate('reload', (wanted) => {
    const plan = planReload(running, wanted)
    const broken = brokenBySockets(plan.config, sockets)
    const refusals = broken === null ? plan.refusals : [...plan.refusals, broken]
    const reload: Reload = { ...plan, refusals }
    if (refusals.length === 0) {
      running = plan.config
      configure(fastify, running)
    }
    // A level that is quieter than before shall not hide that it is.
    const isTold = TELLING.has(fastify.log.level)
    if (isTold) tell(fastify, reload)
    fastify.log.level = running.log_level
    if (!isTold) tell(fastify, reload)
    return reload
  })
}

const TELLING: ReadonlySet<string> = new Set(['trace', 'debug', 'info'])

/** Hands the plugins what `live` keys of the schema have become. */
function configure(fastify: FastifyInstance, config: Config): void {
  const { streamingProxy, pressure, clientLimits, purge, gracefulClose } = pluginOptions(config)
  fastify.sliceProxy?.configure(streamingProxy)
  fastify.pressure?.configure(pressure)
  fastify.clientLimits?.configure(clientLimits)
  fastify.purge?.configure(purge)
  fastify.gracefulClose?.configure(gracefulClose)
}

function tell({ log }: FastifyInstance, { applied, waiting, refusals }: Reload): void {
  if (refusals.length > 0) {
    for (const refusal of refusals) log.error(`reload: ${refusal}`)
    log.error(
      'reload: refused, nothing has changed: what needs a restart is as it was, and does not allow it',
    )
    return
  }
  for (const change of applied) log.info(`reload: ${describeChange(change)}`)
  for (const change of waiting) log.warn(`reload: ${describeChange(change)} needs a restart`)
  log.info(`reload: done, ${applied.length} keys applied, ${waiting.length} wait for a restart`)
}

/** Options of the Fastify instance that the app is meant for (`fastify start --options app.ts`). */
export const options = {
  // What follows of times are the defaults of `client`, which `client-limits` sets as configured. The pauses of a body
  // are its matter too: requestTimeout counts the whole upload, and any would cut honest clients on slow lines. (With 0 the
  // headersTimeout still holds; with one below that Node takes each for the other.)
  http: { headersTimeout: 15_000, connectionsCheckingInterval: 1_000 },
  requestTimeout: 0,
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
    const { sliceProxy, purge } = request.server
    const isTarget = error.code === 'FST_ERR_BAD_URL'
    if (isTarget && request.method === 'PURGE' && purge)
      purge.answer(request, reply).then((said) => reply.send(said as never))
    else if (isTarget && sliceProxy) sliceProxy.handle(request, reply)
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
