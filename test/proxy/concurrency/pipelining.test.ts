import t from 'tap'
import { bytesOf } from '../../helpers/bytes.ts'
import { connect, get, serialise } from '../../helpers/client.ts'
import { startOrigin } from '../../helpers/origin.ts'
import { startProxy } from '../../helpers/proxy.ts'
import { until } from '../until.ts'

const S = 64 * 1024
const file = bytesOf(72, 40 * S)

const variants: Record<string, string>[] = [{}, { 'Cache-Control': 'no-store' }]
for (const fields of variants) {
  t.test(
    `a client that goes away takes its pipelined requests with it (${JSON.stringify(fields)})`,
    async (t) => {
      const origin = await startOrigin(t, async (request, exchange) => {
        if (request.target === '/waits') return exchange.stall(exchange.gone)
        return exchange.respondFile(file, { fields })
      })
      const proxy = await startProxy(t, { upstream: origin.url, sliceSize: S })
      await get(`${proxy.url}/again`)
      const client = await connect(proxy.url)
      const host = new URL(proxy.url).host
      for (const target of ['/waits', '/big', '/again', '/post']) {
        client.write(serialise(target, host, target === '/post' ? { method: 'POST', body: 'x' } : {}))
      }
      await until(() => origin.requests.length >= 3 && proxy.counters.requestsNow === 4)
      await new Promise((resolve) => setTimeout(resolve, 50))
      client.close()
      await until(() => proxy.counters.requestsNow === 0)
      await until(() => proxy.counters.fillsNow === 0)
      t.ok((await get(`${proxy.url}/big`)).body.equals(file))
      await until(() => proxy.counters.requestsNow === 0)
    },
  )
}

t.test('a pipelined response that is cut before its turn does not leave the client waiting', async (t) => {
  const go = Promise.withResolvers<void>()
  const origin = await startOrigin(t, async (request, exchange) => {
    if (request.target === '/first') {
      await exchange.stall(go.promise)
      return exchange.respond({ body: 'first' })
    }
    await exchange.head({ fields: { 'Content-Length': '3000', 'Cache-Control': 'no-store' } })
    await exchange.write(file.subarray(0, 1000))
    await exchange.reset()
  })
  const proxy = await startProxy(t, { upstream: origin.url, sliceSize: S })
  const client = await connect(proxy.url)
  const host = new URL(proxy.url).host
  client.write(Buffer.concat([serialise('/first', host, {}), serialise('/second', host, {})]))
  await until(() => proxy.counters.abortedResponses === 1)
  go.resolve()
  await until(() => client.wire.ended !== null)
  await until(() => proxy.counters.requestsNow === 0)
  t.pass()
})
