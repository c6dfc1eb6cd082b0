import t, { type Test } from 'tap'
import { connect, get, sendRaw } from '../helpers/client.ts'
import { startOrigin } from '../helpers/origin.ts'
import { type StartProxyOptions, startProxy } from '../helpers/proxy.ts'
import { startServer } from '../helpers/server.ts'

/** An origin whose every answer may be stored, and has the request as its body. */
async function start(t: Test, options: Partial<StartProxyOptions> = {}) {
  const origin = await startOrigin(t, (request, exchange) =>
    exchange.respond({
      fields: { 'Cache-Control': 'max-age=60' },
      body: `${request.target}\n${request.raw}`,
    }),
  )
  const proxy = await startProxy(t, { upstream: origin.url, cacheTtl: 0, ...options })
  /** What a client gets, and the target that the origin saw when it was first asked for it. */
  const ask = async (target: string, headers: Record<string, string> = {}) => {
    const answer = await get(proxy.url + target, { headers })
    const [sent] = answer.body.toString().split('\n', 1)
    return {
      sent,
      status: answer.status,
      hit: answer.header('x-cache') === 'HIT',
      text: answer.body.toString(),
    }
  }
  return { origin, proxy, ask }
}

const UNRESERVED = 'ABCXYZabcxyz0189-_~'
const encoded = (character: string) => `%${character.charCodeAt(0).toString(16).padStart(2, '0')}`

t.test('RFC 3986 section 6.2.2.2: encoded characters that need not be are the characters', async (t) => {
  const { ask, origin } = await start(t)
  for (const character of UNRESERVED) {
    const first = await ask(`/p/${encoded(character)}?q=${encoded(character)}`)
    t.equal(first.sent, `/p/${character}?q=${character}`, 'and so it is sent')
    t.ok((await ask(`/p/${character}?q=${character}`)).hit, character)
    t.ok((await ask(`/p/${encoded(character).toUpperCase()}?q=${character}`)).hit, `${character}, upper case`)
  }
  t.equal(origin.requests.length, UNRESERVED.length)
})

t.test('RFC 3986 section 6.2.2.1: hexadecimal digits match in any case', async (t) => {
  const { ask, origin } = await start(t)
  for (const lower of ['%2f', '%3a', '%c3%a4', '%3f', '%00', '%0a', '%2e', '%25zz', '%5b']) {
    const first = await ask(`/a${lower}b`)
    const upper = lower.replace(/%../g, (triplet) => triplet.toUpperCase())
    t.equal(first.sent, `/a${upper}b`)
    t.ok((await ask(`/a${upper}b`)).hit, lower)
  }
  t.equal(origin.requests.length, 9)
})

/** Pairs that some server may tell apart: two keys, and each is sent as it came. */
const APART: [string, string][] = [
  ['/a%2Fb', '/a/b'],
  ['/a%3Fb', '/a?b'],
  ['/a%3Bb', '/a;b'],
  ['/a%26b', '/a&b'],
  ['/a%3Db', '/a=b'],
  ['/a%2Bb', '/a+b'],
  ['/a%20b', '/a+b'],
  ['/a%23b', '/a'],
  ['/a%00b', '/ab'],
  ['/%2E', '/.'],
  ['/x/%2E%2E/a', '/x/../a'],
  ['/x/../a', '/a'],
  ['/x/./a', '/x/a'],
  ['/x//a', '/x/a'],
  ['//a', '/a'],
  ['/a/', '/a'],
  ['/a?', '/a'],
  ['/a?b', '/a?b='],
  ['/a?b&c', '/a?c&b'],
  ['/a?b&b', '/a?b'],
  ['/a?b=1&b=2', '/a?b=2&b=1'],
  ['/a?b%26c', '/a?b&c'],
  ['/a?%3D', '/a?='],
  ['/A', '/a'],
  ['/a?B', '/a?b'],
  ['/a;p=1', '/a;p=2'],
  ['/a%21', '/a!'],
  ['/a%7Cb', '/a|b'],
  // Once only: what decoding gives is not decoded again.
  ['/%2541', '/%41'],
  ['/%2541', '/A'],
  ['/%257E', '/~'],
  ['/%25%37%45', '/%257E/'],
]

t.test('D38 whatever else differs is another key, sent byte for byte', async (t) => {
  for (const [one, other] of APART) {
    const { ask, origin } = await start(t)
    const first = await ask(one)
    const second = await ask(other)
    t.notOk(second.hit, `${one} and ${other}`)
    t.not(first.sent, second.sent)
    t.equal(origin.requests.length, 2)
    t.ok((await ask(one)).hit, one)
    t.ok((await ask(other)).hit, other)
  }
  const { ask } = await start(t)
  for (const target of ['/a//b/../c/./%2E%2E;d=1?e&&f=%26', '/?', "/a'(!)*@:,$"]) {
    t.equal((await ask(target)).sent, target)
  }
})

t.test('what is no percent-encoding is not taken for one', async (t) => {
  const origin = await startOrigin(t, (request, exchange) =>
    exchange.respond({ fields: { 'Cache-Control': 'max-age=60' }, body: request.target }),
  )
  // The whole server: its router must be told not to judge targets. Decoding `%34` would make a triplet of `%%341`.
  const server = await startServer(t, { upstream_address: origin.url })
  const targets = [
    '/%',
    '/%25',
    '/%4',
    '/4',
    '/%zz',
    '/zz',
    '/%%41',
    '/%%341',
    '/%4%31',
    '/%4%',
    '/%ZZ',
    '/%2',
    '/%u0041',
  ]
  for (const target of targets) {
    const first = await get(server.url + target)
    t.equal(first.body.toString(), target, 'sent as it came')
    t.equal(first.header('x-cache'), 'MISS', target)
    t.equal((await get(server.url + target)).header('x-cache'), 'HIT', target)
  }
})

t.test(
  'methods that change things are sent byte for byte, and invalidate the key of their target',
  async (t) => {
    const { proxy, origin, ask } = await start(t)
    await ask('/~user')
    t.ok((await ask('/~user')).hit)
    await get(`${proxy.url}/%7euser`, { method: 'POST' })
    t.equal(origin.requests.at(-1)!.target, '/%7euser')
    t.notOk((await ask('/~user')).hit)
  },
)

t.test('RFC 9112 section 3.2: what cannot be a target, or names no one host, is refused', async (t) => {
  const { origin, proxy } = await start(t)
  const refused: [what: string, head: string][] = [
    ['two Host fields', 'GET / HTTP/1.1\r\nHost: a\r\nHost: b'],
    ['the same Host twice', 'GET / HTTP/1.1\r\nHost: a\r\nHost: a'],
    ['no Host', 'GET / HTTP/1.1\r\nX: 1'],
    ['a list of hosts', 'GET / HTTP/1.1\r\nHost: a, b'],
    ['a Host with a path', 'GET / HTTP/1.1\r\nHost: a/b'],
    ['a Host with a user', 'GET / HTTP/1.1\r\nHost: u@a'],
    ['a Host with a scheme', 'GET / HTTP/1.1\r\nHost: http://a'],
    ['a Host with a query', 'GET / HTTP/1.1\r\nHost: a?b'],
    ['a Host with a bad port', 'GET / HTTP/1.1\r\nHost: a:b'],
    ['a Host with a port that is none', 'GET / HTTP/1.1\r\nHost: a:99999'],
    ['a Host of spaces', 'GET / HTTP/1.1\r\nHost: a b'],
    ['half an IPv6 address', 'GET / HTTP/1.1\r\nHost: [::1'],
    ['another scheme', 'GET https://a/ HTTP/1.1\r\nHost: a'],
    ['a scheme of no web server', 'GET ftp://a/ HTTP/1.1\r\nHost: a'],
    ['a user in the target', 'GET http://u:p@a/ HTTP/1.1\r\nHost: a'],
    ['no host in the target', 'GET http:///x HTTP/1.1\r\nHost: a'],
    ['a bad port in the target', 'GET http://a:b/ HTTP/1.1\r\nHost: a'],
    ['* for GET', 'GET * HTTP/1.1\r\nHost: a'],
    ['a fragment', 'GET /x#y HTTP/1.1\r\nHost: a'],
    ['no slash', 'GET x HTTP/1.1\r\nHost: a'],
    ['a control character', 'GET /\x01 HTTP/1.1\r\nHost: a'],
  ]
  for (const [what, head] of refused) {
    const answer = (await sendRaw(proxy.url, `${head}\r\nConnection: close\r\n\r\n`)).toString('latin1')
    t.match(answer, /^HTTP\/1\.1 4\d\d /, what)
  }
  t.equal(origin.requests.length, 0)
})

t.test(
  'an absolute-form target and a Host that differ are refused: nobody gets what was made for another host',
  async (t) => {
    const { origin, proxy } = await start(t)
    for (const [target, host] of [
      ['http://good.example/x', 'evil.example'],
      ['http://evil.example/x', 'good.example'],
      ['http://good.example:81/x', 'good.example'],
    ]) {
      for (const method of ['GET', 'POST']) {
        const connection = await connect(proxy.url)
        t.teardown(() => connection.close())
        t.equal((await connection.request(target, { method, headers: { Host: host } })).status, 400, target)
      }
    }
    t.equal(origin.requests.length, 0)
    for (const host of ['good.example', 'evil.example']) {
      const plain = await get(`${proxy.url}/x`, { headers: { Host: host } })
      t.match(plain.body.toString(), new RegExp(`X-Forwarded-Host: ${host}`))
    }
  },
)

t.test('absolute-form and origin-form of one URI are one key', async (t) => {
  const { origin, proxy } = await start(t)
  for (const target of ['http://a.example/x?y', 'HTTP://A.Example:80/x?y', '/x?y']) {
    const connection = await connect(proxy.url)
    t.teardown(() => connection.close())
    t.equal((await connection.request(target, { headers: { Host: 'a.example' } })).status, 200)
  }
  t.equal(origin.requests.length, 1)
  t.equal(origin.requests[0].target, '/x?y')
})

t.test('the scheme is in the key, on the word of a trusted proxy only', async (t) => {
  const https = { 'X-Forwarded-Proto': 'https' }
  const { ask } = await start(t, { trustedProxies: ['127.0.0.1'] })
  t.notOk((await ask('/x')).hit)
  t.notOk((await ask('/x', https)).hit, 'another resource')
  t.ok((await ask('/x', https)).hit)
  t.match((await ask('/x', https)).text, /X-Forwarded-Proto: https/)
  t.match((await ask('/x')).text, /X-Forwarded-Proto: http\r/)
  const strangers = await start(t)
  await strangers.ask('/x', https)
  t.ok((await strangers.ask('/x')).hit, 'a stranger chooses no scheme')
  t.notMatch((await strangers.ask('/x')).text, /https/)
})

t.test('cache_key options: what is left out of the key', async (t) => {
  const hosts = await start(t, { cacheKey: { includeHost: false } })
  await hosts.ask('/x', { Host: 'a' })
  t.ok((await hosts.ask('/x', { Host: 'b' })).hit)
  const queries = await start(t, { cacheKey: { ignoreQuery: true } })
  await queries.ask('/x?a')
  t.ok((await queries.ask('/x?b')).hit)
  t.ok((await queries.ask('/x')).hit)
  t.notOk((await queries.ask('/x%3Fa')).hit)
  const allowed = await start(t, { cacheKey: { queryAllowlist: ['a', 'b'] } })
  t.equal((await allowed.ask('/x?a=1&utm=2&b=3')).sent, '/x?a=1&utm=2&b=3', 'all of it is sent')
  for (const target of ['/x?a=1&b=3', '/x?utm=9&a=1&b=3&z', '/x?%61=1&b=3']) {
    t.ok((await allowed.ask(target)).hit, target)
  }
  for (const target of ['/x?a=2&b=3', '/x?b=3&a=1', '/x?a=1', '/x?A=1&b=3', '/x?a=1&b=3&b=4', '/x']) {
    t.notOk((await allowed.ask(target)).hit, target)
  }
})
