import { setTimeout as wait } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { type Answer, get } from '../helpers/client.ts'
import { type Clock, stopClock } from '../helpers/clock.ts'
import { type Origin, type Script, startOrigin } from '../helpers/origin.ts'
import { type StartProxyOptions, startProxy } from '../helpers/proxy.ts'
import { freePorts } from '../helpers/server.ts'
import { until } from '../helpers/until.ts'

/** Old by 20 seconds when it arrives: what `max-age=10` calls fresh has been stale for 10. */
const AGED = { Age: '20', ETag: '"old"' }

interface Stale {
  clock: Clock
  origin: Origin
  proxy: Awaited<ReturnType<typeof startProxy>>
  url: string
}

/** A proxy that holds the body `old`; from now on the origin does as the script says. */
async function startStale(
  t: Test,
  cacheControl: string,
  script: Script,
  options: Partial<StartProxyOptions> = {},
): Promise<Stale> {
  const clock = stopClock(t)
  const origin = await startOrigin(t, (_request, exchange) =>
    exchange.respond({ fields: { ...AGED, 'Cache-Control': cacheControl }, body: 'old' }),
  )
  const proxy = await startProxy(t, { upstream: origin.url, cacheTtl: 0, maxRetries: 0, ...options })
  const url = `${proxy.url}/x`
  t.equal((await get(url)).body.toString(), 'old')
  origin.use(script)
  return { clock, origin, proxy, url }
}

const answer =
  (status: number, body: string, fields: Record<string, string> = {}): Script =>
  (_request, exchange) =>
    exchange.respond({ status, body, fields })
const young = answer(200, 'young', { 'Cache-Control': 'max-age=60' })

/** It is the old one, and says so: its age goes on (RFC 9111 section 4.2.3). */
function isOld(t: Test, answer: Answer, what = 'the stale one') {
  t.match(answer, { status: 200, complete: true }, what)
  t.equal(answer.body.toString(), 'old', what)
  t.equal(answer.header('x-cache'), 'STALE', what)
  t.match(answer.header('age'), /^2\d$/, `${what}: Age counts from the making of the response`)
}

const WINDOW = 'max-age=10, stale-while-revalidate=60'

t.test('C29 stale-while-revalidate: nobody waits for an origin that takes long', async (t) => {
  const { promise: thought, resolve: goOn } = Promise.withResolvers<void>()
  const { origin, proxy, url } = await startStale(t, WINDOW, async (request, exchange) => {
    await exchange.stall(thought)
    await young(request, exchange)
  })
  const first = await get(url)
  isOld(t, first, 'the first client')
  t.match(first.header('cache-status'), /^slicestream; hit; ttl=-1\d\b/)
  t.notMatch(first.header('cache-status'), /fwd/)
  const herd = await Promise.all(Array.from({ length: 50 }, () => get(url)))
  for (const one of herd) isOld(t, one)
  for (let i = 0; i < 5; i++) isOld(t, await get(url), 'later clients')
  await until(() => origin.requests.length > 1)
  t.equal(origin.requests.length, 2, 'exactly one refresh')
  goOn()
  await until(() => proxy.counters.bytesFromOrigin === 'old'.length + 'young'.length)
  const after = await get(url)
  t.equal(after.body.toString(), 'young')
  t.equal(after.header('x-cache'), 'HIT')
  t.match(after.header('age'), /^\d$/, 'counted anew')
  t.equal(origin.requests.length, 2)
})

t.test('RFC 5861 section 3: a refresh that is answered 304 makes the stored one fresh', async (t) => {
  const fields = { 'Cache-Control': 'max-age=60', ETag: '"old"', 'X-New': '1' }
  const { origin, proxy, url } = await startStale(t, WINDOW, answer(304, '', fields))
  isOld(t, await get(url))
  await until(() => proxy.counters.revalidated === 1)
  t.equal(origin.requests[1].header('if-none-match'), '"old"')
  const after = await get(url)
  t.match(after, { status: 200 })
  t.equal(after.body.toString(), 'old')
  t.equal(after.header('x-cache'), 'HIT')
  t.match(after.header('age'), /^\d$/, 'counted anew')
  t.equal(after.header('x-new'), '1')
  t.equal(origin.requests.length, 2)
})

/** The body once it is not the old one any more. */
async function refreshed(url: string): Promise<string> {
  for (const end = performance.now() + 60_000; ; ) {
    const body = (await get(url)).body.toString()
    if (body !== 'old' || performance.now() > end) return body
  }
}

const FAILURES: Record<string, Script> = {
  'the status 500': answer(500, 'sorry'),
  'the status 502': answer(502, 'sorry'),
  'the status 503': answer(503, 'sorry'),
  'the status 504': answer(504, 'sorry'),
  'a reset': (_request, exchange) => exchange.reset(),
  'an end without an answer': (_request, exchange) => exchange.end(),
  'an answer that is no HTTP': (_request, exchange) => exchange.write('nonsense\r\n\r\n'),
  'a head that is cut': async (_request, exchange) => {
    await exchange.write('HTTP/1.1 200 OK\r\nCache-Contr')
    exchange.end()
  },
  'a body that is cut': async (_request, exchange) => {
    await exchange.head({ fields: { 'Content-Length': '9', 'Cache-Control': 'max-age=60' } })
    await exchange.write('young')
    exchange.end()
  },
}

for (const [what, script] of Object.entries(FAILURES)) {
  t.test(`C29 a refresh that fails by ${what} keeps the entry, and is tried again`, async (t) => {
    const { origin, proxy, url } = await startStale(t, WINDOW, script)
    for (const refreshes of [1, 2]) {
      isOld(t, await get(url), `before refresh ${refreshes}`)
      await until(() => origin.requests.length === 1 + refreshes && proxy.counters.fillsNow === 0)
      await until(() => origin.open === 0 || proxy.counters.originFailuresInARow === 0)
      await wait(30)
    }
    origin.use(young)
    isOld(t, await get(url), 'before the refresh that succeeds')
    await until(() => origin.requests.length === 4)
    t.equal(await refreshed(url), 'young')
  })
}

t.test('RFC 5861 section 3: after the window the client waits for the origin', async (t) => {
  for (const [window, expected] of [
    ['max-age=10, stale-while-revalidate=5', 'young'],
    ['max-age=10, stale-while-revalidate=0', 'young'],
    ['max-age=10, stale-while-revalidate=9', 'young'],
    ['max-age=10, stale-while-revalidate=15', 'old'],
    ['max-age=10, stale-while-revalidate=99999999999999999999', 'old'],
    ['max-age=10, stale-while-revalidate="60"', 'old'],
    ['max-age=10, stale-while-revalidate', 'young'],
    ['max-age=10, stale-while-revalidate=-1', 'young'],
    ['max-age=10, stale-while-revalidate=1.5', 'young'],
    ['max-age=10, stale-while-revalidate=x', 'young'],
  ]) {
    const { url } = await startStale(t, window, young)
    t.equal((await get(url)).body.toString(), expected, window)
  }
})

t.test('RFC 5861 section 3: the window ends while it is stored', async (t) => {
  const { clock, url } = await startStale(t, 'max-age=10, stale-while-revalidate=11', answer(503, 'sorry'))
  isOld(t, await get(url))
  clock.pass(1)
  t.match(await get(url), { status: 503 })
})

t.test('RFC 9111 section 5.2.2: what forbids stale answers wins over the window', async (t) => {
  for (const word of ['must-revalidate', 'proxy-revalidate', 'no-cache', 'MUST-REVALIDATE']) {
    const { origin, url } = await startStale(t, `${WINDOW}, ${word}`, young)
    t.equal((await get(url)).body.toString(), 'young', word)
    t.equal(origin.requests[1].header('if-none-match'), '"old"', 'asked with its validator')
  }
  const { url } = await startStale(t, 's-maxage=10, stale-while-revalidate=60', young)
  isOld(t, await get(url), 's-maxage forbids only where nothing else is said')
})

t.test('RFC 9111 section 5.2.1: a client that takes nothing stale waits for the origin', async (t) => {
  for (const value of ['no-cache', 'max-age=0', 'max-age=15', 'min-fresh=1', 'no-cache, max-stale']) {
    const { url } = await startStale(t, WINDOW, young)
    t.equal((await get(url, { headers: { 'Cache-Control': value } })).body.toString(), 'young', value)
  }
})

t.test('stale-while-revalidate serves ranges, conditions and HEAD of the stale one too', async (t) => {
  const { promise: never } = Promise.withResolvers<void>()
  const { origin, url } = await startStale(t, WINDOW, (_request, exchange) => exchange.stall(never))
  const part = await get(url, { range: 'bytes=1-1' })
  t.match(part, { status: 206 })
  t.equal(part.body.toString(), 'l')
  t.equal(part.header('x-cache'), 'STALE')
  t.match(await get(url, { headers: { 'If-None-Match': '"old"' } }), { status: 304 })
  t.equal((await get(url, { method: 'HEAD' })).header('content-length'), '3')
  t.equal(origin.requests.length, 2, 'one refresh for all of them')
  const { method, header } = origin.requests[1]
  t.equal(method, 'GET')
  t.equal(header('range'), undefined, 'the refresh asks for the whole')
})

t.test('stale-while-revalidate refreshes each variant by itself', async (t) => {
  let version = 'old'
  const origin = await startOrigin(t, (request, exchange) =>
    exchange.respond({
      fields: { ...AGED, 'Cache-Control': WINDOW, Vary: 'X-V' },
      body: `${version} ${request.header('x-v')}`,
    }),
  )
  const proxy = await startProxy(t, { upstream: origin.url, cacheTtl: 0 })
  const ask = async (v: string) => (await get(`${proxy.url}/x`, { headers: { 'X-V': v } })).body.toString()
  for (const v of ['a', 'b']) t.equal(await ask(v), `old ${v}`)
  version = 'young'
  t.equal(await ask('a'), 'old a')
  await until(() => origin.requests.length === 3 && proxy.counters.fillsNow === 0)
  await wait(20)
  t.equal(await ask('a'), 'young a')
  t.equal(await ask('b'), 'old b')
})

/** What may stand in for the origin's error, and for how long. */
const ERROR_WINDOW = 'max-age=10, stale-if-error=60'

for (const status of [500, 502, 503, 504]) {
  t.test(`C30 stale-if-error (RFC 5861 section 4): ${status} is replaced by the stale one`, async (t) => {
    const { origin, url } = await startStale(t, ERROR_WINDOW, answer(status, 'sorry', { 'X-Error': '1' }))
    const stale = await get(url)
    isOld(t, stale)
    t.equal(stale.header('x-error'), undefined, 'nothing of the error is in it')
    // It was forwarded: so it is no hit (RFC 9211 section 2.1).
    t.match(stale.header('cache-status'), /^slicestream; fwd=stale; fwd-status=5\d\d\b/)
    t.notMatch(stale.header('cache-status'), /; hit/)
    isOld(t, await get(url), 'and asked each time')
    t.equal(origin.requests.length, 3)
    origin.use(young)
    t.equal((await get(url)).body.toString(), 'young', 'until the origin is back')
  })
}

const BROKEN: Record<string, Script> = {
  'a reset': FAILURES['a reset'],
  'an end without an answer': FAILURES['an end without an answer'],
  'a head that is cut': FAILURES['a head that is cut'],
  'no answer in time': (_request, exchange) => exchange.gone,
}

t.test('C30 an origin that fails without an answer is replaced too', async (t) => {
  for (const [what, script] of Object.entries(BROKEN)) {
    for (const cacheControl of [ERROR_WINDOW, 'max-age=10']) {
      const { url } = await startStale(t, cacheControl, script, { headersTimeout: 200 })
      const stale = await get(url)
      isOld(t, stale, `${what}, ${cacheControl}`)
      t.match(stale.header('cache-status'), /^slicestream; fwd=stale/)
    }
  }
})

t.test('C30 an origin that refuses connections is replaced too', async (t) => {
  const { origin, url } = await startStale(t, ERROR_WINDOW, young)
  await origin.stop()
  isOld(t, await get(url))
  await origin.start()
  t.equal((await get(url)).body.toString(), 'young')
})

t.test('C30 an origin whose name does not resolve is replaced too', async (t) => {
  const origin = await startOrigin(t, answer(200, 'old', { ...AGED, 'Cache-Control': ERROR_WINDOW }))
  const headers = { Host: 'www.example.com' }
  const before = await startProxy(t, { upstream: origin.url, cacheTtl: 0, l2: 1024 * 1024 })
  await get(`${before.url}/x`, { headers })
  await before.l2!.flush()
  await before.close()
  const upstream = 'http://nonexistent.invalid:80'
  const after = await startProxy(t, { upstream, maxRetries: 0, l2: 1024 * 1024, dir: before.dir })
  isOld(t, await get(`${after.url}/x`, { headers }))
  t.match(await get(`${after.url}/y`, { headers }), { status: 502 })
})

t.test('C30 what a client asked wrongly, or what was never there, is no failure', async (t) => {
  for (const status of [400, 401, 403, 404, 405, 410, 421, 429, 501, 505, 599]) {
    const { url } = await startStale(t, ERROR_WINDOW, answer(status, 'no'))
    const passed = await get(url)
    t.match(passed, { status })
    t.equal(passed.body.toString(), 'no')
  }
})

t.test('C30 the directives that forbid stale answers win over stale-if-error', async (t) => {
  const sorry = answer(503, 'sorry')
  for (const word of ['must-revalidate', 'proxy-revalidate', 'no-cache']) {
    const { origin, url } = await startStale(t, `${ERROR_WINDOW}, ${word}`, sorry)
    t.match(await get(url), { status: 503 }, word)
    t.match(await get(url, { headers: { 'Cache-Control': 'stale-if-error=60' } }), { status: 503 }, word)
    await origin.stop()
    const refused = await get(url)
    // RFC 9111 section 5.2.2.2: 504 where the origin cannot be reached.
    t.match(refused, { status: word === 'no-cache' ? 502 : 504 }, word)
    t.equal(refused.header('age'), undefined)
  }
})

t.test('C30 without stale-if-error an error is an answer, and only a missing one is replaced', async (t) => {
  const { origin, url } = await startStale(t, 'max-age=10', answer(503, 'sorry'))
  t.match(await get(url), { status: 503 })
  await origin.stop()
  isOld(t, await get(url), 'disconnected (RFC 9111 section 4.2.4)')
})

t.test('C30 s-maxage forbids stale answers where stale-if-error does not allow them', async (t) => {
  const { origin, url } = await startStale(t, 's-maxage=10', young)
  await origin.stop()
  t.match(await get(url), { status: 504 })
  const allowed = await startStale(t, 's-maxage=10, stale-if-error=60', answer(503, 'sorry'))
  isOld(t, await get(allowed.url))
})

t.test('C30 stale-if-error of the request (RFC 5861 section 4)', async (t) => {
  const ask = (url: string, value: string) => get(url, { headers: { 'Cache-Control': value } })
  const { origin, url } = await startStale(t, 'max-age=10', answer(503, 'sorry'))
  isOld(t, await ask(url, 'stale-if-error=60'))
  isOld(t, await ask(url, 'stale-if-error=15'))
  t.match(await ask(url, 'stale-if-error=5'), { status: 503 })
  t.match(await ask(url, 'stale-if-error=x'), { status: 503 })
  await origin.stop()
  isOld(t, await ask(url, 'stale-if-error=60'))
})

t.test('C30 the window of stale-if-error ends', async (t) => {
  for (const [window, status] of [
    ['max-age=10, stale-if-error=5', 503],
    ['max-age=10, stale-if-error=0', 503],
    ['max-age=10, stale-if-error', 503],
    ['max-age=10, stale-if-error=x', 503],
    ['max-age=10, stale-if-error=15', 200],
    ['max-age=10, stale-if-error=99999999999999999999', 200],
  ] as const) {
    const { url } = await startStale(t, window, answer(503, 'sorry'))
    t.match(await get(url), { status }, window)
  }
  const limited = await startStale(t, 'max-age=10, stale-if-error=5', young)
  await limited.origin.stop()
  t.match(await get(limited.url), { status: 502 }, 'a stated window limits what a lost connection allows')
})

t.test('C30 stale-if-error serves ranges and HEAD of the stale one too', async (t) => {
  const { url } = await startStale(t, ERROR_WINDOW, answer(503, 'sorry'))
  const part = await get(url, { range: 'bytes=0-1' })
  t.match(part, { status: 206 })
  t.equal(part.body.toString(), 'ol')
  t.equal((await get(url, { method: 'HEAD' })).header('x-cache'), 'STALE')
})

t.test('C30 a herd meets an error: one request, and all get the stale one', async (t) => {
  const { promise: thought, resolve: goOn } = Promise.withResolvers<void>()
  const { origin, proxy, url } = await startStale(t, ERROR_WINDOW, async (_request, exchange) => {
    await exchange.stall(thought)
    await exchange.respond({ status: 503, body: 'sorry' })
  })
  const herd = Array.from({ length: 20 }, () => get(url))
  await until(() => proxy.counters.requests === 21 && origin.requests.length === 2)
  await wait(20)
  goOn()
  for (const answer of await Promise.all(herd)) isOld(t, answer)
  t.equal(origin.requests.length, 2)
})

t.test(
  'both windows: the error of a refresh is not shown, after the first window the second holds',
  async (t) => {
    const both = 'max-age=10, stale-while-revalidate=5, stale-if-error=60'
    const { origin, url } = await startStale(t, both, answer(500, 'sorry'))
    isOld(t, await get(url))
    t.equal(origin.requests.length, 2, 'it waited for the origin')
  },
)

t.test('a stale answer is not stored again: what comes after it is as old as it is', async (t) => {
  const { clock, url } = await startStale(t, ERROR_WINDOW, answer(503, 'sorry'))
  isOld(t, await get(url))
  clock.pass(1)
  const later = await get(url)
  t.equal(later.header('age'), '21')
})

t.test('an origin that never was there: no stale answer is made up', async (t) => {
  const [port] = await freePorts(1)
  const proxy = await startProxy(t, { upstream: `http://127.0.0.1:${port}`, maxRetries: 0 })
  const headers = { 'Cache-Control': 'stale-if-error=60, max-stale' }
  t.match(await get(`${proxy.url}/x`, { headers }), { status: 502 })
})
