import { setTimeout as wait } from 'node:timers/promises'
import t from 'tap'
import type { Counters } from '../../lib/cache/counters.ts'
import { MAX_SEGMENT } from '../../lib/stores/store.ts'
import { bytesOf } from '../helpers/bytes.ts'
import { connect, get, serialise, stalledClient } from '../helpers/client.ts'
import { until } from '../helpers/until.ts'
import { SLICE, startLending } from './lending.ts'

const file = bytesOf(61, 12 * SLICE + 12_345)
/** More than the kernel takes for a client that does not read. */
const big = bytesOf(62, 64 * SLICE + 1)

/** Waits until no client takes any more. */
async function standstill(counters: Counters): Promise<void> {
  for (let sent = -1; sent !== counters.bytesToClients; ) {
    sent = counters.bytesToClients
    await wait(500)
  }
}

for (const readsAhead of [false, true]) {
  const name = readsAhead ? ', reading ahead' : ''

  t.test(`a client that leaves midway gives all back, wherever it is${name}`, async (t) => {
    const { url, counters, allReturned } = await startLending(t, file, { readsAhead })
    for (const abortAfter of [1, 100_000, SLICE, 3 * SLICE + 7, file.length - 1]) {
      const leaving = Array.from({ length: 4 }, () => get(`${url}/file`, { abortAfter }))
      const { body } = await get(`${url}/file`)
      t.ok(body.equals(file), 'who stays is not disturbed')
      for (const { body } of await Promise.all(leaving)) t.ok(body.equals(file.subarray(0, body.length)))
      await allReturned()
    }
    t.ok(counters.clientAborts > 0)
  })

  t.test(`a client that stalls keeps one segment, and nothing that was read ahead${name}`, async (t) => {
    const { url, store, counters, allReturned } = await startLending(t, big, { readsAhead })
    const sockets = await Promise.all(Array.from({ length: 8 }, () => stalledClient(`${url}/file`)))
    await standstill(counters)
    t.ok(store.lentBytes > 0)
    await until(() => store.lentBytes <= 8 * MAX_SEGMENT)
    t.ok((await get(`${url}/file`)).body.equals(big), 'others are served meanwhile')
    await until(() => store.lentBytes <= 8 * MAX_SEGMENT)
    for (const socket of sockets) socket.destroy()
    await allReturned()
  })

  t.test(`a client that has stalled and goes on gets the right bytes${name}`, async (t) => {
    const { url, host, store, counters, allReturned } = await startLending(t, big, { readsAhead })
    const client = await connect(url)
    client.socket.pause()
    client.write(serialise('/file', host, {}))
    await standstill(counters)
    await until(() => store.lentBytes <= MAX_SEGMENT)
    client.socket.resume()
    t.ok((await client.answer()).body.equals(big))
    client.close()
    await allReturned()
  })

  t.test(`pipelined responses whose turn never comes give back what they were lent${name}`, async (t) => {
    const { url, host, store, counters, allReturned } = await startLending(t, big, { readsAhead })
    for (const answers of [0, 1]) {
      const client = await connect(url)
      const request = serialise('/file', host, {})
      client.write(Buffer.concat([request, request, request]))
      await until(() => counters.requestsNow === 3)
      await standstill(counters)
      t.ok(store.lentBytes > 0)
      await until(() => store.lentBytes <= 3 * MAX_SEGMENT)
      for (let i = 0; i < answers; i++) t.ok((await client.answer()).body.equals(big))
      client.close()
      await allReturned()
    }
    t.equal(counters.clientAborts, 5)
  })
}

t.test('a client that goes while its slice is being read gives it back', async (t) => {
  const { url, store, counters, allReturned } = await startLending(t, file, { readsAhead: true })
  for (const skipped of [0, 3]) {
    const go = Promise.withResolvers<void>()
    let reads = 0
    store.beforeRead = () => (reads++ < skipped ? undefined : go.promise)
    const client = await connect(url)
    client.write(`GET /file HTTP/1.1\r\nHost: ${new URL(url).host}\r\n\r\n`)
    await until(() => reads > skipped)
    client.close()
    await until(() => counters.clientAborts > 0 || counters.requestsNow === 0)
    go.resolve()
    await allReturned()
  }
  t.pass()
})

t.test('while the origin is asked for a slice that was lost, nothing is held behind it', async (t) => {
  const { url, store, origin, allReturned } = await startLending(t, file, { readsAhead: true })
  store.lose((index) => index === 6, true)
  const go = Promise.withResolvers<void>()
  const asked = Promise.withResolvers<void>()
  origin.use(async (_request, exchange) => {
    asked.resolve()
    await exchange.stall(go.promise)
    return exchange.respondFile(file)
  })
  const answer = get(`${url}/file`)
  await asked.promise
  t.ok(
    store.reads.some(({ index }) => index === 7),
    'what follows was read ahead',
  )
  await until(() => store.lentBytes === 0)
  go.resolve()
  t.ok((await answer).body.equals(file))
  await allReturned()
})
