// A service of your own with the cache before its routes. `node demo/routes.ts` starts it; the README shows it.
import { Readable } from 'node:stream'
import Fastify from 'fastify'
import l1Cache from '../plugins/l1-cache.ts'
import routeCache from '../plugins/route-cache.ts'

const fastify = Fastify()
await fastify.register(l1Cache, { maxBytes: 64 * 1024 * 1024 })
await fastify.register(routeCache) // before the routes that it is for

const prices = { apple: 3 }

// Made at most every ten seconds, however many ask. For a minute more the old answer is sent at once and a new one made.
fastify.get('/prices', async (_request, reply) => {
  reply.header('cache-control', 'max-age=10, stale-while-revalidate=60')
  return { ...prices, at: new Date() }
})

// A POST that succeeds forgets what is stored for its path.
fastify.post<{ Body: { apple: number } }>('/prices', async (request) => {
  prices.apple = request.body.apple
  return { done: true }
})

// Streamed to the first client as it is made. Ranges of it come from the cache, though the route knows nothing of Range.
fastify.get('/film', (_request, reply) =>
  reply
    .type('video/mp4')
    .headers({ 'cache-control': 'max-age=3600', etag: '"first-cut"', 'content-length': 3 * 1024 * 1024 })
    .send(Readable.from(frames(), { objectMode: false })),
)

// Each client gets its own: never stored.
fastify.get('/me', async (request, reply) => {
  reply.header('cache-control', 'private')
  return { you: request.ip }
})

// Not even looked at by the cache.
fastify.get('/status', { config: { cache: false } }, async () => ({ counters: fastify.routeCache!.counters }))

function* frames() {
  for (let i = 0; i < 3 * 1024; i++) yield Buffer.alloc(1024, `frame ${i} `)
}

console.log(`The service is ${await fastify.listen({ port: Number(process.env.PORT ?? 3000) })}`)
