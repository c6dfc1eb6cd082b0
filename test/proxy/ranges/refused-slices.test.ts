import t from 'tap'
import { bytesOf } from '../../helpers/bytes.ts'
import { get } from '../../helpers/client.ts'
import { startOrigin } from '../../helpers/origin.ts'
import { startProxy } from '../../helpers/proxy.ts'
import { until } from '../until.ts'

const S = 64 * 1024
const file = bytesOf(75, 6 * S + 7)

for (const status of [400, 401, 403, 429, 431]) {
  t.test(
    `a ${status} to a client's request for missing slices says nothing of those that are stored`,
    async (t) => {
      const origin = await startOrigin(t, async (request, exchange) => {
        if (request.header('x-bad')) return exchange.respond({ status, body: 'no' })
        return exchange.respondFile(file)
      })
      const proxy = await startProxy(t, { upstream: origin.url, sliceSize: S })
      const url = `${proxy.url}/f`
      await get(url, { range: `bytes=0-${2 * S}` })
      const refused = await get(url, { range: `bytes=${4 * S}-`, headers: { 'X-Bad': '1' } })
      t.equal(refused.status, status, 'the client is told what the origin said')
      t.equal(refused.body.toString(), 'no')
      const again = await get(url, { range: `bytes=0-${2 * S}` })
      t.equal(again.header('x-cache'), 'HIT')
      t.ok(again.body.equals(file.subarray(0, 2 * S + 1)))
    },
  )
}

for (const mid of [false, true]) {
  t.test(
    `who waited for slices that were refused to another asks for them itself (${mid ? 'in the middle' : 'at first'})`,
    async (t) => {
      const go = Promise.withResolvers<void>()
      const origin = await startOrigin(t, async (request, exchange) => {
        if (!request.header('x-bad')) return exchange.respondFile(file)
        await exchange.stall(go.promise)
        return exchange.respond({ status: 403, body: 'no' })
      })
      const proxy = await startProxy(t, { upstream: origin.url, sliceSize: S })
      const url = `${proxy.url}/f`
      await get(url, { range: `bytes=0-${S}` })
      const bad = get(url, { range: `bytes=${2 * S}-`, headers: { 'X-Bad': '1' } })
      await until(() => origin.requests.length === 2)
      const first = mid ? 0 : 2 * S
      const good = Array.from({ length: 5 }, () => get(url, { range: `bytes=${first}-` }))
      await until(() => proxy.counters.requestsNow === 6)
      await new Promise((resolve) => setTimeout(resolve, 50))
      go.resolve()
      t.equal((await bad).status, 403)
      for (const answer of await Promise.all(good)) {
        t.ok(answer.complete && answer.body.equals(file.subarray(first)))
      }
      t.ok(origin.requests.length <= 4, 'one takes over for all')
    },
  )
}
