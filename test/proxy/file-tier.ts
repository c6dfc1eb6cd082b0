import type { FastifyInstance } from 'fastify'
import { createFileStore, type FileStoreOptions } from '../../lib/stores/file/store.ts'
import { type Scope, tempDir } from '../helpers/scope.ts'

export interface FileTier {
  register(fastify: FastifyInstance): Promise<void>
}

/** The file tier of a proxy (`startProxy`), in place of the plugin: lent memory that was given back is overwritten at once. */
export function fileTier(t: Scope, options: Omit<FileStoreOptions, 'dir' | 'poison'>): FileTier {
  const dir = tempDir(t)
  return {
    async register(fastify) {
      const store = await createFileStore({ dir, poison: true, ...options })
      fastify.decorate('l2', store)
      fastify.addHook('onClose', () => store.close())
    },
  }
}
