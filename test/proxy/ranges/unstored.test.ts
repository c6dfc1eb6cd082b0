import t from 'tap'
import { bytesOf } from '../../helpers/bytes.ts'
import { get } from '../../helpers/client.ts'
import { startOrigin } from '../../helpers/origin.ts'
import { startProxy } from '../../helpers/proxy.ts'

const S = 64 * 1024
const file = bytesOf(73, 5 * S + 5)

/** Each needs more than the whole slices of the first range, which is what the origin is asked for. */
const REQUESTS: Record<string, Record<string, string>> = {
  'If-Range that does not hold': { Range: 'bytes=0-99', 'If-Range': '"other"' },
  'ranges that are one': { Range: 'bytes=0-99,100-' },
  'ranges that touch': { Range: `bytes=${S}-${S + 9},${S + 10}-${4 * S}` },
  'two ranges': { Range: 'bytes=0-99,200000-200009' },
  'more ranges than are sent': {
    Range: `bytes=${Array.from({ length: 20 }, (_, i) => `${i * 9}-${i * 9}`)}`,
  },
}

for (const [what, headers] of Object.entries(REQUESTS)) {
  t.test(`an answer that is not stored: ${what} is answered whole`, async (t) => {
    const origin = await startOrigin(t, (_request, exchange) =>
      exchange.respondFile(file, { fields: { 'Cache-Control': 'no-store' } }),
    )
    const proxy = await startProxy(t, { upstream: origin.url, sliceSize: S })
    const direct = await get(`${origin.url}/f`, { headers })
    const answer = await get(`${proxy.url}/f`, { headers })
    t.ok(answer.complete, `${answer.status}, ${answer.length} of ${answer.header('content-length')} bytes`)
    if (answer.status === 200) t.ok(answer.body.equals(file))
    else t.equal(answer.header('content-range'), direct.header('content-range'))
  })
}

for (const [what, headers] of Object.entries(REQUESTS)) {
  t.test(`parts that cannot be joined, for want of a validator: ${what} is answered whole`, async (t) => {
    const origin = await startOrigin(t, (_request, exchange) =>
      exchange.respondFile(file, { etag: null, lastModified: null }),
    )
    const proxy = await startProxy(t, { upstream: origin.url, sliceSize: S })
    for (let turn = 0; turn < 2; turn++) {
      const answer = await get(`${proxy.url}/f`, { headers })
      t.ok(answer.complete, `${answer.status}, ${answer.length} of ${answer.header('content-length')} bytes`)
      if (answer.status === 200) t.ok(answer.body.equals(file))
    }
  })
}
