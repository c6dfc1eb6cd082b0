import t from 'tap'
import { get } from '../../helpers/client.ts'
import { startOrigin } from '../../helpers/origin.ts'
import { startProxy } from '../../helpers/proxy.ts'

t.test(
  'a body without stated length that has ended when its head is looked at is not asked for again',
  async (t) => {
    for (const control of ['no-store', 'max-age=60']) {
      for (const chunks of ['5\r\nhello\r\n', '']) {
        const origin = await startOrigin(t, (_request, exchange) =>
          exchange.write(
            `HTTP/1.1 200 OK\r\nCache-Control: ${control}\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}0\r\n\r\n`,
          ),
        )
        const proxy = await startProxy(t, { upstream: origin.url })
        const answer = await get(`${proxy.url}/`)
        t.equal(answer.status, 200)
        t.ok(answer.complete)
        t.equal(answer.length, chunks === '' ? 0 : 5, `${control}, ${answer.length} bytes`)
        t.equal(origin.requests.length, 1)
      }
    }
  },
)
