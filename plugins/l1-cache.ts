import type { FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import { createMemoryStore } from '../lib/stores/memory.ts'
import './decorators.ts'

export interface L1CacheOptions {
  /** Bytes of memory for heads and slices, their overhead included. Default 100 MiB. */
  maxBytes?: number
}

const l1Cache: FastifyPluginAsync<L1CacheOptions> = async (fastify, options) => {
  const store = createMemoryStore({ maxBytes: options.maxBytes ?? 100 * 1024 * 1024 })
  fastify.decorate('l1', store)
  fastify.addHook('onClose', () => store.close())
}

/** The memory tier, as `fastify.l1`. Register it before `streaming-proxy`. */
export default fp(l1Cache, { fastify: '5.x', name: 'slicestream-l1-cache' })
