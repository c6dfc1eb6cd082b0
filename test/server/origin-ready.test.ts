import t, { type Test } from 'tap'
import { get } from '../helpers/client.ts'
import { startOrigin } from '../helpers/origin.ts'
import { until } from '../helpers/until.ts'
import { startReloading } from './reloading.ts'

async function startDown(t: Test) {
  const origin = await startOrigin(t, (_request, exchange) => exchange.respond({ body: 'a' }))
  await origin.stop()
  const settings = { upstream_address: origin.url, enable_cache: false, max_retries: 0 }
  const { server, reload } = await startReloading(t, settings)
  const isReady = () => fetch(`${server.health}/ready`).then(({ status }) => status === 200)
  for (let i = 0; i < 4; i++) t.equal((await get(server.url)).status, 502)
  t.notOk(await isReady())
  return { origin, server, reload, isReady }
}

// A load balancer that heeds /ready sends nothing until it is.
t.test('after a failure of the origin the proxy is ready again without a request', async (t) => {
  const { server, isReady, origin } = await startDown(t)
  let isBack = false
  await until(() => {
    isReady().then((ready) => (isBack ||= ready))
    return isBack
  }, 60_000)
  t.notOk(origin.requests.length)
  await get(server.url)
  t.notOk(await isReady(), 'the first request that fails says that it is still down')
})

t.test('what was known of an origin is not held against the one that replaces it', async (t) => {
  const { server, reload, isReady } = await startDown(t)
  const other = await startOrigin(t, (_request, exchange) => exchange.respond({ body: 'b' }))
  await reload({ upstream_address: other.url })
  t.ok(await isReady())
  t.equal((await get(server.url)).body.toString(), 'b')
})
