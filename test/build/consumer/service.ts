// Somebody else's Fastify service, which takes three plugins of the package: copied next to the installed package, type-checked and run.
import Fastify from 'fastify'
import l1Cache from 'slicestream/l1-cache'
import routeCache from 'slicestream/route-cache'
import streamingProxy from 'slicestream/streaming-proxy'

const fastify = Fastify()
fastify.get('/own', () => ({ own: true }))
await fastify.register(l1Cache, { maxBytes: 8 * 1024 * 1024 })
await fastify.register(routeCache)
fastify.get('/cached', (_request, reply) => reply.header('cache-control', 'max-age=60').send('mine'))
await fastify.register(streamingProxy, { upstream: process.argv[2] })

// The declarations must say something, and not `any`.
// @ts-expect-error maxBytes is a number
void (() => fastify.register(l1Cache, { maxBytes: 'many' }))
// @ts-expect-error there is no such hook
void (() => fastify.register(routeCache, { hook: 'onSend' }))
// @ts-expect-error upstream is required
void (() => fastify.register(streamingProxy, {}))
const requests: number | undefined = fastify.sliceProxy?.counters.requests
// @ts-expect-error there is no such counter
void fastify.sliceProxy?.counters.nothing

console.log(JSON.stringify({ url: await fastify.listen({ port: 0, host: '127.0.0.1' }), requests }))
