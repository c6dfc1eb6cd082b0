import t from 'tap'
import { type Answer, get } from '../../helpers/client.ts'
import { stopClock } from '../../helpers/clock.ts'
import { startOrigin } from '../../helpers/origin.ts'
import { type StartProxyOptions, startProxy } from '../../helpers/proxy.ts'

type Scope = Parameters<typeof startOrigin>[0]
type Fields = Record<string, string>

/** Asks twice for a resource with these fields and tells how the second answer came about. */
async function second(
  t: Scope,
  fields: Fields,
  options: Partial<StartProxyOptions> = {},
  headers: Fields = {},
) {
  const origin = await startOrigin(t, (request, exchange) =>
    exchange.respond({ fields, body: `${origin.requests.length} ${request.method}` }),
  )
  const proxy = await startProxy(t, { upstream: origin.url, ...options })
  const first = await get(`${proxy.url}/x`, { headers })
  const answer = await get(`${proxy.url}/x`, { headers })
  // Nobody gets the bytes of one answer under the fields of another.
  if (first.body.toString() !== '1 GET') throw new Error(`the first answer was ${first.body}`)
  await proxy.close()
  return { answer, hit: answer.header('x-cache') === 'HIT', asked: origin.requests.length }
}

const past = new Date(Date.now() - 60_000).toUTCString()
const future = new Date(Date.now() + 60_000).toUTCString()
const now = new Date().toUTCString()

t.test('what the origin says decides whether the second request is a hit', async (t) => {
  const hits: Fields[] = [
    { 'Cache-Control': 'max-age=60' },
    { 'Cache-Control': 'public, s-maxage=60, max-age=0' },
    { 'Cache-Control': 'MAX-AGE="60"' },
    { Expires: future, Date: now },
    { 'Cache-Control': 'max-age=60', Expires: past },
    { 'Cache-Control': 'max-age=60', Age: '30' },
  ]
  for (const fields of hits) {
    const { answer, asked } = await second(t, fields)
    t.equal(answer.header('x-cache'), 'HIT', JSON.stringify(fields))
    t.equal(asked, 1)
    t.equal(answer.body.toString(), '1 GET')
  }
  const misses: Fields[] = [
    { 'Cache-Control': 'no-store' },
    { 'Cache-Control': 'private, max-age=60' },
    { 'Cache-Control': 'max-age=0' },
    { 'Cache-Control': 'no-cache' },
    { 'Cache-Control': 's-maxage=0, max-age=60' },
    { Expires: past },
    { Expires: '0' },
    { 'Cache-Control': 'max-age=60', Age: '61' },
    { 'Cache-Control': 'max-age=60', Vary: '*' },
    { 'Set-Cookie': 'a=1' },
  ]
  for (const fields of misses) {
    const { answer, asked } = await second(t, fields)
    t.not(answer.header('x-cache'), 'HIT', JSON.stringify(fields))
    t.equal(asked, 2)
    t.equal(answer.body.toString(), '2 GET')
  }
})

t.test('cache_ttl is for responses that say nothing', async (t) => {
  stopClock(t)
  t.ok((await second(t, {})).hit, 'the default')
  t.notOk((await second(t, {}, { cacheTtl: 0 })).hit)
  t.notOk((await second(t, { 'Cache-Control': 'max-age=0' }, { cacheTtl: 60 })).hit, 'the origin wins')
  const { hit, answer } = await second(t, { 'Cache-Control': 'max-age=30' }, { cacheTtl: 3600 })
  t.ok(hit)
  t.match(answer.header('cache-status'), /ttl=30\b/)
})

t.test('cache_ttl ends', async (t) => {
  const clock = stopClock(t)
  const origin = await startOrigin(t, (_request, exchange) =>
    exchange.respond({ body: String(origin.requests.length) }),
  )
  const proxy = await startProxy(t, { upstream: origin.url, cacheTtl: 1 })
  await get(`${proxy.url}/x`)
  t.equal((await get(`${proxy.url}/x`)).body.toString(), '1')
  clock.pass(1)
  t.equal((await get(`${proxy.url}/x`)).body.toString(), '2')
})

t.test('answers to somebody with Authorization are shared on the origin’s word only', async (t) => {
  const headers = { Authorization: 'Basic eDp5' }
  t.notOk((await second(t, { 'Cache-Control': 'max-age=60' }, {}, headers)).hit)
  for (const word of ['public, max-age=60', 's-maxage=60', 'max-age=60, must-revalidate']) {
    t.ok((await second(t, { 'Cache-Control': word }, {}, headers)).hit, word)
  }
})

t.test('Set-Cookie is shared on the origin’s explicit word only', async (t) => {
  const cookie = { 'Set-Cookie': 'a=1' }
  t.notOk((await second(t, cookie)).hit)
  const { hit, answer } = await second(t, { ...cookie, 'Cache-Control': 'public, max-age=60' })
  t.ok(hit)
  t.equal(answer.header('set-cookie'), 'a=1')
  const without = await second(t, { ...cookie, 'Cache-Control': 'max-age=60, private="set-cookie"' })
  t.ok(without.hit)
  t.equal(without.answer.header('set-cookie'), undefined)
})

t.test('what the client says decides too', async (t) => {
  stopClock(t)
  const origin = await startOrigin(t, (_request, exchange) =>
    exchange.respond({
      fields: { 'Cache-Control': 'max-age=60', Age: '10' },
      body: String(origin.requests.length),
    }),
  )
  const proxy = await startProxy(t, { upstream: origin.url })
  const ask = (value: string): Promise<Answer> =>
    get(`${proxy.url}/x`, { headers: { 'Cache-Control': value } })
  t.equal((await ask('only-if-cached')).status, 504)
  t.equal(origin.requests.length, 0)
  await get(`${proxy.url}/x`)
  t.equal((await ask('only-if-cached')).body.toString(), '1')
  t.equal((await ask('max-age=30')).body.toString(), '1')
  t.equal((await ask('max-age=5')).body.toString(), '2')
  t.equal((await ask('min-fresh=59')).body.toString(), '3')
  t.equal((await ask('no-cache')).body.toString(), '4')
  t.equal((await get(`${proxy.url}/x`, { headers: { Pragma: 'no-cache' } })).body.toString(), '5')
  t.equal((await ask('max-stale')).body.toString(), '5')
  t.equal((await get(`${proxy.url}/x`)).body.toString(), '5')
})

t.test('a no-store request is answered from what is stored, but leaves nothing behind', async (t) => {
  const origin = await startOrigin(t, (_request, exchange) =>
    exchange.respond({ fields: { 'Cache-Control': 'max-age=60' }, body: String(origin.requests.length) }),
  )
  const proxy = await startProxy(t, { upstream: origin.url })
  const headers = { 'Cache-Control': 'no-store' }
  await get(`${proxy.url}/x`, { headers })
  t.equal((await get(`${proxy.url}/x`)).body.toString(), '2', 'the first one was not kept')
  t.equal((await get(`${proxy.url}/x`)).body.toString(), '2')
})

t.test('a hit tells its age, and a miss has none of ours', async (t) => {
  stopClock(t)
  const origin = await startOrigin(t, (_request, exchange) =>
    exchange.respond({ fields: { 'Cache-Control': 'max-age=60', Age: '10' }, body: 'x' }),
  )
  const proxy = await startProxy(t, { upstream: origin.url })
  t.equal((await get(`${proxy.url}/x`)).header('age'), '10')
  const hit = await get(`${proxy.url}/x`)
  t.equal(hit.header('age'), '10')
  t.ok(hit.header('date'))
})

t.test('statuses other than 200: by their own freshness, or where a guess is allowed', async (t) => {
  const origin = await startOrigin(t, (request, exchange) => {
    const { searchParams } = new URL(request.target, 'http://x')
    const fields: Fields = searchParams.has('explicit') ? { 'Cache-Control': 'max-age=60' } : {}
    return exchange.respond({ status: Number(searchParams.get('status')), fields, body: 'b' })
  })
  const proxy = await startProxy(t, { upstream: origin.url })
  const result = async (query: string) => {
    await get(`${proxy.url}/?${query}`)
    return (await get(`${proxy.url}/?${query}`)).header('x-cache')
  }
  for (const status of [301, 308, 404, 410]) t.equal(await result(`status=${status}`), 'HIT', `${status}`)
  for (const status of [302, 400, 403, 405, 414, 500, 501, 503]) {
    t.not(await result(`status=${status}`), 'HIT', `${status}`)
  }
  for (const status of [302, 307, 403, 500]) {
    t.equal(await result(`status=${status}&explicit`), 'HIT', `${status} with max-age`)
  }
})
