import t, { type Test } from 'tap'
import { bytesOf } from '../../helpers/bytes.ts'
import { connect, get } from '../../helpers/client.ts'
import { type Exchange, startOrigin } from '../../helpers/origin.ts'
import { startProxy } from '../../helpers/proxy.ts'
import { until } from '../until.ts'

const S = 64 * 1024
const file = bytesOf(4, 32 * S + 777)
const ETAG = '"client-gone"'

/** A proxy and an origin that sends the first `at` bytes of its first answer, and the rest when it is told to. */
async function startGated(t: Test, at: number) {
  const rest = Promise.withResolvers<void>()
  let firstGone = false
  const origin = await startOrigin(t, async (_request, exchange: Exchange) => {
    if (origin.requests.length > 1) return exchange.respondFile(file, { etag: ETAG })
    exchange.gone.then(() => (firstGone = true))
    await exchange.head({
      fields: { ETag: ETAG, 'Cache-Control': 'max-age=3600', 'Content-Length': String(file.length) },
    })
    await exchange.write(file.subarray(0, at))
    await exchange.stall(rest.promise)
    await exchange.write(file.subarray(at))
  })
  const proxy = await startProxy(t, { upstream: origin.url, sliceSize: S })
  return { origin, proxy, sendRest: rest.resolve, firstGone: () => firstGone }
}

/** Asks, goes away once `at` bytes came, and returns when the proxy has noticed. */
async function askAndGo(url: string, at: number, gone: () => boolean): Promise<void> {
  if (at === 0) {
    const connection = await connect(url)
    connection.write(`GET /f HTTP/1.1\r\nHost: ${new URL(url).host}\r\n\r\n`)
    await connection.wire.until('\r\n\r\n')
    connection.close()
  } else {
    await get(`${url}/f`, { abortAfter: at })
  }
  await until(gone)
}

for (const share of [0, 0.5]) {
  t.test(
    `A6: a client that goes away after ${share * 100} %: the transfer ends, its whole slices stay`,
    async (t) => {
      const at = Math.floor(file.length * share)
      const { origin, proxy, firstGone } = await startGated(t, at)
      await askAndGo(proxy.url, at, () => proxy.counters.clientAborts === 1)
      await until(firstGone)
      t.match(proxy.counters, { abandonedFills: 1, fillsNow: 0 })
      const answer = await get(`${proxy.url}/f`)
      t.ok(answer.complete && answer.body.equals(file))
      const kept = Math.floor(at / S)
      t.equal(origin.requests.length, 2)
      t.equal(origin.requests[1].header('range'), `bytes=${kept * S}-${file.length - 1}`)
      const hit = await get(`${proxy.url}/f`)
      t.equal(hit.header('x-cache'), 'HIT')
      t.ok(hit.body.equals(file))
      t.equal(origin.requests.length, 2)
    },
  )
}

t.test(
  'A6: a client that goes away after 99 %: the transfer is finished, the next one is a hit',
  async (t) => {
    const at = Math.floor(file.length * 0.99)
    const { origin, proxy, sendRest } = await startGated(t, at)
    await askAndGo(proxy.url, at, () => proxy.counters.clientAborts === 1)
    sendRest()
    await until(() => proxy.counters.fillsNow === 0)
    const hit = await get(`${proxy.url}/f`)
    t.equal(hit.header('x-cache'), 'HIT')
    t.ok(hit.complete && hit.body.equals(file))
    t.equal(origin.requests.length, 1)
  },
)

for (const share of [0, 0.5, 0.99]) {
  t.test(
    `A6: a client that goes away after ${share * 100} % does not harm one that follows it`,
    async (t) => {
      const { origin, proxy, sendRest } = await startGated(t, Math.floor(file.length * share))
      const leaving = await connect(proxy.url)
      leaving.write(`GET /f HTTP/1.1\r\nHost: ${new URL(proxy.url).host}\r\n\r\n`)
      await leaving.wire.until('\r\n\r\n')
      const staying = get(`${proxy.url}/f`)
      await until(() => proxy.counters.requests === 2)
      await new Promise((resolve) => setTimeout(resolve, 30))
      leaving.close()
      await until(() => proxy.counters.clientAborts === 1)
      sendRest()
      const answer = await staying
      t.ok(answer.complete && answer.body.equals(file))
      t.equal(origin.requests.length, 1)
      t.equal(proxy.counters.abandonedFills, 0)
    },
  )
}

t.test('A6: a client that goes away before the response head stops the request at the origin', async (t) => {
  let gone = false
  const origin = await startOrigin(t, async (_request, exchange) => {
    if (origin.requests.length > 1) return exchange.respondFile(file)
    exchange.gone.then(() => (gone = true))
    await exchange.stall(60_000)
  })
  const proxy = await startProxy(t, { upstream: origin.url, sliceSize: S })
  const connection = await connect(proxy.url)
  connection.write('GET /f HTTP/1.1\r\nHost: x\r\n\r\n')
  await until(() => origin.requests.length === 1)
  connection.close()
  await until(() => gone)
  t.ok((await get(`${proxy.url}/f`, { headers: { Host: 'x' } })).body.equals(file))
})
