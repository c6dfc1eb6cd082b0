import t from 'tap'
import { get } from '../../helpers/client.ts'
import { startOrigin } from '../../helpers/origin.ts'
import { startProxy } from '../../helpers/proxy.ts'

for (const status of ['000', '042', '099', '600', '999']) {
  for (const method of ['GET', 'POST']) {
    t.test(`an origin that answers ${method} with status ${status}: the client gets an answer`, async (t) => {
      const origin = await startOrigin(t, async (_request, exchange) => {
        await exchange.write(`HTTP/1.1 ${status} Odd\r\nContent-Length: 2\r\n\r\nok`)
      })
      const proxy = await startProxy(t, { upstream: origin.url })
      const answer = await get(`${proxy.url}/f`, { method })
      t.ok(answer.complete)
      t.equal(answer.status, Number(status) < 100 ? 502 : Number(status))
    })
  }
}
