import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import type { FastifyInstance, FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import { type HealthStatus, healthStatus, watchGrowth } from '../lib/health/status.ts'
import { formatAddress, parseAddress } from '../lib/net/address.ts'
import { type Listener, openListener } from '../lib/net/listener.ts'
import type { SliceStore } from '../lib/stores/store.ts'
import './decorators.ts'

export interface HealthOptions {
  /** `host:port` of a listener of its own. Without it, the three paths are routes of the service itself. */
  address?: string
  /** Another process may listen there at the same time, and takes over when this one drains. Default false. */
  reusePort?: boolean
  /** A listening socket that was handed to this process, instead of the one that `address` would open. */
  fd?: number
}

/** An error of a store counts for so long, in milliseconds, and is looked for so often. */
const STORE_ERROR_WINDOW = 60_000
const STORE_ERROR_INTERVAL = 5_000

interface Answer {
  code: number
  body: { status: string }
}

/**
 * `/health` (healthy, degraded: 200; unhealthy: 503), `/ready` (503 while starting, draining or unhealthy) and
 * `/live` (200 while the process answers at all).
 */
const health: FastifyPluginAsync<HealthOptions> = async (fastify, options) => {
  let serving = false
  let draining = false
  let leave = () => {}
  const storeErrors = watchStoreErrors(fastify)
  /** Paths that other plugins answer on the listener. */
  const others = new Map<string, RequestListener>()

  fastify.decorate('health', {
    drain,
    get draining() {
      return draining
    },
    status,
    readiness,
    answer(path, listener) {
      if (options.address !== undefined) others.set(path, listener)
      return options.address !== undefined
    },
  })
  fastify.addHook('preClose', async () => drain())

  function drain(): void {
    draining = true
    // Probes of a shared port shall hear our successor, which is ready.
    if (options.reusePort) leave()
  }

  function status(): HealthStatus {
    const { originFailuresInARow = 0, originFailedAt = -Infinity } = fastify.sliceProxy?.counters ?? {}
    return healthStatus({
      originFailuresInARow,
      sinceOriginFailure: performance.now() - originFailedAt,
      hasStore: fastify.l1 !== undefined || fastify.l2 !== undefined,
      underPressure: (fastify.pressure?.reasons().length ?? 0) > 0,
      storeFailing: fastify.rawDisk?.figures().offline === true || storeErrors.grewLately(),
    })
  }

  function readiness(): string {
    if (draining) return 'draining'
    if (!serving) return 'starting'
    return status() === 'unhealthy' ? 'unhealthy' : 'ready'
  }

  const answers: Record<string, () => Answer> = {
    '/health': () => answer(status(), (word) => word !== 'unhealthy'),
    '/ready': () => answer(readiness(), (word) => word === 'ready'),
    '/live': () => answer('live', () => true),
  }

  if (options.address === undefined) {
    fastify.addHook('onReady', async () => void (serving = true))
    for (const [path, ask] of Object.entries(answers)) {
      fastify.get(path, async (_request, reply) => {
        const { code, body } = ask()
        return reply.code(code).header('cache-control', 'no-store').send(body)
      })
    }
  } else {
    fastify.addHook('onListen', async () => void (serving = true))
    leave = serveOn(fastify, options.address, options, answers, others)
  }
}

function answer(status: string, isGood: (status: string) => boolean): Answer {
  return { code: isGood(status) ? 200 : 503, body: { status } }
}

/** Looks at the stores' error counts now and then, because probes may come too seldom to tell a minute from an hour. */
function watchStoreErrors(fastify: FastifyInstance): { grewLately(): boolean } {
  const growth = watchGrowth(STORE_ERROR_WINDOW)
  const grewLately = () => growth.grew(storeErrors(fastify), performance.now())
  fastify.addHook('onReady', async () => void grewLately())
  const timer = setInterval(grewLately, STORE_ERROR_INTERVAL).unref()
  fastify.addHook('onClose', async () => clearInterval(timer))
  return { grewLately }
}

function storeErrors({ l1, l2, rawDisk }: FastifyInstance): number {
  return failuresOf(l1) + failuresOf(l2) + (rawDisk?.figures().selfTestFailures ?? 0)
}

function failuresOf(store: SliceStore | undefined): number {
  const stats = store?.stats()
  return stats === undefined ? 0 : stats.readErrors + stats.writeErrors
}

function serveOn(
  fastify: FastifyInstance,
  text: string,
  { reusePort, fd }: HealthOptions,
  answers: Record<string, () => Answer>,
  others: ReadonlyMap<string, RequestListener>,
): () => void {
  const address = parseAddress(text)
  if (address === null) throw new Error(`health: ${text} is not host:port`)
  let listener: Listener | undefined
  // In onReady, so that a port in use is an error of listen() and ready().
  fastify.addHook('onReady', async () => {
    listener = await openListener('health endpoint', { ...address, reusePort, fd }, (request, response) => {
      const other = others.get(pathOf(request))
      if (other) other(request, response)
      else respond(answers, request, response)
    })
    fastify.log.info(`Health at http://${formatAddress(listener.address)}/health`)
  })
  // Fastify runs onClose after its own server has drained: until then /ready says that it is draining.
  fastify.addHook('onClose', () => listener?.close())
  return () => void listener?.close()
}

function respond(
  answers: Record<string, () => Answer>,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const path = pathOf(request)
  const { code, body } = Object.hasOwn(answers, path)
    ? answers[path]()
    : { code: 404, body: { status: 'not found' } }
  const headers = { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store' }
  response.writeHead(code, headers).end(JSON.stringify(body))
}

function pathOf(request: IncomingMessage): string {
  return request.url?.split('?')[0] ?? ''
}

export default fp(health, { fastify: '5.x', name: 'slicestream-health' })
