import t from 'tap'
import { connect, get } from '../../helpers/client.ts'
import { startOrigin } from '../../helpers/origin.ts'
import { type StartProxyOptions, startProxy } from '../../helpers/proxy.ts'
import type { Scope } from '../../helpers/scope.ts'
import { startServer } from '../../helpers/server.ts'

/** An origin that answers everything with what it was asked, and a proxy in front of it. */
async function start(t: Scope, options: Partial<StartProxyOptions> = {}) {
  const origin = await startOrigin(t, async (request, exchange) => {
    const body = await request.body
    await exchange.respond({ fields: { 'Cache-Control': 'no-store' }, body: `${request.method} ${body}` })
  })
  return { origin, proxy: await startProxy(t, { upstream: origin.url, ...options }) }
}

t.test('every method reaches the origin with its target and body as they are', async (t) => {
  const { origin, proxy } = await start(t)
  const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND', 'REPORT', 'MKCOL', 'QUERY']
  for (const method of methods) {
    const target = '/a//b/../c/%2F%41;x=1?q=1&&r={"}'
    const answer = await get(`${proxy.url}${target}`, { method, body: `body of ${method}` })
    t.equal(answer.body.toString(), `${method} body of ${method}`, method)
    t.equal(answer.header('x-cache'), 'BYPASS', method)
    t.equal(origin.requests.at(-1)!.target, target, method)
  }
  t.equal((await get(`${proxy.url}/`, { method: 'TRACE' })).body.toString(), 'TRACE ')
})

t.test(
  'a GET with a body is passed on, and the next request of its connection is read from the right place',
  async (t) => {
    const { origin, proxy } = await start(t)
    origin.use((_request, exchange) =>
      exchange.respond({ fields: { 'Cache-Control': 'max-age=60' }, body: 'stored' }),
    )
    await get(`${proxy.url}/page`)
    t.equal((await get(`${proxy.url}/page`)).header('x-cache'), 'HIT')

    const connection = await connect(proxy.url)
    const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n'
    const first = await connection.request('/page', { body: smuggled })
    t.equal(first.header('x-cache'), 'BYPASS')
    t.equal((await origin.requests.at(-1)!.body).toString(), smuggled)
    const second = await connection.request('/page')
    t.equal(second.header('x-cache'), 'HIT')
    t.equal(second.body.toString(), 'stored')
    connection.close()
    t.notOk(origin.requests.some((request) => request.target === '/smuggled'))
  },
)

t.test(
  'hop-by-hop request fields stay behind, those that Connection names too; ours cannot be stripped',
  async (t) => {
    const { origin, proxy } = await start(t)
    const headers = {
      Connection: 'keep-alive, X-Secret, X-Forwarded-For, Via',
      'X-Secret': 'for the proxy only',
      'Keep-Alive': 'timeout=5',
      'Proxy-Authorization': 'Basic eDp5',
      'Proxy-Connection': 'keep-alive',
      TE: 'trailers',
      Trailer: 'X-T',
      'X-End': 'to end',
    }
    for (const method of ['GET', 'POST']) {
      t.equal((await get(`${proxy.url}/`, { method, headers })).status, 200, method)
      const got = origin.requests.at(-1)!
      for (const name of [
        'x-secret',
        'keep-alive',
        'proxy-authorization',
        'proxy-connection',
        'te',
        'trailer',
      ]) {
        t.equal(got.header(name), undefined, `${method} ${name}`)
      }
      t.equal(got.header('x-end'), 'to end')
      t.equal(got.header('x-forwarded-for'), '127.0.0.1')
      t.equal(got.header('via'), '1.1 slicestream')
    }
  },
)

t.test('the origin learns client, host and scheme; what a stranger says of them is dropped', async (t) => {
  const { origin, proxy } = await start(t)
  const headers = {
    Host: 'www.example.com',
    'X-Forwarded-For': '10.1.1.1',
    'X-Forwarded-Host': 'evil.example',
    'X-Forwarded-Proto': 'https',
    Forwarded: 'for=10.1.1.1',
    Via: '1.0 front',
  }
  await get(`${proxy.url}/`, { headers })
  const got = origin.requests.at(-1)!
  t.equal(got.header('x-forwarded-for'), '127.0.0.1')
  t.equal(got.header('x-forwarded-host'), 'www.example.com')
  t.equal(got.header('x-forwarded-proto'), 'http')
  t.equal(got.header('forwarded'), undefined)
  t.equal(got.header('via'), '1.0 front, 1.1 slicestream')
  t.equal(got.header('host'), `127.0.0.1:${origin.port}`, 'host_header: upstream')
})

t.test('a trusted proxy in front is believed, and its list of clients is continued', async (t) => {
  const { origin, proxy } = await start(t, { trustedProxies: ['127.0.0.0/8'] })
  const headers = { 'X-Forwarded-For': '10.1.1.1', 'X-Forwarded-Proto': 'https' }
  await get(`${proxy.url}/`, { headers })
  const got = origin.requests.at(-1)!
  t.equal(got.header('x-forwarded-for'), '10.1.1.1, 127.0.0.1')
  t.equal(got.header('x-forwarded-proto'), 'https')
})

t.test('host_header: client sends the name that the client used', async (t) => {
  const { origin, proxy } = await start(t, { hostHeader: 'client' })
  for (const method of ['GET', 'POST']) {
    await get(`${proxy.url}/`, { method, headers: { Host: 'www.example.com:81' } })
    t.equal(origin.requests.at(-1)!.header('host'), 'www.example.com:81', method)
  }
})

t.test('a request with two hosts, or one that is no host, is refused and not passed on', async (t) => {
  const { origin, proxy } = await start(t)
  t.equal((await get(proxy.url, { headers: ['Host', 'a', 'Host', 'b'] })).status, 400)
  t.equal((await get(proxy.url, { headers: ['Host', 'a b'] })).status, 400)
  t.equal(origin.requests.length, 0)
})

t.test("a target that the router cannot decode is still the origin's to judge", async (t) => {
  const origin = await startOrigin(t, (request, exchange) => exchange.respond({ body: request.target }))
  const server = await startServer(t, { upstream_address: origin.url })
  for (const target of ['/100%', '/%zz?a=%', '/%C3%28']) {
    t.equal((await get(`${server.url}${target}`)).body.toString(), target)
    t.equal((await get(`${server.url}${target}`)).header('x-cache'), 'HIT', 'and is cached like any other')
  }
})

t.test('OPTIONS and TRACE go no farther than Max-Forwards lets them (RFC 9110 section 7.6.2)', async (t) => {
  const origin = await startOrigin(t, (_request, exchange) =>
    exchange.respond({ status: 200, body: 'origin' }),
  )
  const proxy = await startProxy(t, { upstream: origin.url })
  const ask = (method: string, value: string) =>
    get(`${proxy.url}/`, { method, headers: { 'Max-Forwards': value } })
  for (const method of ['OPTIONS', 'TRACE']) {
    const last = await ask(method, '0')
    t.match(last, { status: method === 'OPTIONS' ? 204 : 405, complete: true }, method)
    t.equal(last.header('allow'), 'GET, HEAD, OPTIONS')
    t.equal(origin.requests.length, 0)
    for (const [sent, forwarded] of [
      ['1', '0'],
      ['010', '9'],
      ['x', 'x'],
    ]) {
      t.equal((await ask(method, sent)).body.toString(), 'origin')
      t.equal(origin.requests.pop()!.header('max-forwards'), forwarded)
    }
  }
  await ask('POST', '0')
  t.equal(origin.requests.pop()!.header('max-forwards'), '0', 'other methods are not limited')
})
