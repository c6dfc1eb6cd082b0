import { setTimeout as wait } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { bytesOf } from '../helpers/bytes.ts'
import { type Answer, get, type RequestOptions } from '../helpers/client.ts'
import { stopClock } from '../helpers/clock.ts'
import { type Script, startOrigin } from '../helpers/origin.ts'
import { type StartProxyOptions, startProxy } from '../helpers/proxy.ts'
import { freePorts } from '../helpers/server.ts'
import { until } from '../helpers/until.ts'

const SLICE = 65_536
const file = bytesOf(91, 3 * SLICE)

/** What our own member of Cache-Status says (RFC 9211 section 2): a parameter without a value is true. */
type Status = Record<string, string | number | true>

/** Reads the last member of Cache-Status and fails when it is no structured field (RFC 9651 section 3.1). */
function statusOf(answer: Answer): Status {
  const value = answer.header('cache-status')
  if (value === undefined) throw new Error('no Cache-Status')
  const own =
    /(?:^|, )slicestream((?:; ?[a-z][a-z0-9-]*(?:=(?:-?\d+|"(?:[^"\\]|\\["\\])*"|[A-Za-z*][A-Za-z0-9:/*.-]*))?)*)$/.exec(
      value,
    )
  if (own === null) throw new Error(`not ours, not last, or no structured field: ${value}`)
  const status: Status = {}
  for (const [, name, text] of own[1].matchAll(
    /; ?([a-z][a-z0-9-]*)(?:=(-?\d+|"(?:[^"\\]|\\.)*"|[^;]+))?/g,
  )) {
    if (name in status) throw new Error(`${name} twice: ${value}`)
    status[name] = text === undefined ? true : /^-?\d+$/.test(text) ? Number(text) : text
  }
  if (status.hit && status.fwd) throw new Error(`hit and fwd together (RFC 9211 section 2.2): ${value}`)
  if (!status.hit && !status.fwd) throw new Error(`neither hit nor fwd: ${value}`)
  return status
}

/** Compares all parameters; `ttl: true` = any number up to 60. */
function isStatus(t: Test, answer: Answer, expected: Status, what = '') {
  const found = statusOf(answer)
  const { ttl, ...others } = found
  const { ttl: wanted, ...rest } = expected
  t.same(others, rest, `${what} ${answer.header('cache-status')}`)
  if (wanted === undefined) t.equal(ttl, undefined, `${what}: no ttl`)
  else if (wanted === true) t.ok(typeof ttl === 'number' && ttl > 0 && ttl <= 60, `${what}: ttl ${ttl}`)
  else t.ok(Math.abs(Number(ttl) - Number(wanted)) <= 2, `${what}: ttl ${ttl}, about ${wanted}`)
}

async function start(t: Test, script: Script, options: Partial<StartProxyOptions> = {}) {
  stopClock(t)
  const origin = await startOrigin(t, script)
  const proxy = await startProxy(t, {
    upstream: origin.url,
    cacheTtl: 0,
    maxRetries: 0,
    sliceSize: SLICE,
    ...options,
  })
  const ask = (target: string, request: RequestOptions = {}) => get(proxy.url + target, request)
  return { origin, proxy, ask }
}

const fresh: Script = (_request, exchange) => exchange.respondFile(file, { cacheControl: 'max-age=60' })
const saying = (value: string) => ({ headers: { 'Cache-Control': value } })

t.test('RFC 9211: a miss, then a hit of each tier', async (t) => {
  const { proxy, ask } = await start(t, fresh, { l2: 16 * 1024 * 1024 })
  isStatus(t, await ask('/x'), { fwd: 'uri-miss', 'fwd-status': 200, stored: true, ttl: true })
  isStatus(t, await ask('/x'), { hit: true, ttl: true, detail: 'l1' })
  isStatus(t, await ask('/x', { range: 'bytes=5-9' }), { hit: true, ttl: true, detail: 'l1' }, 'a range')
  isStatus(t, await ask('/x', { method: 'HEAD' }), { hit: true, ttl: true, detail: 'l1' }, 'HEAD')
  const { headers } = { headers: { 'If-None-Match': '*' } }
  const notModified = await ask('/x', { headers })
  t.equal(notModified.status, 304)
  isStatus(t, notModified, { hit: true, ttl: true, detail: 'l1' }, '304')
  isStatus(t, await ask('/x', { range: 'bytes=999999-' }), { hit: true, ttl: true, detail: 'l1' }, '416')
  await proxy.l2!.flush()
  await proxy.restart()
  isStatus(t, await ask('/x'), { hit: true, ttl: true, detail: 'l2' })
  isStatus(t, await ask('/x'), { hit: true, ttl: true, detail: 'l1' }, 'the disk has filled memory')
})

t.test('RFC 9211: a small one, whose hit takes the short way', async (t) => {
  const { ask } = await start(t, (_request, exchange) =>
    exchange.respond({ fields: { 'Cache-Control': 'max-age=60', Age: '20' }, body: 'x' }),
  )
  isStatus(t, await ask('/x'), { fwd: 'uri-miss', 'fwd-status': 200, stored: true, ttl: 40 })
  isStatus(t, await ask('/x'), { hit: true, ttl: 40, detail: 'l1' })
})

t.test('RFC 9211 section 2.2: why it was forwarded, and that it was not stored', async (t) => {
  const { ask } = await start(t, (request, exchange) => {
    const fields: Record<string, string> =
      request.target === '/private' ? { 'Cache-Control': 'private' } : { 'Cache-Control': 'max-age=60' }
    return exchange.respond({ status: request.target === '/404' ? 404 : 200, fields, body: 'x' })
  })
  isStatus(t, await ask('/private'), { fwd: 'uri-miss', 'fwd-status': 200 }, 'private')
  isStatus(t, await ask('/private'), { fwd: 'uri-miss', 'fwd-status': 200 }, 'private again')
  isStatus(t, await ask('/404'), { fwd: 'uri-miss', 'fwd-status': 404, stored: true, ttl: true }, '404')
  for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
    isStatus(t, await ask('/x', { method }), { fwd: 'method', 'fwd-status': 200 }, method)
  }
})

t.test('RFC 9211 section 2.2: the request’s directives were the reason', async (t) => {
  const { ask } = await start(t, (_request, exchange) =>
    exchange.respond({ fields: { 'Cache-Control': 'max-age=60', Age: '20' }, body: 'x' }),
  )
  await ask('/x')
  for (const value of ['no-cache', 'max-age=0', 'max-age=10', 'min-fresh=55']) {
    const expected: Status = { fwd: 'request', 'fwd-status': 200, stored: true, ttl: 40 }
    isStatus(t, await ask('/x', saying(value)), expected, value)
  }
  const pragma = await ask('/x', { headers: { Pragma: 'no-cache' } })
  isStatus(t, pragma, { fwd: 'request', 'fwd-status': 200, stored: true, ttl: 40 }, 'Pragma')
  isStatus(t, await ask('/x'), { hit: true, ttl: 40, detail: 'l1' })
})

t.test('RFC 9211: what a 304 made fresh was forwarded', async (t) => {
  let cacheControl = 'max-age=0'
  const { ask } = await start(t, (_request, exchange) => exchange.respondFile(file, { cacheControl }))
  await ask('/x')
  cacheControl = 'max-age=60'
  isStatus(t, await ask('/x'), { fwd: 'stale', 'fwd-status': 304, ttl: true })
  isStatus(t, await ask('/x'), { hit: true, ttl: true, detail: 'l1' })
  isStatus(t, await ask('/x', saying('no-cache')), { fwd: 'request', 'fwd-status': 304, ttl: true })
})

t.test('RFC 9211: what was stale and is replaced', async (t) => {
  let fields: Record<string, string> = { 'Cache-Control': 'max-age=10', Age: '20', ETag: '"a"' }
  const { ask } = await start(t, (_request, exchange) => exchange.respond({ fields, body: 'x' }))
  isStatus(
    t,
    await ask('/x'),
    { fwd: 'uri-miss', 'fwd-status': 200, stored: true, ttl: -10 },
    'stale on arrival',
  )
  fields = { 'Cache-Control': 'max-age=60', ETag: '"b"' }
  isStatus(t, await ask('/x'), { fwd: 'stale', 'fwd-status': 200, stored: true, ttl: true })
})

t.test('RFC 9211: a variant that is not stored', async (t) => {
  const { ask } = await start(t, (_request, exchange) =>
    exchange.respond({ fields: { 'Cache-Control': 'max-age=60', Vary: 'Foo' }, body: 'x' }),
  )
  await ask('/x', { headers: { Foo: '1' } })
  const other = await ask('/x', { headers: { Foo: '2' } })
  isStatus(t, other, { fwd: 'vary-miss', 'fwd-status': 200, stored: true, ttl: true })
  isStatus(t, await ask('/x', { headers: { Foo: '1' } }), { hit: true, ttl: true, detail: 'l1' })
})

t.test('RFC 9211: a part was fetched', async (t) => {
  const { ask } = await start(t, fresh)
  const first = await ask('/x', { range: 'bytes=0-9' })
  isStatus(t, first, { fwd: 'uri-miss', 'fwd-status': 206, stored: true, ttl: true })
  const more = statusOf(await ask('/x', { range: `bytes=0-${SLICE}` }))
  t.equal(more.fwd, 'partial')
  t.equal(more.collapsed, undefined)
  await wait(20)
  isStatus(t, await ask('/x', { range: `bytes=0-${SLICE}` }), { hit: true, ttl: true, detail: 'l1' })
})

t.test('RFC 9211 section 2.7: who waited for another one’s request says so', async (t) => {
  const { promise: joined, resolve: goOn } = Promise.withResolvers<void>()
  const { origin, proxy, ask } = await start(t, async (_request, exchange) => {
    await exchange.stall(joined)
    await exchange.respondFile(file, { cacheControl: 'max-age=60' })
  })
  const leader = ask('/x')
  await until(() => origin.requests.length === 1)
  const followers = [ask('/x'), ask('/x')]
  await until(() => proxy.counters.coalesced === 2)
  goOn()
  isStatus(t, await leader, { fwd: 'uri-miss', 'fwd-status': 200, stored: true, ttl: true }, 'leader')
  for (const follower of await Promise.all(followers)) {
    const { ttl: _, 'fwd-status': _status, ...status } = statusOf(follower)
    t.same(status, { fwd: 'uri-miss', collapsed: true }, 'follower')
  }
})

t.test('RFC 9211: stale by permission', async (t) => {
  const { origin, ask } = await start(t, (request, exchange) => {
    const cacheControl = `max-age=10, ${request.target.slice(1)}=60`
    return exchange.respond({ fields: { 'Cache-Control': cacheControl, Age: '20' }, body: 'x' })
  })
  await ask('/stale-while-revalidate')
  await ask('/stale-if-error')
  const maxStale = await ask('/stale-if-error', saying('max-stale'))
  isStatus(t, maxStale, { hit: true, ttl: -10, detail: 'l1' }, 'max-stale')
  origin.use((_request, exchange) => exchange.respond({ status: 503 }))
  // Answered without waiting for the origin: a hit.
  isStatus(
    t,
    await ask('/stale-while-revalidate'),
    { hit: true, ttl: -10, detail: 'l1' },
    'while revalidating',
  )
  // It was forwarded and came back with an error: no hit (section 2.1).
  const { detail: _, ...failed } = statusOf(await ask('/stale-if-error'))
  t.match(failed, { fwd: 'stale', 'fwd-status': 503 })
  t.equal(failed.stored, undefined)
  await origin.stop()
  const refused = statusOf(await ask('/stale-if-error'))
  t.equal(refused.fwd, 'stale')
  t.equal(refused['fwd-status'], undefined, 'there was no status')
})

t.test('RFC 9211: the cache took no part', async (t) => {
  const { ask } = await start(t, fresh, { enableCache: false })
  for (let i = 0; i < 2; i++) isStatus(t, await ask('/x'), { fwd: 'bypass', 'fwd-status': 200 })
})

t.test('RFC 9211: a POST whose answer is kept for GET', async (t) => {
  const { ask } = await start(t, (request, exchange) =>
    exchange.respond({
      fields: { 'Cache-Control': 'max-age=60', 'Content-Location': request.target },
      body: 'posted',
    }),
  )
  const posted = statusOf(await ask('/x', { method: 'POST', body: 'b' }))
  t.match(posted, { fwd: 'method', 'fwd-status': 200, stored: true })
  isStatus(t, await ask('/x'), { hit: true, ttl: true, detail: 'l1' })
})

t.test('RFC 9211: nothing stored, and only-if-cached', async (t) => {
  const { origin, ask } = await start(t, fresh)
  const answer = await ask('/x', saying('only-if-cached'))
  t.equal(answer.status, 504)
  t.equal(origin.requests.length, 0)
  t.notMatch(answer.header('cache-status'), /hit|stored|fwd-status/)
})

t.test('RFC 9211 section 2: the caches in front of us stay in front', async (t) => {
  const { ask } = await start(t, (_request, exchange) =>
    exchange.respond({
      fields: { 'Cache-Control': 'max-age=60', 'Cache-Status': 'inner; hit; ttl=9' },
      body: 'x',
    }),
  )
  const miss = await ask('/x')
  t.match(miss.header('cache-status'), /^inner; hit; ttl=9, slicestream; fwd=uri-miss/)
  t.match((await ask('/x')).header('cache-status'), /^inner; hit; ttl=9, slicestream; hit/)
  const posted = await ask('/x', { method: 'POST' })
  t.match(posted.header('cache-status'), /^inner; hit; ttl=9, slicestream; fwd=method/)
})

t.test('RFC 9211 section 2.8: the key is told only where that is wanted', async (t) => {
  const quiet = await start(t, fresh)
  t.equal(statusOf(await quiet.ask('/x')).key, undefined)
  t.equal(statusOf(await quiet.ask('/x')).key, undefined)
  const { ask } = await start(t, fresh, { cacheStatusKey: true })
  const keys: unknown[] = []
  for (const target of ['/x', '/x', '/x?q="\\', '/y']) {
    const { key } = statusOf(await ask(target))
    t.match(String(key), /^".+"$/, 'a string')
    keys.push(key)
  }
  t.equal(keys[0], keys[1], 'of miss and hit')
  t.equal(new Set(keys).size, 3)
  t.match(keys[0], /\/x/)
})

/** Our own member of Proxy-Status (RFC 9209 section 2). */
function isFailure(t: Test, answer: Answer, status: number, error: string, what = '') {
  t.match(answer, { status, complete: true }, what)
  t.match(answer.header('proxy-status'), new RegExp(`^slicestream; error=${error}(;|$)`), what)
  const own = statusOf(answer)
  t.notOk(own.hit || own.stored, what)
  t.equal(own['fwd-status'], undefined, `${what}: the status is ours`)
}

const BROKEN: Record<
  string,
  { script: Script; status: number; error: string; options?: Partial<StartProxyOptions> }
> = {
  'no answer in time': {
    script: (_request, exchange) => exchange.gone,
    status: 504,
    error: 'http_response_timeout',
    options: { headersTimeout: 150 },
  },
  'a reset instead of an answer': {
    script: (_request, exchange) => exchange.reset(),
    status: 502,
    error: 'connection_terminated',
  },
  'an end instead of an answer': {
    script: (_request, exchange) => exchange.end(),
    status: 502,
    error: 'connection_terminated',
  },
  'a head that is cut': {
    script: async (_request, exchange) => {
      await exchange.write('HTTP/1.1 200 OK\r\nContent-Le')
      exchange.end()
    },
    status: 502,
    error: '(connection_terminated|http_response_incomplete)',
  },
  'an answer that is no HTTP': {
    script: (_request, exchange) => exchange.write('\x00\x01 nonsense\r\n\r\n'),
    status: 502,
    error: 'http_protocol_error',
  },
  'two lengths': {
    script: (_request, exchange) =>
      exchange.write('HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab'),
    status: 502,
    error: '(http_protocol_error|http_response_incomplete)',
  },
}

for (const [what, { script, status, error, options }] of Object.entries(BROKEN)) {
  t.test(`RFC 9209: ${what}`, async (t) => {
    const { ask } = await start(t, script, options)
    for (const method of ['GET', 'POST']) isFailure(t, await ask('/x', { method }), status, error, method)
  })
}

t.test('RFC 9209: a connection that is refused, a name that does not resolve', async (t) => {
  const [port] = await freePorts(1)
  for (const [upstream, error] of [
    [`http://127.0.0.1:${port}`, 'connection_refused'],
    ['http://nonexistent.invalid:80', 'dns_error'],
  ]) {
    const proxy = await startProxy(t, { upstream, maxRetries: 0 })
    for (const method of ['GET', 'POST']) {
      isFailure(t, await get(`${proxy.url}/x`, { method }), 502, error, `${upstream} ${method}`)
    }
  }
})

t.test('RFC 9209: an answer of the origin has no error of ours', async (t) => {
  const { ask } = await start(t, (_request, exchange) =>
    exchange.respond({ status: 502, fields: { 'Proxy-Status': 'inner; error=dns_error' }, body: 'x' }),
  )
  for (const method of ['GET', 'POST']) {
    t.equal((await ask('/x', { method })).header('proxy-status'), 'inner; error=dns_error', method)
  }
})
