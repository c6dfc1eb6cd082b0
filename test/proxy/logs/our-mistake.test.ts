import type { AddressInfo } from 'node:net'
import t from 'tap'
import { emptyStats } from '../../../lib/stores/stats.ts'
import type { SliceStore } from '../../../lib/stores/store.ts'
import streamingProxy from '../../../plugins/streaming-proxy.ts'
import { get } from '../../helpers/client.ts'
import { createLogged } from '../../helpers/log-lines.ts'
import { startOrigin } from '../../helpers/origin.ts'

t.test('an error that only a mistake of this program can make is told with its place', async (t) => {
  const origin = await startOrigin(t, (_request, exchange) => exchange.respond({ body: 'x' }))
  const log = createLogged()
  const broken = {
    stats: () => emptyStats(0),
    getHeads() {
      throw new TypeError('a mistake')
    },
  }
  log.fastify.decorate('l2', broken as unknown as SliceStore)
  await log.fastify.register(streamingProxy, { upstream: origin.url })
  await log.fastify.listen({ port: 0, host: '127.0.0.1' })
  t.teardown(() => log.fastify.close())
  const { port } = log.fastify.server.address() as AddressInfo
  t.equal((await get(`http://127.0.0.1:${port}/a?secret`)).status, 502)
  t.match(log.of('unexpected error, please report it'), [
    {
      level: 40,
      target: `http://127.0.0.1:${port}/a`,
      err: { type: 'TypeError', message: 'a mistake', stack: /our-mistake/ },
    },
  ])
  t.same(log.of('origin down'), [])
})
