import { gzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import { bytesOf } from '../../helpers/bytes.ts'
import { get } from '../../helpers/client.ts'
import { type Script, startOrigin } from '../../helpers/origin.ts'
import { startProxy } from '../../helpers/proxy.ts'

const S = 64 * 1024
const old = bytesOf(6, 2 * S + 10)
const gzipped = gzipSync(old)

/** A proxy that has a stale representation without validators in its memory, and an origin that from now on does as `script` says. */
async function startStale(t: Test, script: Script) {
  const origin = await startOrigin(t, (_request, exchange) =>
    exchange.respond({ fields: { 'Cache-Control': 'max-age=3600' }, body: old }),
  )
  const proxy = await startProxy(t, { upstream: origin.url, sliceSize: S })
  t.ok((await get(`${proxy.url}/f`)).body.equals(old))
  t.equal((await get(`${proxy.url}/f`)).header('x-cache'), 'HIT')
  origin.use(script)
  return { origin, proxy }
}

t.test('A10: a body that is not what its Content-Encoding says passes byte for byte', async (t) => {
  const broken = Buffer.concat([gzipped.subarray(0, 500), bytesOf(7, 500)])
  const origin = await startOrigin(t, (_request, exchange) =>
    exchange.respondFile(broken, { fields: { 'Content-Encoding': 'gzip', Vary: 'Accept-Encoding' } }),
  )
  const proxy = await startProxy(t, { upstream: origin.url, sliceSize: S })
  for (const xCache of ['MISS', 'HIT']) {
    const answer = await get(`${proxy.url}/f`, { headers: { 'Accept-Encoding': 'gzip' } })
    t.match(answer, { status: 200, complete: true })
    t.equal(answer.header('x-cache'), xCache)
    t.equal(answer.header('content-encoding'), 'gzip')
    t.ok(answer.body.equals(broken))
  }
})

const BROKEN: Record<string, Script> = {
  'a chunk size that is no number': async (_request, exchange) => {
    await exchange.head({ fields: { 'Transfer-Encoding': 'chunked', 'Cache-Control': 'max-age=3600' } })
    await exchange.chunk(bytesOf(8, 1000))
    await exchange.write('zz\r\n')
  },
  'a body that is cut': async (_request, exchange) => {
    await exchange.head({ fields: { 'Content-Length': '1000', 'Cache-Control': 'max-age=3600' } })
    await exchange.write(bytesOf(8, 999))
    exchange.end()
  },
  'Content-Length twice, differing': async (_request, exchange) => {
    await exchange.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef')
  },
}

for (const [what, script] of Object.entries(BROKEN)) {
  t.test(`A10: a refresh that fails by ${what} does not replace what is stored`, async (t) => {
    const { origin, proxy } = await startStale(t, script)
    const refresh = await get(`${proxy.url}/f`, { headers: { 'Cache-Control': 'no-cache' } })
    t.ok(!refresh.complete || refresh.body.equals(old), 'cut, or answered with what is stored')
    await origin.stop()
    const stored = await get(`${proxy.url}/f`)
    t.match(stored, { status: 200, complete: true })
    t.ok(stored.body.equals(old))
  })
}
