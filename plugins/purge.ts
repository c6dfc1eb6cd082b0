import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { PurgeMethod, PurgeResult } from '../lib/cache/counters.ts'
import { purgeMethod, showsToken } from '../lib/purge/request.ts'
import './decorators.ts'

export interface PurgeOptions {
  /** False: PURGE is answered 405. Default true. */
  enabled?: boolean
  /** Token that a request must show; null = none is asked for: only where nobody but friends can connect. */
  authToken?: string | null
}

const STATUS: Record<PurgeResult, number> = { success: 200, invalid: 400, denied: 401, disabled: 405 }

/** `PURGE` on the service's port: by URL and all. Needs `streaming-proxy` or `route-cache`; never forwarded to the origin. */
const purge: FastifyPluginAsync<PurgeOptions> = async (fastify, options) => {
  const { enabled = true, authToken = null } = options
  if (!fastify.supportedMethods.includes('PURGE')) fastify.addHttpMethod('PURGE', { hasBody: false })

  fastify.route({
    method: 'PURGE',
    url: '/*',
    async handler(request, reply) {
      const method = purgeMethod(request.raw.rawHeaders, request.raw.url!)
      if (!enabled)
        return answer(request, reply, method, 'disabled', 0, 'PURGE is turned off (purge.enabled)')
      if (authToken !== null && !showsToken(request.raw.rawHeaders, authToken)) {
        reply.header('www-authenticate', 'Bearer realm="purge"')
        return answer(
          request,
          reply,
          method,
          'denied',
          0,
          'a valid token is needed: Authorization: Bearer or X-Purge-Token',
        )
      }
      const caches = [fastify.sliceProxy, fastify.routeCache].filter((cache) => cache !== undefined)
      if (caches.length === 0) return answer(request, reply, method, 'invalid', 0, 'there is no cache here')
      if (method === 'all') {
        const count = sum(await Promise.all(caches.map((cache) => cache.purgeAll())))
        return answer(request, reply, method, 'success', count, 'everything was purged')
      }
      if (method !== 'url') {
        const text = `purging by ${method} is not part of this version: purge by URL, or all with X-Purge-All: true`
        return answer(request, reply, method, 'invalid', 0, text)
      }
      const counts = await Promise.all(caches.map((cache) => cache.purgeTarget(request.raw)))
      if (counts.includes(null)) return answer(request, reply, method, 'invalid', 0, 'not a valid target')
      const count = sum(counts)
      return answer(request, reply, method, 'success', count, count > 0 ? 'purged' : 'nothing was stored')
    },
  })

  function answer(
    request: FastifyRequest,
    reply: FastifyReply,
    method: PurgeMethod,
    result: PurgeResult,
    count: number,
    message: string,
  ) {
    const counters = (fastify.sliceProxy ?? fastify.routeCache)?.counters
    if (counters) counters.purges[method][result]++
    if (result === 'disabled') reply.header('allow', 'GET, HEAD, OPTIONS, POST, PUT, PATCH, DELETE')
    reply.code(STATUS[result]).header('cache-control', 'no-store')
    return { success: result === 'success', purged_count: count, url: request.raw.url, message }
  }
}

function sum(counts: readonly (number | null)[]): number {
  return counts.reduce<number>((total, count) => total + (count ?? 0), 0)
}

export default fp(purge, { fastify: '5.x', name: 'slicestream-purge' })
