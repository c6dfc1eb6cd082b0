import t from 'tap'
import { bytesOf } from '../helpers/bytes.ts'
import { connect, get } from '../helpers/client.ts'
import type { Response, Script } from '../helpers/origin.ts'
import { startOrigin } from '../helpers/origin.ts'
import { startProxy } from '../helpers/proxy.ts'
import { type Lane, plain, rawAnswer, startLane, timeless, warmed } from './lane.ts'

const DATE = 'Tue, 01 Sep 2026 00:00:00 GMT'
const FIELDS = [
  'Cache-Control',
  'max-age=3600',
  'Date',
  new Date().toUTCString(),
  'Content-Type',
  'text/plain',
]
const small: Script = (_request, exchange) => exchange.respond({ fields: FIELDS, body: 'small' })

t.test('from the third hit of a connection on node:http sees none', async (t) => {
  const lane = await startLane(t, small)
  await get(`${lane.url}/warm`, { headers: { Host: 'www.example.com' } })
  lane.seen.length = 0
  const connection = await connect(lane.url)
  for (let i = 0; i < 20; i++) {
    connection.write(plain('/warm', i % 2 === 0 ? [] : ['User-Agent', 'x', 'Connection', 'keep-alive']))
    const answer = await connection.answer()
    t.match(answer, { status: 200, framing: 'length', complete: true })
    t.equal(answer.body.toString(), 'small')
    t.equal(answer.header('x-cache'), 'HIT')
  }
  t.equal(lane.seen.length, 2)
  t.equal(lane.origin.requests.length, 1)
})

const LATIN1 = 'caf\xe9 \xff'
/** What is stored, by target. */
const STORED: Record<string, Response> = {
  '/ok': { body: 'a body', fields: FIELDS },
  '/empty': { body: '', fields: FIELDS },
  '/binary': { body: bytesOf(1, 5000), fields: FIELDS },
  '/large': { body: bytesOf(2, 700_000), fields: FIELDS },
  '/moved': { status: 301, body: 'moved', fields: [...FIELDS, 'Location', '/ok'] },
  '/lost': { status: 404, body: 'lost', fields: FIELDS },
  '/gone': { status: 410, body: '', fields: FIELDS },
  '/own-status': { status: 299, body: 'x', fields: FIELDS },
  '/none': { status: 204, fields: FIELDS },
  '/undated': { body: 'x', fields: ['Cache-Control', 'max-age=3600'] },
  '/old': { body: 'x', fields: ['Cache-Control', 'max-age=999999999', 'date', DATE, 'Age', '100'] },
  '/odd-names': { body: 'x', fields: [...FIELDS, "x!#$%&'*+.^_`|~", '1', 'X-lOuD', '2', 'x-LoUd', '3'] },
  '/latin1': { body: 'x', fields: [...FIELDS, 'X-Text', LATIN1, 'X-Tab', 'a\tb', 'X-Empty', ''] },
  '/cookies': {
    body: 'x',
    fields: [...FIELDS, 'Cache-Control', 'public', 'Set-Cookie', 'a=1; Path=/', 'Set-Cookie', 'b=2'],
  },
  '/vary': { body: 'x', fields: [...FIELDS, 'Vary', 'Accept-Encoding, User-Agent'] },
  '/vary-more': { body: 'x', fields: [...FIELDS, 'Vary', 'X-Forwarded-Proto, X-Any'] },
  '/keep-alive': { body: 'x', fields: [...FIELDS, 'Keep-Alive', 'timeout=1'] },
  '/upgrade': { body: 'x', fields: [...FIELDS, 'Upgrade', 'h2c'] },
  '/many': {
    body: 'x',
    fields: [...FIELDS, ...Array.from({ length: 80 }, (_, i) => [`X-${i}`, `${i}`]).flat()],
  },
  '/long': { body: 'x', fields: [...FIELDS, 'X-Long', 'x'.repeat(6000)] },
  '/%41%2f?b=%c3': { body: 'x', fields: FIELDS },
  '/[a]|b?[c]=|': { body: 'x', fields: FIELDS },
}
const script: Script = (request, exchange) => exchange.respond(STORED[request.target] ?? STORED['/ok'])

/** The bytes of one answer by way of node:http, and of one without. */
async function bothWays(
  lane: Lane,
  target: string,
  headers: string[] = [],
): Promise<[string, string, boolean]> {
  const first = await connect(lane.url)
  first.write(plain(target, headers))
  await rawAnswer(first)
  first.close()
  const fresh = await connect(lane.url)
  fresh.write(plain(target, headers))
  const slow = await rawAnswer(fresh)
  fresh.close()
  const connection = await warmed(lane)
  lane.seen.length = 0
  let fast = ''
  // What stays the same in its answers is remembered from the second one on.
  for (let i = 0; i < 2; i++) {
    connection.write(plain(target, headers))
    fast = await rawAnswer(connection)
  }
  connection.close()
  return [timeless(slow), timeless(fast), lane.seen.length === 0]
}

for (const settings of [{}, { cacheStatusKey: true }, { trustedProxies: ['127.0.0.1'] }]) {
  t.test(`the bytes of an answer are those of node:http (${JSON.stringify(settings)})`, async (t) => {
    const lane = await startLane(t, script, { setCookie: 'explicit', ...settings })
    for (const target of Object.keys(STORED)) {
      const [slow, fast, isFast] = await bothWays(lane, target)
      t.equal(fast, slow, target)
      t.match(slow, /^HTTP\/1\.1 \d+ /)
      t.ok(isFast, `${target} did not come to node:http`)
    }
    for (const proto of ['https', 'http', 'x']) {
      const [slow, fast, isFast] = await bothWays(lane, '/ok', ['X-Forwarded-Proto', proto])
      t.equal(fast, slow)
      t.ok(isFast)
      if ('cacheStatusKey' in settings) t.match(fast, '; key="4:http15:www.example.com3:/ok"')
    }
  })
}

t.test('schemes, ports and variants are kept apart', async (t) => {
  const lane = await startLane(
    t,
    (request, exchange) => {
      const of = ['x-forwarded-proto', 'x-forwarded-host', 'accept-encoding'].map((name) =>
        request.header(name),
      )
      return exchange.respond({ fields: [...FIELDS, 'Vary', 'Accept-Encoding'], body: JSON.stringify(of) })
    },
    { trustedProxies: ['127.0.0.1'] },
  )
  const hosts = ['www.example.com', 'WWW.example.com:80', 'www.example.com:8080', 'other.example.com:443']
  for (let round = 0; round < 2; round++) {
    const connection = await warmed(lane)
    lane.seen.length = 0
    for (const host of hosts) {
      for (const proto of ['http', 'https']) {
        for (const coding of ['gzip', 'br']) {
          const fields = ['Host', host, 'X-Forwarded-Proto', proto, 'Accept-Encoding', coding]
          const answer = await connection.request('/a', { headers: fields })
          const port = proto === 'http' ? /:80$/ : /:443$/
          const authority = host.toLowerCase()
          t.equal(answer.body.toString(), JSON.stringify([proto, authority.replace(port, ''), coding]))
        }
      }
    }
    t.equal(lane.seen.length, 0)
    connection.close()
  }
})

t.test('the percent spellings of one key are one object', async (t) => {
  const lane = await startLane(t, small)
  const connection = await warmed(lane)
  await connection.request('/%7Ea%2f', { headers: { Host: 'www.example.com' } })
  await connection.request('/~a%2F', { headers: { Host: 'www.example.com' } })
  lane.seen.length = 0
  for (const target of ['/~a%2F', '/%7ea%2f', '/~%61%2f']) {
    t.equal(
      (await connection.request(target, { headers: { Host: 'www.example.com' } })).header('x-cache'),
      'HIT',
    )
  }
  t.same(lane.seen, [])
  t.equal(lane.origin.requests.length, 2)
})

t.test('a hit counts as one by way of node:http does', async (t) => {
  const lane = await startLane(t, (_request, exchange) =>
    exchange.respond({ status: 404, fields: FIELDS, body: 'none' }),
  )
  const connection = await warmed(lane)
  const counted = () => {
    const { ttfbBuckets, responsesByClass, ttfbSumSeconds, ...counts } = lane.counters
    const ttfb = ttfbBuckets.reduce((a, b) => a + b)
    return JSON.parse(
      JSON.stringify({ ...counts, ttfb, classes: responsesByClass, timed: ttfbSumSeconds > 0 }),
    )
  }
  const zero = counted()
  connection.write(plain('/warm'))
  await connection.answer()
  const one = counted()
  t.match(one, {
    requests: zero.requests + 1,
    l1Hits: zero.l1Hits + 1,
    bytesToClients: zero.bytesToClients + 4,
    bytesFromCache: zero.bytesFromCache + 4,
    requestsNow: 0,
    clientAborts: 0,
    ttfb: zero.ttfb + 1,
    classes: [0, 0, 0, 0, 5, 0].map((_, i) => (i === 4 ? zero.classes[4] + 1 : zero.classes[i])),
  })
  t.same(lane.seen.length, 3)
})

t.test('where the proxy does not come first, each hit is seen by the hooks', async (t) => {
  const origin = await startOrigin(t, small)
  let hooked = 0
  const proxy = await startProxy(t, {
    upstream: origin.url,
    beforeHooks: false,
    tier: async (fastify) => void fastify.addHook('onRequest', async () => void hooked++),
  })
  const connection = await connect(proxy.url)
  for (let i = 0; i < 10; i++) await connection.request('/a')
  t.equal(hooked, 10)
  t.equal(proxy.counters.l1Hits, 9)
})

t.test('with an access log each hit comes to it, from the one after it was turned on', async (t) => {
  const lane = await startLane(t, small)
  const connection = await warmed(lane)
  const ask = async () => {
    connection.write(plain('/warm'))
    t.equal((await connection.answer()).status, 200)
  }
  lane.seen.length = 0
  await ask()
  t.equal(lane.seen.length, 0)
  lane.fastify.sliceProxy!.configure({ accessLog: true })
  for (let i = 0; i < 4; i++) await ask()
  t.equal(lane.seen.length, 4)
  lane.fastify.sliceProxy!.configure({ accessLog: false })
  await ask()
  t.equal(lane.seen.length, 4)
})
