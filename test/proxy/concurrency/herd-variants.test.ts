import t from 'tap'
import { get } from '../../helpers/client.ts'
import { startOrigin } from '../../helpers/origin.ts'
import { startProxy } from '../../helpers/proxy.ts'
import { until } from '../until.ts'

t.test(
  'a herd on a cold object of which nobody knows yet that it varies: one request for each variant',
  async (t) => {
    const go = Promise.withResolvers<void>()
    const origin = await startOrigin(t, async (request, exchange) => {
      await exchange.stall(origin.requests.length === 1 ? go.promise : 20)
      const fields = { Vary: 'Accept-Language', 'Cache-Control': 'max-age=60' }
      return exchange.respond({ fields, body: `in ${request.header('accept-language')}` })
    })
    const proxy = await startProxy(t, { upstream: origin.url })
    const languages = ['en', 'fr', 'de']
    const answers = Array.from({ length: 60 }, (_, i) =>
      get(`${proxy.url}/f`, { headers: { 'Accept-Language': languages[i % 3] } }),
    )
    await until(() => proxy.counters.requestsNow === 60)
    go.resolve()
    for (const [i, answer] of (await Promise.all(answers)).entries()) {
      t.equal(answer.body.toString(), `in ${languages[i % 3]}`)
    }
    t.equal(origin.requests.length, 3)
  },
)
