import t from 'tap'
import { startOrigin } from '../helpers/origin.ts'
import { BASE, type Bench, type Check, liveKeys } from './live-keys.ts'
import { proxyKeys } from './live-proxy-keys.ts'
import { serviceKeys } from './live-service-keys.ts'
import { startReloading } from './reloading.ts'

// Last what ends the server.
const { shutdown_timeout_ms, ...others } = { ...proxyKeys, ...serviceKeys }
const checks: Record<string, Check> = { ...others, shutdown_timeout_ms }

t.test('there is a test for each live key', async (t) => {
  t.same(Object.keys(checks).toSorted(), liveKeys().toSorted())
})

t.test('SIGHUP changes what the running program does', async (t) => {
  const origin = await startOrigin(t, (_request, exchange) => exchange.respond({ body: 'x' }))
  const { server, reload } = await startReloading(t, { ...BASE, upstream_address: origin.url })
  let asked = 0
  const bench: Bench = { server, origin, reload, fresh: (path) => `${server.url}/${asked++}${path}` }
  for (const [key, check] of Object.entries(checks)) {
    if (process.env.KEY && !key.includes(process.env.KEY)) continue
    await t.test(key, async (t) => {
      await reload()
      await check(t, bench)
    })
  }
})
