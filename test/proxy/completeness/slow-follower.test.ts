import t from 'tap'
import { bytesOf } from '../../helpers/bytes.ts'
import { get } from '../../helpers/client.ts'
import { etagOf, respondFile } from '../../helpers/file-response.ts'
import { startOrigin } from '../../helpers/origin.ts'
import { startProxy } from '../../helpers/proxy.ts'
import { until } from '../until.ts'

const S = 64 * 1024
const file = bytesOf(70, 160 * S + 9)

for (const l1 of [64 * 1024 * 1024, 1024 * 1024]) {
  for (const etag of [undefined, etagOf(file)]) {
    t.test(
      `a slow follower of a body of unknown length never sees a false end (${l1} bytes of memory, ${etag ? 'an' : 'no'} ETag)`,
      async (t) => {
        const go = Promise.withResolvers<void>()
        const fields = {
          'Transfer-Encoding': 'chunked',
          'Cache-Control': 'max-age=60',
          ...(etag && { ETag: etag }),
        }
        const origin = await startOrigin(t, async (request, exchange) => {
          if (request.header('range')) return respondFile(exchange, file, { etag, lastModified: null })
          await exchange.head({ fields })
          await exchange.chunk(file.subarray(0, 100))
          await go.promise
          for (let at = 100; at < file.length; at += S) await exchange.chunk(file.subarray(at, at + S))
          await exchange.chunk()
        })
        const proxy = await startProxy(t, { upstream: origin.url, sliceSize: S, l1 })
        const fast = get(`${proxy.url}/f`)
        await until(() => origin.requests.length === 1)
        const release = Promise.withResolvers<void>()
        const pieces: Buffer[] = []
        const slow = get(`${proxy.url}/f`, {
          onData: async (piece) => {
            pieces.push(piece)
            await release.promise
          },
        })
        await until(() => proxy.counters.requestsNow === 2 && pieces.length > 0)
        go.resolve()
        t.ok((await fast).body.equals(file))
        release.resolve()
        const answer = await slow
        const body = Buffer.concat(pieces)
        t.ok(body.equals(file.subarray(0, body.length)), 'right until its end')
        if (answer.complete) t.equal(body.length, file.length, 'whole when it says so')
        // The fetched slices end before those that memory still has: that was once taken for the end of the body.
        if (etag || l1 > file.length)
          t.ok(answer.complete, 'and whole where its slices are in memory or can be fetched')
      },
    )
  }
}
