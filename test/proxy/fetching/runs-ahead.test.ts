import t from 'tap'
import { bytesOf } from '../../helpers/bytes.ts'
import { connect, get } from '../../helpers/client.ts'
import { startOrigin } from '../../helpers/origin.ts'
import { startProxy } from '../../helpers/proxy.ts'
import { until } from '../until.ts'

const S = 64 * 1024
const file = bytesOf(74, 40 * S)

t.test('runs that were opened ahead for a client that has gone are let go of', async (t) => {
  const go = Promise.withResolvers<void>()
  let waits = false
  const origin = await startOrigin(t, async (_request, exchange) => {
    if (waits) await exchange.stall(go.promise)
    return exchange.respondFile(file)
  })
  const proxy = await startProxy(t, { upstream: origin.url, sliceSize: S })
  const url = `${proxy.url}/f`
  for (const index of [0, 10, 20, 30]) await get(url, { range: `bytes=${index * S}-${index * S}` })
  const before = origin.requests.length
  waits = true
  const client = await connect(url)
  void client.request('/f', { range: `bytes=${S}-` }).catch(() => {})
  await until(() => origin.requests.length === before + 4)
  client.close()
  await until(() => proxy.counters.requestsNow === 0)
  go.resolve()
  await until(() => proxy.counters.abandonedFills === 4)
  t.equal(proxy.counters.fillsNow, 0)
  waits = false
  t.ok((await get(url)).body.equals(file))
})

t.test(
  'a client that goes away before the first of its missing slices came leaves no transfer behind',
  async (t) => {
    let answer = Promise.resolve()
    const origin = await startOrigin(t, async (_request, exchange) => {
      await exchange.stall(answer)
      return exchange.respondFile(file)
    })
    const proxy = await startProxy(t, { upstream: origin.url, sliceSize: S })
    const url = `${proxy.url}/f`
    await get(url, { range: 'bytes=0-0' })
    const go = Promise.withResolvers<void>()
    answer = go.promise
    const client = await connect(url)
    void client.request('/f', { range: `bytes=${S}-` }).catch(() => {})
    await until(() => origin.requests.length === 2)
    client.close()
    await until(() => proxy.counters.requestsNow === 0)
    go.resolve()
    await until(() => proxy.counters.abandonedFills === 1)
    t.equal(proxy.counters.fillsNow, 0)
  },
)
