// node http-proxy-server.ts PORT ORIGIN
import proxy from '@fastify/http-proxy'
import Fastify from 'fastify'

const server = Fastify()
server.register(proxy, { upstream: process.argv[3] })
await server.listen({ port: Number(process.argv[2]), host: '127.0.0.1' })
