import t, { type Test } from 'tap'
import { get, type RequestOptions, sendRaw } from '../../helpers/client.ts'
import { type OriginRequest, startOrigin } from '../../helpers/origin.ts'
import { type StartProxyOptions, startProxy } from '../../helpers/proxy.ts'

/** A request that makes an origin answer with an error, though others ask for the same resource and get it. */
interface Attack {
  what: string
  request: RequestOptions
  /** Whether the origin takes it amiss. */
  isAmiss(request: OriginRequest): boolean
  status: number
}

const ATTACKS: Attack[] = [
  {
    what: 'an oversize field (HHO)',
    request: { headers: { 'X-Oversize': 'x'.repeat(9000) } },
    isAmiss: (request) => request.raw.length > 8192,
    status: 400,
  },
  {
    what: 'an oversize field, by a later status (HHO)',
    request: { headers: { 'X-Oversize': 'x'.repeat(9000) } },
    isAmiss: (request) => request.raw.length > 8192,
    status: 431,
  },
  {
    what: 'too large a request (HHO)',
    request: { headers: { Cookie: 'x'.repeat(9000) } },
    isAmiss: (request) => request.raw.length > 8192,
    status: 413,
  },
  {
    what: 'too long a Referer (HHO)',
    request: { headers: { Referer: `http://x/${'y'.repeat(9000)}` } },
    isAmiss: (request) => request.raw.length > 8192,
    status: 414,
  },
  {
    what: 'a metacharacter (HMC)',
    request: { headers: { 'X-Meta': 'a\x07b' } },
    isAmiss: (request) => request.raw.includes('\x07'),
    status: 400,
  },
  {
    what: 'bytes above ASCII (HMC)',
    request: { headers: { 'X-Meta': '\xff\xfe' } },
    isAmiss: (request) => request.raw.includes('\xff'),
    status: 400,
  },
  {
    what: 'a method override (HMO)',
    request: { headers: { 'X-HTTP-Method-Override': 'DELETE' } },
    isAmiss: (request) => request.header('x-http-method-override') !== undefined,
    status: 405,
  },
  {
    what: 'a method override that is not implemented (HMO)',
    request: { headers: { 'X-Method-Override': 'POTATO' } },
    isAmiss: (request) => request.header('x-method-override') !== undefined,
    status: 501,
  },
  {
    what: 'an expectation',
    request: { headers: { Expect: '100-continue' } },
    isAmiss: (request) => request.header('expect') !== undefined,
    status: 417,
  },
  {
    what: 'a media type that nobody has',
    request: { headers: { Accept: 'evil/evil' } },
    isAmiss: (request) => request.header('accept') === 'evil/evil',
    status: 406,
  },
  {
    what: 'credentials that are wrong',
    request: { headers: { Authorization: 'Basic ZXZpbDpldmls' } },
    isAmiss: (request) => request.header('authorization') !== undefined,
    status: 401,
  },
  {
    what: 'a client that a firewall forbids',
    request: { headers: { 'User-Agent': 'sqlmap' } },
    isAmiss: (request) => request.header('user-agent') === 'sqlmap',
    status: 403,
  },
  {
    what: 'a field that breaks the application',
    request: { headers: { 'X-Debug': '{{' } },
    isAmiss: (request) => request.header('x-debug') !== undefined,
    status: 500,
  },
  {
    what: 'a range that cannot be',
    request: { range: 'bytes=999999-' },
    isAmiss: (request) => request.header('range') !== undefined,
    status: 416,
  },
  {
    what: 'a precondition that fails',
    request: { headers: { 'If-Match': '"evil"' } },
    isAmiss: (request) => request.header('if-match') !== undefined,
    status: 412,
  },
  {
    what: 'too many requests of one client',
    request: { headers: { 'X-Client': 'busy' } },
    isAmiss: (request) => request.header('x-client') === 'busy',
    status: 429,
  },
  {
    what: 'a host of another site',
    request: { headers: { 'X-Site': 'other' } },
    isAmiss: (request) => request.header('x-site') === 'other',
    status: 421,
  },
]

async function start(t: Test, attack: Attack, error: string[], options: Partial<StartProxyOptions>) {
  const origin = await startOrigin(t, (request, exchange) =>
    attack.isAmiss(request)
      ? exchange.respond({ status: attack.status, fields: error, body: 'no' })
      : exchange.respond({ fields: { 'Cache-Control': 'max-age=60' }, body: 'the page' }),
  )
  return startProxy(t, { upstream: origin.url, ...options })
}

for (const attack of ATTACKS) {
  t.test(`F46 ${attack.what}: ${attack.status} is not what the next client gets`, async (t) => {
    // cache_ttl as it is by default: an hour.
    const proxy = await start(t, attack, [], {})
    for (let i = 0; i < 3; i++) {
      await get(`${proxy.url}/page`, attack.request)
      const victim = await get(`${proxy.url}/page`)
      t.equal(victim.status, 200)
      t.equal(victim.body.toString(), 'the page')
    }
    t.equal((await get(`${proxy.url}/page`)).header('x-cache'), 'HIT', 'nor is it kept out of the cache')
  })
}

t.test(
  'F46 without explicit freshness an error with Last-Modified is not kept long, 4xx about the request never',
  async (t) => {
    const lastModified = ['Last-Modified', new Date(Date.now() - 86_400_000).toUTCString()]
    for (const attack of ATTACKS.filter(({ status }) =>
      [400, 413, 417, 431, 401, 403, 500].includes(status),
    )) {
      const proxy = await start(t, attack, lastModified, {})
      await get(`${proxy.url}/page`, attack.request)
      t.equal((await get(`${proxy.url}/page`)).status, 200, `${attack.status}`)
    }
  },
)

t.test('F46 error pages with explicit freshness are kept: their origin says so', async (t) => {
  for (const status of [400, 403, 404, 405, 410, 451, 499, 500, 501, 502, 503, 504, 599]) {
    for (const fields of [
      { 'Cache-Control': 'max-age=60' },
      { 'Cache-Control': 's-maxage=60' },
      { Expires: new Date(Date.now() + 60_000).toUTCString(), Date: new Date().toUTCString() },
    ] as Record<string, string>[]) {
      const origin = await startOrigin(t, (_request, exchange) =>
        exchange.respond({ status, fields, body: 'no' }),
      )
      const proxy = await startProxy(t, { upstream: origin.url, cacheTtl: 0 })
      for (const result of ['MISS', 'HIT']) {
        const answer = await get(`${proxy.url}/x`)
        t.match(answer, { status })
        t.equal(answer.header('x-cache'), result, `${status} ${Object.keys(fields)[0]}`)
        t.equal(answer.body.toString(), 'no')
      }
      await proxy.close()
    }
  }
})

t.test('F46 explicit freshness does not make answers to one request those of others', async (t) => {
  for (const status of [407, 412, 413, 416, 417, 421, 431]) {
    const fields = { 'Cache-Control': 'public, max-age=60' }
    const origin = await startOrigin(t, (request, exchange) =>
      request.header('x-odd')
        ? exchange.respond({ status, fields, body: 'no' })
        : exchange.respond({ fields, body: 'yes' }),
    )
    const proxy = await startProxy(t, { upstream: origin.url })
    t.match(await get(`${proxy.url}/x`, { headers: { 'X-Odd': '1' } }), { status })
    t.match(await get(`${proxy.url}/x`), { status: 200 }, `${status}`)
  }
})

t.test('F46 what the proxy itself refuses is stored for nobody', async (t) => {
  const origin = await startOrigin(t, (_request, exchange) =>
    exchange.respond({ fields: { 'Cache-Control': 'max-age=60' }, body: 'the page' }),
  )
  const proxy = await startProxy(t, { upstream: origin.url })
  const odd: [what: string, bytes: string][] = [
    ['a head over the limit', `GET /page HTTP/1.1\r\nHost: x\r\nX-Long: ${'x'.repeat(100_000)}\r\n\r\n`],
    ['a name with a space', 'GET /page HTTP/1.1\r\nHost: x\r\nBad Name: 1\r\n\r\n'],
    ['two Host fields', 'GET /page HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n'],
    ['a method that is none', 'G@T /page HTTP/1.1\r\nHost: x\r\n\r\n'],
    ['another version', 'GET /page HTTP/9.9\r\nHost: x\r\n\r\n'],
    ['two lengths', 'GET /page HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab'],
    ['a NUL in a value', 'GET /page HTTP/1.1\r\nHost: x\r\nX-Nul: a\0b\r\n\r\n'],
  ]
  for (const [what, bytes] of odd) {
    t.match(
      (await sendRaw(proxy.url, bytes)).toString('latin1'),
      /^(HTTP\/1\.1 4\d\d |HTTP\/1\.1 505 |$)/,
      what,
    )
    const victim = await get(`${proxy.url}/page`, { headers: { Host: 'x' } })
    t.equal(victim.status, 200, what)
    t.equal(victim.body.toString(), 'the page', what)
  }
  t.equal(origin.requests.length, 1)
})

t.test(
  'F46 the origin is not sent a head that is longer than those it is known to take: what fails is not kept',
  async (t) => {
    // The proxy adds fields of its own; the longest head that it takes may so be too long for an origin like itself.
    const origin = await startOrigin(t, (request, exchange) =>
      request.raw.length > 16_384
        ? exchange.respond({ status: 431, body: 'no' })
        : exchange.respond({ fields: { 'Cache-Control': 'max-age=60' }, body: 'the page' }),
    )
    const proxy = await startProxy(t, { upstream: origin.url })
    for (const length of [15_000, 16_000, 16_200, 16_300, 16_380, 17_000]) {
      await sendRaw(
        proxy.url,
        `GET /page HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX: ${'x'.repeat(length)}\r\n\r\n`,
      )
      const victim = await get(`${proxy.url}/page`, { headers: { Host: 'x' } })
      t.equal(victim.status, 200, `${length}`)
    }
  },
)
