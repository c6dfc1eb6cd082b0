import { request as httpRequest, METHODS } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { StartProxyOptions } from '../helpers/proxy.ts'
import type { Scope } from '../helpers/scope.ts'
import { type Service, startService } from '../helpers/service.ts'

/**
 * A service with `route-cache` and one route, which answers as the scripted origin does. So what the proxy does can be
 * asked of the cache before routes too, by the same tables.
 */
export function startRoute(t: Scope, { upstream, l1, l2, sliceSize }: StartProxyOptions): Promise<Service> {
  const methods = METHODS.filter((method) => method !== 'CONNECT' && method !== 'PURGE')
  return startService(
    t,
    (fastify) => {
      const known = new Set(fastify.supportedMethods)
      for (const method of methods) if (!known.has(method)) fastify.addHttpMethod(method, { hasBody: true })
      fastify.removeAllContentTypeParsers()
      fastify.addContentTypeParser('*', (_request, _payload, done) => done(null))
      fastify.route({
        method: methods,
        url: '/*',
        exposeHeadRoute: false,
        handler: (request, reply) => answerAs(upstream, request, reply),
      })
    },
    { l1, l2, sliceSize },
  )
}

function answerAs(upstream: string, { raw: req }: FastifyRequest, reply: FastifyReply): void {
  reply.hijack()
  const { raw: res } = reply
  const { host: _, ...headers } = req.headers
  const asked = httpRequest(upstream, { path: req.url, method: req.method, headers, agent: false })
  asked.on('response', (response) => {
    res.sendDate = false
    res.writeHead(response.statusCode!, response.rawHeaders)
    response.on('error', () => res.destroy())
    response.pipe(res)
  })
  asked.on('error', (error) => res.destroy(error))
  req.pipe(asked)
}
