import t from 'tap'
import { get } from '../../helpers/client.ts'
import { startOrigin } from '../../helpers/origin.ts'
import { startProxy } from '../../helpers/proxy.ts'

/**
 * Fields that change what many origins answer, and are in no key: whoever sends one could choose what all others get
 * (web cache poisoning by unkeyed input), or pass for somebody else.
 */
const UNKEYED = [
  'CF-Connecting-IP',
  'Fastly-Client-IP',
  'Forwarded',
  'Front-End-Https',
  'True-Client-IP',
  'X-Client-IP',
  'X-Cluster-Client-IP',
  'X-Forwarded',
  'X-Forwarded-By',
  'X-Forwarded-For',
  'X-Forwarded-For-Original',
  'X-Forwarded-Host',
  'X-Forwarded-Path',
  'X-Forwarded-Port',
  'X-Forwarded-Prefix',
  'X-Forwarded-Proto',
  'X-Forwarded-Protocol',
  'X-Forwarded-Scheme',
  'X-Forwarded-Server',
  'X-Forwarded-Ssl',
  'X-Forwarded-Uri',
  'X-HTTP-Host-Override',
  'X-HTTP-Method',
  'X-HTTP-Method-Override',
  'X-Host',
  'X-Method-Override',
  'X-Original-Host',
  'X-Original-URI',
  'X-Original-URL',
  'X-Override-URL',
  'X-Real-IP',
  'X-Rewrite-URL',
  'X-URL-Scheme',
]

/** Ways in which a name reaches an origin that is not strict about it. */
const spellings = (name: string) => [name, name.toLowerCase(), name.toUpperCase(), name.replaceAll('-', '_')]

for (const name of UNKEYED) {
  t.test(`F44 ${name} of a stranger does not reach the origin, and changes nothing for others`, async (t) => {
    const origin = await startOrigin(t, (request, exchange) =>
      exchange.respond({ fields: { 'Cache-Control': 'max-age=60' }, body: request.raw }),
    )
    const proxy = await startProxy(t, { upstream: origin.url })
    for (const [index, spelling] of spellings(name).entries()) {
      const url = `${proxy.url}/${index}`
      const lines = [spelling, 'evil.example', spelling, 'evil.example, evil']
      const attacked = await get(url, { headers: lines })
      t.notMatch(attacked.body.toString(), /evil/, spelling)
      const victim = await get(url)
      t.equal(victim.header('x-cache'), 'HIT')
      t.notMatch(victim.body.toString(), /evil/, spelling)
      await get(url, { method: 'POST', headers: lines })
      t.notMatch(origin.requests.at(-1)!.raw, /evil/, `${spelling}, passed on`)
    }
  })
}

t.test('F44 of a trusted proxy they are kept', async (t) => {
  const origin = await startOrigin(t, (_request, exchange) => exchange.respond({ body: 'x' }))
  const proxy = await startProxy(t, { upstream: origin.url, trustedProxies: ['127.0.0.0/8'] })
  // Written anew in any case, by what is known of the connection.
  const ours = new Set(['X-Forwarded-Host', 'X-Forwarded-Proto', 'X-Forwarded-For'])
  for (const method of ['GET', 'POST']) {
    const kept = UNKEYED.filter((name) => !ours.has(name))
    await get(`${proxy.url}/x`, { method, headers: kept.flatMap((name) => [name, `said by ${name}`]) })
    for (const name of kept) t.equal(origin.requests.at(-1)!.header(name), `said by ${name}`, method)
  }
})

t.test('F44 a proxy that is not the trusted one is a stranger', async (t) => {
  const origin = await startOrigin(t, (_request, exchange) => exchange.respond({ body: 'x' }))
  const proxy = await startProxy(t, { upstream: origin.url, trustedProxies: ['10.0.0.0/8', '::1'] })
  await get(`${proxy.url}/x`, { headers: UNKEYED.flatMap((name) => [name, 'evil']) })
  t.notMatch(origin.requests[0].raw, /evil/)
})

t.test('F44 a body is in no key: what may depend on it is not stored', async (t) => {
  const origin = await startOrigin(t, async (request, exchange) =>
    exchange.respond({ fields: { 'Cache-Control': 'max-age=60' }, body: (await request.body).toString() }),
  )
  const proxy = await startProxy(t, { upstream: origin.url })
  t.equal((await get(`${proxy.url}/x`, { body: 'evil' })).body.toString(), 'evil')
  t.equal((await get(`${proxy.url}/x`)).body.toString(), '')
  const chunked = { headers: { 'Transfer-Encoding': 'chunked' }, body: '4\r\nevil\r\n0\r\n\r\n' }
  t.equal((await get(`${proxy.url}/y`, chunked)).body.toString(), 'evil')
  t.equal((await get(`${proxy.url}/y`)).body.toString(), '')
})

t.test(
  'F44 what a fill asks for is not what its client chose: conditions, ranges, content fields',
  async (t) => {
    const origin = await startOrigin(t, (_request, exchange) =>
      exchange.respond({ fields: { 'Cache-Control': 'max-age=60', ETag: '"a"' }, body: 'x' }),
    )
    const proxy = await startProxy(t, { upstream: origin.url })
    const headers = {
      'If-None-Match': '"evil"',
      'If-Modified-Since': 'Thu, 01 Jan 2026 00:00:00 GMT',
      'If-Range': '"evil"',
      'Content-Type': 'evil/evil',
      Expect: '100-continue',
    }
    await get(`${proxy.url}/x`, { headers })
    for (const name of Object.keys(headers)) t.equal(origin.requests[0].header(name), undefined, name)
  },
)

// It becomes HTTP_PROXY in a CGI environment: CVE-2016-5385.
t.test('F44 Proxy, which no standard knows, reaches no origin', async (t) => {
  const origin = await startOrigin(t, (_request, exchange) =>
    exchange.respond({ fields: { 'Cache-Control': 'max-age=60' }, body: 'x' }),
  )
  const proxy = await startProxy(t, { upstream: origin.url })
  for (const method of ['GET', 'POST']) {
    await get(`${proxy.url}/x`, { method, headers: { Proxy: 'http://evil.example' } })
    t.equal(origin.requests.at(-1)!.header('proxy'), undefined, method)
  }
})
