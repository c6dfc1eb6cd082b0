import { setTimeout as wait } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { type Connection, connect } from '../helpers/client.ts'
import type { Script } from '../helpers/origin.ts'
import { type Lane, plain, startLane, warmed } from './lane.ts'

const URL_OF_WARM = 'http://www.example.com/warm'

/** Every answer of the origin has another body. */
function numbered(seconds = 3600): Script {
  let number = 0
  return (_request, exchange) => {
    const fields = {
      'Cache-Control': `max-age=${seconds}`,
      Date: new Date().toUTCString(),
      'Cache-Tag': 'tag',
    }
    return exchange.respond({ fields, body: String(++number) })
  }
}

async function next(connection: Connection, headers: string[] = []) {
  connection.write(plain('/warm', headers))
  const answer = await connection.answer()
  return { body: answer.body.toString(), result: answer.header('x-cache') }
}

/** Asks until node:http does not see it. */
async function untilFast(t: Test, lane: Lane, connection: Connection): Promise<void> {
  for (let i = 0; i < 5; i++) {
    const { length } = lane.seen
    await next(connection)
    if (lane.seen.length === length) return
  }
  t.fail('all hits go by way of node:http')
}

const PURGES = [
  { url: URL_OF_WARM },
  { prefix: '/wa' },
  { prefix: '/w*m' },
  { tag: 'tag' },
  { all: true },
] as const

t.test('what was purged is not served by the very next answer', async (t) => {
  const lane = await startLane(t, numbered())
  const connection = await warmed(lane)
  let body = 1
  for (const purge of PURGES) {
    await untilFast(t, lane, connection)
    await lane.fastify.purge(purge)
    t.same(await next(connection), { body: String(++body), result: 'MISS' }, JSON.stringify(purge))
    t.same(await next(connection), { body: String(body), result: 'HIT' })
  }
})

t.test('what was purged softly is asked for again before the very next answer', async (t) => {
  const lane = await startLane(t, numbered())
  const connection = await warmed(lane)
  for (const purge of PURGES) {
    await untilFast(t, lane, connection)
    const before = lane.origin.requests.length
    await lane.fastify.purge(purge, { soft: true })
    t.not((await next(connection)).result, 'HIT', JSON.stringify(purge))
    t.equal(lane.origin.requests.length, before + 1)
    t.same((await next(connection)).result, 'HIT')
  }
})

t.test('what is stale is not served, on the second', async (t) => {
  const lane = await startLane(t, numbered(1))
  const connection = await warmed(lane)
  const since = Date.now()
  let { body } = await next(connection)
  for (let changes = 0; changes < 2; ) {
    await wait(20)
    const answer = await next(connection)
    if (answer.body === body) continue
    t.equal(answer.result === 'HIT', false)
    changes++
    body = answer.body
    if (Date.now() - since > 60_000) return t.fail('it never became stale')
  }
})

t.test('a request that wants something fresher, or a part, gets it', async (t) => {
  const lane = await startLane(t, numbered())
  const connection = await warmed(lane)
  await untilFast(t, lane, connection)
  const more = async (headers: string[]) => {
    connection.write(plain('/warm', headers))
    return await connection.answer()
  }
  t.equal((await more(['Range', 'bytes=0-0'])).status, 206)
  t.equal((await more(['range', 'bytes=5-'])).status, 416)
  t.match((await more(['Cache-Control', 'max-age=100'])).header('x-cache'), 'HIT')
  t.equal((await more(['If-Modified-Since', new Date(Date.now() + 5000).toUTCString()])).status, 304)
  t.equal((await more(['CACHE-CONTROL', 'no-cache'])).body.toString(), '2')
  t.equal((await more(['Pragma', 'no-cache'])).body.toString(), '3')
  await untilFast(t, lane, connection)
})

t.test('settings that are changed hold from the very next answer on', async (t) => {
  const lane = await startLane(t, numbered())
  const connection = await warmed(lane)
  await untilFast(t, lane, connection)
  const { sliceProxy } = lane.fastify
  const status = async () => {
    connection.write(plain('/warm', ['X-Forwarded-Proto', 'https']))
    return (await connection.answer()).header('cache-status')!
  }
  t.notMatch(await status(), 'key=')
  sliceProxy!.configure({ cacheStatusKey: true })
  t.match(await status(), '; key="4:http15:www.example.com5:/warm"')
  sliceProxy!.configure({ trustedProxies: ['127.0.0.1'] })
  t.match(await status(), '; fwd=uri-miss', 'it is another scheme now')
  t.match(await status(), '; key="5:https15:www.example.com5:/warm"')
  sliceProxy!.configure({ cacheStatusKey: false, trustedProxies: [] })
  t.notMatch(await status(), 'key=')
})

t.test('an error while answering is told, and the request goes its usual way', async (t) => {
  const lane = await startLane(t, numbered())
  const connection = await warmed(lane)
  await untilFast(t, lane, connection)
  const { l1 } = lane.fastify as unknown as { l1: { getHeads(key: string): unknown } }
  const { getHeads } = l1
  l1.getHeads = (key) => {
    l1.getHeads = getHeads
    throw new Error(`not ${key}`)
  }
  const { requests, l1Hits } = lane.counters
  t.equal((await next(connection)).result, 'HIT')
  t.match(lane.counters, { requests: requests + 1, l1Hits: l1Hits + 1 })
  await untilFast(t, lane, connection)
})

t.test('many more objects than are kept ready are served as they are', async (t) => {
  const lane = await startLane(t, (request, exchange) =>
    exchange.respond({
      fields: { 'Cache-Control': 'max-age=3600', Date: new Date().toUTCString(), 'X-Of': request.target },
      body: request.target,
    }),
  )
  const connection = await connect(lane.url)
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < 1100; i++) {
      connection.write(plain(`/${i}`))
      const answer = await connection.answer()
      if (answer.body.toString() !== `/${i}` || answer.header('x-of') !== `/${i}`) return t.fail(`/${i}`)
    }
  }
  t.ok(lane.seen.length < 1200)
})
