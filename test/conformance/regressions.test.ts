import { setTimeout as wait } from 'node:timers/promises'
import t from 'tap'
import { get } from '../helpers/client.ts'
import { startOrigin } from '../helpers/origin.ts'
import { startProxy } from '../helpers/proxy.ts'
import { until } from '../helpers/until.ts'

/** What was once done wrong, and how it was found. */

// A client that left took the POST's transfer with it, and the fill never heard of it: every GET of the target waited
// for the rest of that body until it timed out.
t.test('a client that leaves its POST does not stop the answer that is being stored', async (t) => {
  const fields = { 'Cache-Control': 'max-age=60', 'Content-Location': '/p', ETag: '"a"' }
  const go = Promise.withResolvers<void>()
  const origin = await startOrigin(t, async (_request, exchange) => {
    await exchange.head({ fields: { ...fields, 'Content-Length': '1000' } })
    await exchange.write('x'.repeat(100))
    await go.promise
    await exchange.write('x'.repeat(900))
  })
  const proxy = await startProxy(t, { upstream: origin.url })
  await get(`${proxy.url}/p`, { method: 'POST', body: 'a', abortAfter: 50 })
  await until(() => proxy.counters.clientAborts === 1)
  const follower = get(`${proxy.url}/p`)
  await until(() => proxy.counters.requests === 2)
  go.resolve()
  t.equal((await follower).length, 1000)
  t.equal(proxy.counters.fillsNow, 0)
  t.equal((await get(`${proxy.url}/p`)).header('x-cache'), 'HIT')
  t.equal(origin.requests.length, 1)
})

// What a 304 says was given to all who waited for it, though it forbade to keep it: the leader's cookie went to them.
const FOR_ONE: Record<string, string>[] = [
  { 'Set-Cookie': 'session=leader' },
  { 'Cache-Control': 'private, max-age=60' },
  { 'Cache-Control': 'no-store, max-age=60' },
  { Vary: '*' },
]
for (const extra of FOR_ONE) {
  t.test(`a 304 with ${Object.entries(extra)} is not for those who waited for it`, async (t) => {
    const go = Promise.withResolvers<void>()
    const origin = await startOrigin(t, async (request, exchange) => {
      const turn = origin.requests.length
      if (turn === 1) return exchange.respond({ fields: { ETag: '"a"' }, body: 'body' })
      if (turn === 2) await go.promise
      const fields = { ETag: '"a"', 'X-For': request.header('x-id')!, ...extra }
      const status = request.header('if-none-match') === undefined ? 200 : 304
      return exchange.respond({ status, fields, body: status === 200 ? 'body' : '' })
    })
    const proxy = await startProxy(t, { upstream: origin.url, cacheTtl: 1 })
    await get(`${proxy.url}/p`)
    await wait(1050)
    const leader = get(`${proxy.url}/p`, { headers: { 'X-Id': 'leader' } })
    await until(() => origin.requests.length === 2)
    const follower = get(`${proxy.url}/p`, { headers: { 'X-Id': 'follower', 'If-None-Match': '"a"' } })
    await until(() => proxy.counters.coalesced === 1)
    go.resolve()
    t.equal((await leader).header('x-for'), 'leader')
    const answer = await follower
    t.equal(answer.status, 304)
    t.equal(answer.header('x-for'), 'follower')
  })
}

// The stored Date stayed, and the time of receipt was added to it.
t.test('after a 304 without Date there is one Date, the new one (RFC 9110 6.6.1)', async (t) => {
  const old = 'Mon, 02 Nov 2026 00:00:00 GMT'
  const origin = await startOrigin(t, (request, exchange) => {
    if (request.header('if-none-match')) return exchange.respond({ status: 304, fields: ['ETag', '"a"'] })
    const fields = { ETag: '"a"', 'Cache-Control': 'max-age=0', Date: old }
    return exchange.respond({ fields, body: 'body' })
  })
  const proxy = await startProxy(t, { upstream: origin.url })
  await get(`${proxy.url}/p`)
  const answer = await get(`${proxy.url}/p`)
  t.equal(answer.header('x-cache'), 'REVALIDATED')
  t.ok(Math.abs(Date.parse(answer.header('date')!) - Date.now()) < 10_000)
})

// All whitespace was removed before values were compared: who asked for `d e` chose what all who want `de` get.
t.test('whitespace inside a member of Accept-Language makes it another one', async (t) => {
  const origin = await startOrigin(t, (request, exchange) => {
    const fields = { Vary: 'Accept-Language', 'Cache-Control': 'max-age=60' }
    return exchange.respond({ fields, body: `for ${request.header('accept-language')}` })
  })
  const proxy = await startProxy(t, { upstream: origin.url })
  const body = async (language: string) =>
    (await get(`${proxy.url}/p`, { headers: { 'Accept-Language': language } })).body.toString()
  t.equal(await body('d e'), 'for d e')
  t.equal(await body('de'), 'for de')
  t.equal(await body('de ; q=1.0'), 'for de')
})
