import t from 'tap'
import { bytesOf } from '../../helpers/bytes.ts'
import { connect, get } from '../../helpers/client.ts'
import { etagOf } from '../../helpers/file-response.ts'
import { type Script, startOrigin } from '../../helpers/origin.ts'
import { startProxy } from '../../helpers/proxy.ts'
import { until } from '../../helpers/until.ts'

const SLICE = 65_536
const file = bytesOf(61, 40 * SLICE)

/** Answers correctly, but stops after `slices` slices until the gate opens. */
function stoppingAfter(slices: number, gate: Promise<void>): Script {
  return async (request, exchange) => {
    if (request.header('range')) return exchange.respondFile(file)
    const fields = {
      'Content-Length': String(file.length),
      ETag: etagOf(file),
      'Cache-Control': 'max-age=60',
    }
    await exchange.head({ fields })
    await exchange.write(file.subarray(0, slices * SLICE))
    await exchange.stall(gate)
    await exchange.write(file.subarray(slices * SLICE))
  }
}

/** Reads what there is and goes away. */
async function readAndLeave(url: string, path: string, bytes: number): Promise<void> {
  const connection = await connect(url)
  connection.write(`GET ${path} HTTP/1.1\r\nHost: ${new URL(url).host}\r\n\r\n`)
  const answer = await connection.answer({ abortAfter: bytes })
  if (!answer.body.equals(file.subarray(0, answer.length))) throw new Error('wrong bytes')
}

t.test(
  'a transfer that nobody wants is stopped; its whole slices stay and are not fetched again',
  async (t) => {
    const never = new Promise<void>(() => {})
    const origin = await startOrigin(t, stoppingAfter(10, never))
    const proxy = await startProxy(t, { upstream: origin.url, sliceSize: SLICE })
    await readAndLeave(proxy.url, '/file', 10 * SLICE)
    await until(() => origin.open === 0)
    t.equal(proxy.counters.abandonedFills, 1)
    t.equal(proxy.counters.clientAborts, 1)

    const answer = await get(`${proxy.url}/file`)
    t.ok(answer.body.equals(file))
    t.equal(origin.requests.at(-1)!.header('range'), `bytes=${10 * SLICE}-${file.length - 1}`)
  },
)

t.test('a transfer that is nearly done is finished for those who come later', async (t) => {
  let goOn = () => {}
  const gate = new Promise<void>((resolve) => (goOn = resolve))
  const origin = await startOrigin(t, stoppingAfter(38, gate))
  const proxy = await startProxy(t, { upstream: origin.url, sliceSize: SLICE })
  await readAndLeave(proxy.url, '/file', 38 * SLICE)
  await until(() => proxy.counters.clientAborts === 1)
  t.equal(origin.open, 1, 'it goes on')
  goOn()
  await until(() => proxy.counters.fillsNow === 0)
  const answer = await get(`${proxy.url}/file`)
  t.equal(answer.header('x-cache'), 'HIT')
  t.ok(answer.body.equals(file))
  t.equal(origin.requests.length, 1)
})

t.test('a client that goes away before the head stops the request, if nobody else waits', async (t) => {
  const origin = await startOrigin(t, (_request, exchange) => exchange.gone)
  const proxy = await startProxy(t, { upstream: origin.url })
  const connection = await connect(proxy.url)
  connection.write('GET /file HTTP/1.1\r\nHost: x\r\n\r\n')
  await until(() => origin.requests.length === 1)
  connection.close()
  await until(() => origin.open === 0)
  origin.use((_request, exchange) => exchange.respondFile(file))
  t.ok((await get(`${proxy.url}/file`, { headers: { Host: 'x' } })).body.equals(file), 'the key is not stuck')
})

t.test('clients that come and go at random leave nothing behind, and nobody wrong bytes', async (t) => {
  const origin = await startOrigin(t, (_request, exchange) => exchange.respondFile(file))
  const proxy = await startProxy(t, { upstream: origin.url, sliceSize: SLICE, l1: 1024 * 1024 })
  let seed = 7
  const random = (below: number) => (seed = (seed * 48_271) % 2_147_483_647) % below
  for (let round = 0; round < 15; round++) {
    await Promise.all(
      Array.from({ length: 10 }, async () => {
        const first = random(file.length)
        const last = Math.min(file.length - 1, first + random(8 * SLICE))
        const leaves = random(2) === 0
        const abortAfter = leaves ? 1 + random(last - first + 1) : undefined
        const answer = await get(`${proxy.url}/file`, { range: `bytes=${first}-${last}`, abortAfter })
        if (!answer.body.equals(file.subarray(first, first + answer.length))) t.fail('wrong bytes')
        if (!leaves && answer.length !== last - first + 1) t.fail('a client that stayed got too little')
      }),
    )
  }
  await until(() => proxy.counters.requestsNow === 0 && proxy.counters.fillsNow === 0)
  t.ok((await get(`${proxy.url}/file`)).body.equals(file))
})
