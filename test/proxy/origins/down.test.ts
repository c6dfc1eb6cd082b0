import t, { type Test } from 'tap'
import { bytesOf } from '../../helpers/bytes.ts'
import { type Answer, connect, get } from '../../helpers/client.ts'
import { fileOrigin } from '../../helpers/file-origin.ts'
import { type Script, startOrigin } from '../../helpers/origin.ts'
import { startProxy } from '../../helpers/proxy.ts'
import { freePorts } from '../../helpers/server.ts'

const SLICE = 65_536
const file = bytesOf(53, 3 * SLICE + 9)

/** A short answer of our own that says what went wrong. */
function isFailure(t: Test, answer: Answer, status: number, error: string) {
  t.match(answer, { status, complete: true })
  t.match(answer.header('proxy-status'), new RegExp(`^slicestream; error=${error}`))
  t.match(answer.header('content-type'), /^text\/plain/)
  t.ok(answer.length < 200)
}

t.test('G53 an origin that is down: 502 with the reason for every method, and no crash', async (t) => {
  const [port] = await freePorts(1)
  const proxy = await startProxy(t, { upstream: `http://127.0.0.1:${port}`, maxRetries: 0 })
  for (const method of ['GET', 'POST', 'PUT', 'DELETE']) {
    isFailure(
      t,
      await get(`${proxy.url}/x`, { method, body: method === 'GET' ? undefined : 'b' }),
      502,
      'connection_refused',
    )
  }
  t.match(await get(`${proxy.url}/x`, { method: 'HEAD' }), { status: 502, length: 0 })
  t.match(await get(`${proxy.url}/x`, { range: 'bytes=0-9' }), { status: 502 })
  const burst = await Promise.all(
    Array.from({ length: 200 }, (_, i) => get(`${proxy.url}/${i}`, { method: i % 2 ? 'GET' : 'POST' })),
  )
  t.equal(burst.filter((answer) => answer.status === 502).length, 200)
  t.ok(proxy.counters.originFailuresInARow > 200)
})

t.test('G53 a name that does not resolve: 502, dns_error', async (t) => {
  const proxy = await startProxy(t, { upstream: 'http://nowhere.invalid:80', maxRetries: 0 })
  isFailure(t, await get(`${proxy.url}/x`), 502, 'dns_error')
})

t.test('G53 an origin that does not answer in time: 504', async (t) => {
  const origin = await startOrigin(t, (_request, exchange) => exchange.gone)
  const proxy = await startProxy(t, { upstream: origin.url, headersTimeout: 100 })
  for (const method of ['GET', 'POST']) {
    isFailure(t, await get(`${proxy.url}/x`, { method }), 504, 'http_response_timeout')
  }
  t.equal(origin.requests.length, 2, 'what the origin may have begun is not asked again')
})

t.test('G53 a host that does not finish the handshake: 504, connection_timeout', async (t) => {
  const origin = await startOrigin(t, (_request, exchange) => exchange.gone)
  const upstream = `https://127.0.0.1:${origin.port}` // it waits for the end of a request, and so does TLS
  const proxy = await startProxy(t, { upstream, connectTimeout: 100, maxRetries: 0 })
  isFailure(t, await get(`${proxy.url}/x`), 504, 'connection_timeout')
})

t.test('G53 an origin that speaks nonsense: 502, http_protocol_error', async (t) => {
  const origin = await startOrigin(t, async (_request, exchange) => {
    await exchange.write('SSH-2.0-OpenSSH\r\n\r\n')
    await exchange.gone
  })
  const proxy = await startProxy(t, { upstream: origin.url })
  for (const method of ['GET', 'POST']) {
    isFailure(t, await get(`${proxy.url}/x`, { method }), 502, 'http_protocol_error')
  }
})

t.test('G53 a body that stands still is cut after body_timeout, and not taken for whole', async (t) => {
  const origin = await startOrigin(t, async (request, exchange) => {
    const cacheControl = request.target === '/private' ? 'no-store' : 'max-age=60'
    // At once: between two writes this process may stand still for longer than the proxy waits.
    await exchange.write(
      `HTTP/1.1 200 OK\r\nContent-Length: 100\r\nCache-Control: ${cacheControl}\r\n\r\nsome`,
    )
    await exchange.gone
  })
  const proxy = await startProxy(t, { upstream: origin.url, bodyTimeout: 100 })
  for (const [method, target] of [
    ['GET', '/public'],
    ['GET', '/private'],
    ['POST', '/x'],
  ]) {
    const answer = await get(proxy.url + target, { method })
    t.match(answer, { status: 200, complete: false, length: 4 }, `${method} ${target}`)
  }
})

t.test('what is cached is served while the origin is down: fresh, stale, ranges, conditions', async (t) => {
  const origin = await fileOrigin(t, { '/fresh': file, '/stale': file })
  origin.use(async (request, exchange) => {
    const cacheControl = request.target === '/stale' ? 'max-age=0' : 'max-age=60'
    await exchange.respondFile(file, { cacheControl })
  })
  const proxy = await startProxy(t, { upstream: origin.url, sliceSize: SLICE, maxRetries: 0 })
  await get(`${proxy.url}/fresh`)
  await get(`${proxy.url}/stale`)
  await origin.stop()
  for (const [path, result] of [
    ['/fresh', 'HIT'],
    ['/stale', 'STALE'],
  ]) {
    const whole = await get(proxy.url + path)
    t.equal(whole.header('x-cache'), result)
    t.ok(whole.body.equals(file))
    const part = await get(proxy.url + path, { range: `bytes=${SLICE - 5}-${SLICE + 5}` })
    t.equal(part.status, 206)
    t.ok(part.body.equals(file.subarray(SLICE - 5, SLICE + 6)))
    const headers = { 'If-None-Match': whole.header('etag')! }
    t.equal((await get(proxy.url + path, { headers })).status, 304)
    t.equal((await get(proxy.url + path, { method: 'HEAD' })).header('content-length'), String(file.length))
  }
  t.equal((await get(`${proxy.url}/other`)).status, 502)
  await origin.start()
  t.equal(
    (await get(`${proxy.url}/stale`)).header('x-cache'),
    'REVALIDATED',
    'and asked again when it is back',
  )
})

t.test('what is stale is not served where the origin forbade it', async (t) => {
  const origin = await startOrigin(t, (request, exchange) =>
    exchange.respondFile(file, { cacheControl: decodeURIComponent(request.target.slice(1)) }),
  )
  const proxy = await startProxy(t, { upstream: origin.url, sliceSize: SLICE, maxRetries: 0 })
  const forbidding = ['max-age=0, must-revalidate', 'max-age=0, proxy-revalidate', 's-maxage=0', 'no-cache']
  const allowing = ['max-age=0', 'max-age=0, stale-if-error=60', 's-maxage=0, stale-if-error=60']
  for (const value of [...forbidding, ...allowing]) await get(`${proxy.url}/${encodeURIComponent(value)}`)
  await origin.stop()
  for (const value of forbidding) {
    // RFC 9111 section 5.2.2.2 wants 504 for what must be revalidated.
    const status = value === 'no-cache' ? 502 : 504
    t.equal((await get(`${proxy.url}/${encodeURIComponent(value)}`)).status, status, value)
  }
  for (const value of allowing) {
    const answer = await get(`${proxy.url}/${encodeURIComponent(value)}`)
    t.equal(answer.header('x-cache'), 'STALE', value)
    t.ok(answer.body.equals(file))
  }
})

t.test(
  'an error status is an answer, and replaced by what is stale only within stale-if-error',
  async (t) => {
    const origin = await startOrigin(t, (request, exchange) =>
      exchange.respondFile(file, { cacheControl: decodeURIComponent(request.target.slice(1)) }),
    )
    const proxy = await startProxy(t, { upstream: origin.url, sliceSize: SLICE })
    const plain = `${proxy.url}/max-age=0`
    const within = `${proxy.url}/${encodeURIComponent('max-age=0, stale-if-error=60')}`
    await get(plain)
    await get(within)
    for (const status of [500, 502, 503, 504]) {
      origin.use((_request, exchange) => exchange.respond({ status, body: 'sorry' }))
      t.match(await get(plain), { status }, `${status}`)
      const answer = await get(within)
      t.equal(answer.header('x-cache'), 'STALE', `${status}`)
      t.ok(answer.body.equals(file))
    }
    origin.use((_request, exchange) => exchange.respond({ status: 404, body: 'gone' }))
    t.equal((await get(within)).status, 404, 'what the client asked wrongly is no failure')
  },
)

t.test('G53 an origin that flaps: every answer is whole, an honest error or an honest cut', async (t) => {
  let turn = 0
  const flapping: Script = async (_request, exchange) => {
    const kind = turn++ % 4
    if (kind === 1) return exchange.reset()
    if (kind === 2) return exchange.respond({ status: 503, body: 'busy' })
    await exchange.respondFile(file, { cacheControl: 'no-cache' })
  }
  const origin = await startOrigin(t, flapping)
  const proxy = await startProxy(t, { upstream: origin.url, sliceSize: SLICE })
  for (let i = 0; i < 40; i++) {
    const answer = await get(`${proxy.url}/${i % 3}`)
    if (answer.status === 200 && answer.complete) {
      if (!answer.body.equals(file)) t.fail('wrong bytes')
    } else if (answer.status !== 502 && answer.status !== 503) t.fail(`status ${answer.status}`)
  }
  t.equal(proxy.counters.fillsNow, 0)
})

t.test('G53 one slow resource does not hold up the others', async (t) => {
  const origin = await startOrigin(t, async (request, exchange) => {
    if (request.target === '/slow') await exchange.gone
    else await exchange.respond({ fields: { 'Cache-Control': 'max-age=60' }, body: 'quick' })
  })
  const proxy = await startProxy(t, { upstream: origin.url })
  const slow = await connect(proxy.url)
  slow.write('GET /slow HTTP/1.1\r\nHost: x\r\n\r\n')
  for (let i = 0; i < 20; i++) t.equal((await get(`${proxy.url}/${i}`)).body.toString(), 'quick')
  slow.close()
})
