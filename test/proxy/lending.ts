import Fastify from 'fastify'
import l1Cache from '../../plugins/l1-cache.ts'
import streamingProxy from '../../plugins/streaming-proxy.ts'
import { get } from '../helpers/client.ts'
import { fileOrigin } from '../helpers/file-origin.ts'
import type { Scope } from '../helpers/scope.ts'
import { until } from '../helpers/until.ts'
import { createLendingStore, type LendingStoreOptions } from '../stores/lending-store.ts'

export const SLICE = 256 * 1024

export interface StartLendingOptions extends LendingStoreOptions {
  /** Bytes of the memory tier; default 0: none. */
  l1?: number
}

/** A proxy over a disk that lends its memory and already has `file`, as `/file`. */
export async function startLending(t: Scope, file: Buffer, options: StartLendingOptions = {}) {
  const { l1 = 0, ...storeOptions } = options
  const store = createLendingStore(storeOptions)
  const origin = await fileOrigin(t, { '/file': file })
  const fastify = Fastify({ forceCloseConnections: true })
  if (l1 > 0) await fastify.register(l1Cache, { maxBytes: l1 })
  fastify.decorate('l2', store)
  await fastify.register(streamingProxy, { upstream: origin.url, sliceSize: SLICE })
  const url = await fastify.listen({ port: 0, host: '127.0.0.1' })
  t.teardown(() => fastify.close())
  const { counters } = fastify.sliceProxy!
  await get(`${url}/file`)
  return {
    url,
    host: new URL(url).host,
    store,
    origin,
    counters,
    fastify,
    /** Waits until nothing is lent any more. @throws when that does not come */
    allReturned: () => until(() => counters.requestsNow === 0 && store.lentBytes === 0),
  }
}
