import { join } from 'node:path'
import type { FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import { createFileStore } from '../lib/stores/file/store.ts'
import './decorators.ts'

export interface L2FileOptions {
  /** Directory, made when it is missing. Other files in it are left alone. */
  dir: string
  /** Bytes on disk, rounded up to whole blocks. Default 10 GiB. */
  maxBytes?: number
  /** Where purges by prefix, tag and all are kept over restarts. Default `bans` in `dir`. */
  bansFile?: string
}

const l2File: FastifyPluginAsync<L2FileOptions> = async (fastify, options) => {
  const maxBytes = options.maxBytes ?? 10 * 1024 ** 3
  const store = await createFileStore({ dir: options.dir, maxBytes, log: fastify.log })
  fastify.decorate('l2', store)
  fastify.decorate('bansFile', options.bansFile ?? join(options.dir, 'bans'))
  fastify.addHook('onClose', () => store.close())
}

/** The disk tier on files, as `fastify.l2`. Register it before `streaming-proxy`. */
export default fp(l2File, { fastify: '5.x', name: 'slicestream-l2-file' })
