import t from 'tap'
import { bytesOf } from '../../helpers/bytes.ts'
import { connect, get, slowClient, stalledClient } from '../../helpers/client.ts'
import { fileOrigin } from '../../helpers/file-origin.ts'
import { etagOf } from '../../helpers/file-response.ts'
import { type Exchange, startOrigin } from '../../helpers/origin.ts'
import { startProxy } from '../../helpers/proxy.ts'
import { until } from '../../helpers/until.ts'

const SLICE = 65_536
const MiB = 1024 * 1024

t.test('D34 a leader that reads 1 KB/s, or nothing, does not hold its followers', async (t) => {
  const file = bytesOf(34, 12 * MiB)
  for (const options of [{}, { chunked: true, etag: null, lastModified: null }]) {
    const name = JSON.stringify(options)
    const origin = await fileOrigin(t, { '/file': file }, options)
    const proxy = await startProxy(t, { upstream: origin.url, sliceSize: SLICE })
    const leader = await connect(proxy.url)
    leader.write('GET /file HTTP/1.1\r\nHost: x\r\n\r\n')
    const reading = setInterval(() => void leader.wire.some(51), 50)
    const stalled = await stalledClient(`${proxy.url}/file`, { headers: { Host: 'x' } })
    await until(() => proxy.counters.requests === 2)

    const followers = await Promise.all(
      Array.from({ length: 10 }, () => get(`${proxy.url}/file`, { headers: { Host: 'x' } })),
    )
    for (const { body } of followers) t.ok(body.equals(file), name)
    t.equal(origin.requests.length, 1, name)
    t.ok(proxy.counters.bytesToClients < 12 * file.length, 'the leader does not have it all yet')
    clearInterval(reading)
    leader.close()
    stalled.destroy()
  }
})

t.test(
  'D34 a leader left behind comes back through the store, or by ranges where the store has dropped it',
  async (t) => {
    const file = bytesOf(341, 24 * MiB)
    for (const [name, l1] of [
      ['stored', 64 * MiB],
      ['dropped', 4 * MiB],
    ] as const) {
      const origin = await fileOrigin(t, { '/file': file })
      const proxy = await startProxy(t, { upstream: origin.url, sliceSize: SLICE, l1 })
      const leader = slowClient(`${proxy.url}/file`, 12 * MiB)
      await until(() => proxy.counters.bytesToClients > 0)
      t.ok((await get(`${proxy.url}/file`)).body.equals(file), `follower, ${name}`)
      t.ok((await leader).body.equals(file), `leader, ${name}`)
      if (name === 'stored') t.equal(origin.requests.length, 1)
      await proxy.close()
    }
  },
)

t.test('D35 the request fails before its head: one of those who waited takes over', async (t) => {
  const file = bytesOf(35, 200_000)
  const origin = await startOrigin(t, async (_request, exchange) => {
    await until(() => proxy.counters.coalesced >= 199)
    if (origin.requests.length === 1) return exchange.reset()
    await exchange.respondFile(file)
  })
  const proxy = await startProxy(t, { upstream: origin.url, sliceSize: SLICE, maxRetries: 0 })
  const answers = await Promise.all(Array.from({ length: 200 }, () => get(`${proxy.url}/file`)))
  const good = answers.filter((answer) => answer.status === 200 && answer.body.equals(file))
  t.equal(good.length, 199, 'all but the client whose own request failed')
  t.equal(answers.filter((answer) => answer.status === 502).length, 1)
  t.equal(origin.requests.length, 2)
})

t.test('D35 the body fails: one new request brings the rest to leader and followers', async (t) => {
  const file = bytesOf(351, 10 * SLICE + 7)
  const cutAt = 4 * SLICE + 1000
  const origin = await startOrigin(t, async (_request, exchange) => {
    if (origin.requests.length > 1) return exchange.respondFile(file)
    await exchange.head({ fields: fileFields(file) })
    await exchange.write(file.subarray(0, 1000))
    await until(() => proxy.counters.bytesToClients === 200 * 1000)
    await exchange.write(file.subarray(1000, cutAt))
    await exchange.reset()
  })
  const proxy = await startProxy(t, { upstream: origin.url, sliceSize: SLICE })
  const answers = await Promise.all(Array.from({ length: 200 }, () => get(`${proxy.url}/file`)))
  t.equal(answers.filter((answer) => answer.complete && answer.body.equals(file)).length, 200)
  t.equal(origin.requests.length, 2)
  // What the reset overtook in the kernel's buffers is lost; the rest is asked for from a slice's boundary on.
  const [, first] = /^bytes=(\d+)-655366$/.exec(origin.requests[1].header('range')!)!
  t.equal(Number(first) % SLICE, 0)
  t.ok(Number(first) <= cutAt)
  t.equal(proxy.counters.healedTransfers, 1)
})

t.test('D35 an origin that stays down is not asked by each of those who waited', async (t) => {
  const origin = await startOrigin(t, async (_request, exchange) => {
    await until(() => proxy.counters.coalesced >= 99)
    await exchange.reset()
  })
  const proxy = await startProxy(t, { upstream: origin.url, maxRetries: 0 })
  const answers = await Promise.all(Array.from({ length: 100 }, () => get(`${proxy.url}/file`)))
  for (const answer of answers) if (answer.status !== 502) t.fail(`status ${answer.status}`)
  t.ok(origin.requests.length <= 3, `${origin.requests.length} requests`)
})

t.test('D35 the client that began goes away: the transfer goes on for those who follow', async (t) => {
  const file = bytesOf(352, 4 * SLICE)
  for (const moment of ['before the head', 'in the body']) {
    let goOn = () => {}
    const origin = await startOrigin(t, async (_request, exchange) => {
      if (moment === 'before the head') await exchange.stall(new Promise<void>((resolve) => (goOn = resolve)))
      await sendHalf(exchange, file)
      if (moment === 'in the body') await exchange.stall(new Promise<void>((resolve) => (goOn = resolve)))
      await exchange.write(file.subarray(file.length / 2))
    })
    const proxy = await startProxy(t, { upstream: origin.url, sliceSize: SLICE })
    const leader = await connect(proxy.url)
    leader.write('GET /file HTTP/1.1\r\nHost: x\r\n\r\n')
    await until(() => origin.requests.length === 1)
    if (moment === 'in the body') await leader.wire.until('\r\n\r\n')
    const followers = Array.from({ length: 5 }, () => get(`${proxy.url}/file`, { headers: { Host: 'x' } }))
    await until(() => proxy.counters.requests === 6)
    leader.close()
    await until(() => proxy.counters.clientAborts === 1)
    goOn()
    for (const { body } of await Promise.all(followers)) t.ok(body.equals(file), moment)
    t.equal(origin.requests.length, 1, moment)
  }
})

async function sendHalf(exchange: Exchange, file: Buffer): Promise<void> {
  await exchange.head({ fields: fileFields(file) })
  await exchange.write(file.subarray(0, file.length / 2))
}

function fileFields(file: Buffer): Record<string, string> {
  return { 'Content-Length': String(file.length), ETag: etagOf(file), 'Cache-Control': 'max-age=60' }
}
