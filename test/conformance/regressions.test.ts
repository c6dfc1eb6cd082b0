import { setTimeout as wait } from 'node:timers/promises'
import t from 'tap'
import { createBans } from '../../lib/cache/bans/bans.ts'
import { cacheKey, cacheKeyOptions } from '../../lib/semantics/key.ts'
import type { Head } from '../../lib/semantics/types.ts'
import { uniqueNow } from '../../lib/upstream/clock.ts'
import { connect, get } from '../helpers/client.ts'
import { stopClock } from '../helpers/clock.ts'
import { startOrigin } from '../helpers/origin.ts'
import { type StartProxyOptions, startProxy } from '../helpers/proxy.ts'
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
    const clock = stopClock(t)
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
    clock.pass(1)
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

// The head was there, and what was missing of the body was fetched.
t.test('only-if-cached is 504 when a part of the body is not stored (RFC 9111 5.2.1.7)', async (t) => {
  const S = 64 * 1024
  const fields = { 'Cache-Control': 'max-age=60' }
  const origin = await startOrigin(t, (_request, exchange) =>
    exchange.respondFile(Buffer.alloc(3 * S, 7), { fields }),
  )
  const proxy = await startProxy(t, { upstream: origin.url, sliceSize: S })
  t.equal((await get(`${proxy.url}/p`, { range: 'bytes=0-9' })).status, 206)
  const headers = { 'Cache-Control': 'only-if-cached' }
  t.equal((await get(`${proxy.url}/p`, { headers })).status, 504)
  t.equal((await get(`${proxy.url}/p`, { headers, range: 'bytes=5-14' })).status, 206)
  t.equal(origin.requests.length, 1)
})

// Passed on as they came: a client that believes the field waits for content, or takes the next response for it.
t.test('neither an interim response nor a 204 has a Content-Length (RFC 9110 8.6)', async (t) => {
  const origin = await startOrigin(t, async (request, exchange) => {
    if (request.method === 'DELETE') {
      return exchange.write('HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n')
    }
    await exchange.write('HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\nLink: </a>\r\n\r\n')
    return exchange.write('HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n')
  })
  const proxy = await startProxy(t, { upstream: origin.url })
  for (const method of ['GET', 'DELETE']) {
    const { socket, write } = await connect(proxy.url)
    let text = ''
    socket.on('data', (piece) => (text += piece))
    write(`${method} /p HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`)
    await new Promise((resolve) => socket.once('end', resolve))
    t.match(text, /204 No Content/)
    if (method === 'GET') t.match(text, /^HTTP\/1.1 103 Early Hints/)
    t.notMatch(text, /content-length/i)
    socket.destroy()
  }
})

// All of them waited in memory: 50 MB of hints to one client that did not read were 100 MB more of the process.
t.test('interim responses that the client does not take are left out', async (t) => {
  const hint = `HTTP/1.1 103 Early Hints\r\nLink: <${'a'.repeat(8000)}>\r\n\r\n`
  const sent = Promise.withResolvers<void>()
  const origin = await startOrigin(t, async (_request, exchange) => {
    for (let i = 0; i < 100; i++) await exchange.write(hint.repeat(40))
    sent.resolve()
    return exchange.respond({ body: 'hello' })
  })
  const proxy = await startProxy(t, { upstream: origin.url })
  const { socket, write, answer } = await connect(proxy.url)
  const [ours] = await Promise.all([
    new Promise<import('node:net').Socket>((resolve) => {
      proxy.fastify.server.once('request', (req) => resolve(req.socket))
    }),
    write('GET /p HTTP/1.1\r\nHost: a\r\n\r\n'),
    socket.pause(),
  ])
  await sent.promise
  t.ok(ours.writableLength < 256 * 1024, `${ours.writableLength} bytes wait`)
  socket.resume()
  t.equal((await answer()).status, 200)
  socket.destroy()
})

// The member was compared as a whole: one space less, and two proxies asked each other until they had no connections left.
t.test('a loop is seen through a proxy that writes CDN-Loop its own way (RFC 8586)', async (t) => {
  const port = Promise.withResolvers<string>()
  const between = await startOrigin(t, async (request, exchange) => {
    const loop = request.header('cdn-loop')!.replaceAll('; ', ';')
    const { status } = await get(`${await port.promise}/p`, { headers: { 'CDN-Loop': loop } })
    return exchange.respond({ status })
  })
  const proxy = await startProxy(t, { upstream: between.url })
  port.resolve(proxy.url)
  t.equal((await get(`${proxy.url}/p`)).status, 508)
  t.equal(between.requests.length, 1)
})

// Vacuous truth: all validators that were sent matched. Who repeated the HEAD kept an old body fresh for ever.
t.test('a HEAD that says nothing of the body does not renew it', async (t) => {
  const clock = stopClock(t)
  const fields = { 'Cache-Control': 'max-age=60', 'Transfer-Encoding': 'chunked' }
  const origin = await startOrigin(t, async (request, exchange) => {
    await exchange.head({ fields })
    if (request.method === 'HEAD') return
    await exchange.chunk(`after ${origin.requests.length}`)
    await exchange.chunk()
  })
  const proxy = await startProxy(t, { upstream: origin.url })
  t.equal((await get(`${proxy.url}/p`)).body.toString(), 'after 1')
  clock.pass(40)
  await get(`${proxy.url}/p`, { method: 'HEAD', headers: { 'Cache-Control': 'no-cache' } })
  t.equal((await get(`${proxy.url}/p`)).header('x-cache'), 'HIT', 'nor does it outdate it')
  clock.pass(40)
  t.equal((await get(`${proxy.url}/p`)).body.toString(), 'after 3')
})

// The host of Content-Location was compared with Host as it was written, after URL had rewritten only the former.
t.test('what is relative is of the same origin, however Host is written', async (t) => {
  const origin = await startOrigin(t, (request, exchange) => {
    if (request.method === 'POST') return exchange.respond({ fields: { 'Content-Location': '/q' } })
    return exchange.respond({ fields: { 'Cache-Control': 'max-age=60' }, body: `${origin.requests.length}` })
  })
  const proxy = await startProxy(t, { upstream: origin.url })
  for (const host of ['[0:0:0:0:0:0:0:1]', '127.1']) {
    const headers = { Host: host }
    const first = (await get(`${proxy.url}/q`, { headers })).body.toString()
    await get(`${proxy.url}/p`, { headers, method: 'POST', body: 'a' })
    t.not((await get(`${proxy.url}/q`, { headers })).body.toString(), first, host)
  }
})

// Ten thousand names of any length were remembered, under a Host that the client chooses: 16 KB of each request.
t.test('of long group names fewer are remembered, and the forgotten ones count for all', async (t) => {
  const bans = createBans({ file: null, outlivedByStores: false })
  t.teardown(() => bans.close())
  const target = { scheme: 'http', authority: 'a', path: '/' }
  const key = cacheKey(target, cacheKeyOptions())
  const head = { key, order: uniqueNow(), groups: ['g'], fields: [] as string[] } as unknown as Head
  const invalidate = (authority: string) =>
    bans.ban([{ kind: 'group', scheme: 'http', authority, name: 'x' }], 'invalid')
  invalidate('a')
  t.equal(bans.verdict(head), null)
  for (let i = 0; i < 200; i++) invalidate('b'.repeat(15_000) + i)
  t.equal(bans.verdict(head)?.mode, 'invalid', 'what is forgotten counts for everything')
})

// The key was not looked after while the origin thought: what it had made before the purge was stored after it.
t.test('the answer to a POST that a purge has overtaken is not stored', async (t) => {
  const go = Promise.withResolvers<void>()
  const origin = await startOrigin(t, async (request, exchange) => {
    const fields = { 'Cache-Control': 'max-age=60', 'Content-Location': '/p' }
    if (request.method === 'GET') return exchange.respond({ fields, body: 'new' })
    await go.promise
    return exchange.respond({ fields, body: 'old' })
  })
  const proxy = await startProxy(t, { upstream: origin.url })
  const post = get(`${proxy.url}/p`, { method: 'POST', body: 'a' })
  await until(() => origin.requests.length === 1)
  await proxy.fastify.sliceProxy!.purge(`${proxy.url}/p`)
  go.resolve()
  t.equal((await post).body.toString(), 'old')
  t.equal((await get(`${proxy.url}/p`)).body.toString(), 'new')
})

// The 304 named the ETag of the English page, as it would have named that of any: the client got English for German.
t.test('a 304 whose fields are not those of the variant that it names is not believed', async (t) => {
  const origin = await startOrigin(t, (request, exchange) => {
    const language = request.header('accept-language')!
    const fields = {
      ETag: '"one-for-all"',
      Vary: 'Accept-Language',
      'Content-Language': language,
      'Cache-Control': 'max-age=60',
    }
    if (request.header('if-none-match')) return exchange.respond({ status: 304, fields })
    return exchange.respond({ fields, body: `in ${language}` })
  })
  const proxy = await startProxy(t, { upstream: origin.url })
  for (const language of ['en', 'de', 'en']) {
    const { body } = await get(`${proxy.url}/p`, { headers: { 'Accept-Language': language } })
    t.equal(body.toString(), `in ${language}`)
  }
})

// The latest response in a language was for all who prefer it: also what the origin had for want of another one.
t.test('what was selected with the same values comes before what is in the same language', async (t) => {
  const origin = await startOrigin(t, (request, exchange) => {
    const fields = { Vary: 'Accept-Language', 'Content-Language': 'en', 'Cache-Control': 'max-age=60' }
    const wanted = request.header('accept-language')!
    const date = new Date(Date.now() + origin.requests.length * 1000).toUTCString()
    const body = wanted === 'en' ? 'welcome' : `welcome, there is nothing in ${wanted}`
    return exchange.respond({ fields: { ...fields, Date: date }, body })
  })
  const proxy = await startProxy(t, { upstream: origin.url })
  const body = async (language: string) =>
    (await get(`${proxy.url}/p`, { headers: { 'Accept-Language': language } })).body.toString()
  t.equal(await body('en'), 'welcome')
  t.equal(await body('xx'), 'welcome, there is nothing in xx')
  t.equal(await body('en'), 'welcome')
  t.equal(await body('en, fr;q=0.5'), 'welcome, there is nothing in xx', 'the latest that is in English')
})

// What is not stored for all was lost: who came when the stored one was stale got no cookie.
const FOR_THE_ASKING: [string, Partial<StartProxyOptions>][] = [
  ['max-age=0', { setCookie: 'strip' }],
  ['max-age=0, private="set-cookie"', {}],
]
for (const [cacheControl, options] of FOR_THE_ASKING) {
  t.test(`Set-Cookie of a 304 is for who asked (${cacheControl})`, async (t) => {
    const origin = await startOrigin(t, (request, exchange) => {
      const cookie = `turn=${origin.requests.length}`
      const fields = { ETag: '"a"', 'Cache-Control': cacheControl, 'Set-Cookie': cookie }
      if (request.header('if-none-match')) return exchange.respond({ status: 304, fields })
      return exchange.respond({ fields, body: 'body' })
    })
    const proxy = await startProxy(t, { upstream: origin.url, ...options })
    for (const turn of [1, 2, 3]) {
      const answer = await get(`${proxy.url}/p`)
      t.equal(answer.header('set-cookie'), `turn=${turn}`)
      t.equal(answer.header('x-cache'), turn === 1 ? 'MISS' : 'REVALIDATED')
    }
  })
}

// Variants were told apart by Accept-Language, and an origin behind CGI by either spelling.
t.test('a field that selects has one spelling', async (t) => {
  const origin = await startOrigin(t, (request, exchange) => {
    const language = request.header('accept-language') ?? request.header('accept_language')
    const fields = { Vary: 'Accept-Language', 'Cache-Control': 'max-age=60' }
    return exchange.respond({ fields, body: `for ${language}` })
  })
  const proxy = await startProxy(t, { upstream: origin.url })
  const headers = { Accept_Language: 'xx', Api_Key: 'a' }
  t.equal((await get(`${proxy.url}/p`, { headers })).body.toString(), 'for undefined')
  t.equal(origin.requests[0].header('api_key'), 'a', "others are nobody's business")
})

// It said that what the client has is empty.
t.test('a 304 that nobody has asked for has no length', async (t) => {
  const origin = await startOrigin(t, (_request, exchange) => exchange.respond({ status: 304 }))
  const proxy = await startProxy(t, { upstream: origin.url })
  const answer = await get(`${proxy.url}/p`)
  t.equal(answer.status, 304)
  t.equal(answer.header('content-length'), undefined)
})

// It was neither a hit nor a miss; and those who waited for it must find out for themselves, once for all of them.
t.test(
  'a 304 for what only the client has is a miss, and one more request is enough for the others',
  async (t) => {
    const go = Promise.withResolvers<void>()
    const origin = await startOrigin(t, async (request, exchange) => {
      const turn = origin.requests.length
      if (turn === 1)
        return exchange.respond({ fields: { ETag: '"1"', 'Cache-Control': 'max-age=0' }, body: 'one' })
      if (turn === 2) await go.promise
      const fields = { ETag: '"2"', 'Cache-Control': 'max-age=60' }
      const known = request.header('if-none-match')?.includes('"2"')
      return exchange.respond(known ? { status: 304, fields } : { fields, body: 'two' })
    })
    const proxy = await startProxy(t, { upstream: origin.url })
    await get(`${proxy.url}/p`)
    await wait(20)
    const leader = get(`${proxy.url}/p`, { headers: { 'If-None-Match': '"2"' } })
    await until(() => origin.requests.length === 2)
    const followers = Array.from({ length: 20 }, () => get(`${proxy.url}/p`))
    await until(() => proxy.counters.coalesced === 20)
    const { misses } = proxy.counters
    go.resolve()
    t.equal((await leader).status, 304)
    t.equal(proxy.counters.misses, misses + 1)
    for (const { body } of await Promise.all(followers)) t.equal(body.toString(), 'two')
    t.equal(origin.requests.length, 3)
  },
)
