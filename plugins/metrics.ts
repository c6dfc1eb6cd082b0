import type { FastifyInstance, FastifyPluginAsync } from 'fastify'
import fastifyMetrics, { type IFastifyMetrics } from 'fastify-metrics'
import fp from 'fastify-plugin'
import { metricFamilies, type Sources } from '../lib/metrics/families.ts'
import type { Family } from '../lib/metrics/family.ts'
import { rawDiskFamilies } from '../lib/metrics/raw-disk.ts'
import { TTFB_NAME, ttfbHistogram } from '../lib/metrics/ttfb-histogram.ts'
import { formatAddress, parseAddress } from '../lib/net/address.ts'
import { type Listener, openListener } from '../lib/net/listener.ts'
import './decorators.ts'

export interface MetricsOptions {
  /** `host:port` of a listener of its own. Without it, `GET /metrics` is a route of the service itself. */
  address?: string
  /** Another process may listen there at the same time, and takes over when this one drains. Default false. */
  reusePort?: boolean
  /** A listening socket that was handed to this process, instead of the one that `address` would open. */
  fd?: number
}

type Client = IFastifyMetrics['client']
type Registry = InstanceType<Client['Registry']>

/**
 * What the proxy (without one, the route cache) and the stores count, in the Prometheus text format. Figures are read when
 * somebody scrapes; nothing is counted here while a request is served.
 */
const metrics: FastifyPluginAsync<MetricsOptions> = async (fastify, options) => {
  const client = await clientOf(fastify)
  // A registry of our own: the client's global one would carry the metrics of every instance in the process.
  const registry = new client.Registry()
  const sources: Sources = {
    get counters() {
      return (fastify.sliceProxy ?? fastify.routeCache)?.counters
    },
    get bans() {
      return fastify.bans?.counts
    },
    get clients() {
      return fastify.clientLimits?.counts
    },
    get pressure() {
      return fastify.pressure?.reasons()
    },
    get l1() {
      return fastify.l1
    },
    get l2() {
      return fastify.l2
    },
  }
  client.collectDefaultMetrics({ register: registry })
  for (const family of metricFamilies(sources)) register(client, registry, family)
  registerTtfb(registry, sources)
  // Whoever has no raw disk sees no figures of one. Until here it may still be registered.
  fastify.addHook('onReady', async () => {
    const { rawDisk } = fastify
    if (rawDisk === undefined) return
    for (const family of rawDiskFamilies(onceATurn(rawDisk.figures))) register(client, registry, family)
  })

  if (options.address === undefined) {
    fastify.get('/metrics', async (_request, reply) =>
      reply.type(registry.contentType).send(await registry.metrics()),
    )
  } else {
    serveOn(fastify, options.address, options, registry)
  }
}

/** The client that fastify-metrics uses: another copy of the library would be another set of metrics. */
async function clientOf(fastify: FastifyInstance): Promise<Client> {
  if (!fastify.hasDecorator('metrics')) {
    await fastify.register(fastifyMetrics.default, {
      endpoint: null,
      defaultMetrics: { enabled: false },
      routeMetrics: { enabled: false }, // costs 0.6 us a request, and has one label for all that is proxied
    })
  }
  return fastify.metrics.client
}

/**
 * One look at the figures for all families of a scrape: the registry reads them in one go. They agree with each other then,
 * and sums over a hundred thousand regions are made once and not fifty times.
 */
function onceATurn<Value>(look: () => Value): () => Value {
  let seen: { value: Value } | undefined
  return () => {
    if (seen === undefined) {
      seen = { value: look() }
      queueMicrotask(() => (seen = undefined))
    }
    return seen.value
  }
}

function register(client: Client, registry: Registry, family: Family): void {
  const { name, help, labelNames = [] } = family
  const shape = { name, help, labelNames: [...labelNames], registers: [registry] }
  if (family.type === 'gauge') {
    new client.Gauge({
      ...shape,
      collect() {
        for (const { labels = {}, value } of family.read()) this.set(labels, value)
      },
    })
  } else {
    new client.Counter({
      ...shape,
      collect() {
        this.reset()
        for (const { labels = {}, value } of family.read()) this.inc(labels, value)
      },
    })
  }
}

/** The client's own Histogram takes single observations only; ours were counted into buckets already. */
function registerTtfb(registry: Registry, sources: Sources): void {
  const help = 'Time from the request to the first byte of its response'
  const get = async () => ({
    name: TTFB_NAME,
    help,
    type: 'histogram',
    values: ttfbHistogram(sources.counters),
    aggregator: 'sum',
  })
  const metric = { name: TTFB_NAME, help, type: 'histogram', get, reset() {} }
  registry.registerMetric(metric as unknown as Parameters<Registry['registerMetric']>[0])
}

function serveOn(
  fastify: FastifyInstance,
  text: string,
  { reusePort, fd }: MetricsOptions,
  registry: Registry,
): void {
  const address = parseAddress(text)
  if (address === null) throw new Error(`metrics: ${text} is not host:port`)
  let listener: Listener | undefined
  // In onReady, so that a port in use is an error of listen() and ready().
  fastify.addHook('onReady', async () => {
    listener = await openListener(
      'metrics endpoint',
      { ...address, reusePort, fd },
      async (request, response) => {
        if (request.url?.split('?')[0] !== '/metrics') return response.writeHead(404).end('not found\n')
        try {
          const text = await registry.metrics()
          response.writeHead(200, { 'content-type': registry.contentType }).end(text)
        } catch (error) {
          fastify.log.error(error, 'metrics could not be collected')
          response.writeHead(500).end()
        }
      },
    )
    fastify.log.info(`Metrics at http://${formatAddress(listener.address)}/metrics`)
  })
  // Fastify runs onClose after its own server has drained: the last scrape sees the end. On a shared port it would take
  // our counters for a jump in those of our successor.
  const leave = async () => listener?.close()
  if (reusePort) fastify.addHook('preClose', leave)
  else fastify.addHook('onClose', leave)
}

export default fp(metrics, { fastify: '5.x', name: 'slicestream-metrics' })
