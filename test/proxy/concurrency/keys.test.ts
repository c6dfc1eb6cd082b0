import t from 'tap'
import { connect, get } from '../../helpers/client.ts'
import { startOrigin } from '../../helpers/origin.ts'
import { startProxy } from '../../helpers/proxy.ts'

/** An origin whose body is the key as it should be: host, path and query. */
const echo = (t: Parameters<typeof startOrigin>[0]) =>
  startOrigin(t, (request, exchange) =>
    exchange.respond({
      fields: { 'Cache-Control': 'max-age=60' },
      body: `${request.header('x-forwarded-host')} ${request.target}`,
    }),
  )

t.test('D38 targets that only look alike are different keys', async (t) => {
  const origin = await echo(t)
  const proxy = await startProxy(t, { upstream: origin.url })
  const targets = [
    ...['/a|b', '/a', '/a/', '//a', '/A', '/a;x', '/a;x=1', '/a%2Fb', '/a/b', '/%2E/a', '/a/./b', '/a/../b'],
    ...['/a?', '/a?b', '/a?b=', '/a?b&c', '/a?c&b', '/a?b%26c', '/a%3Fb', '/a?b?c', '/a?B', '/a+b', '/a%20b'],
  ]
  const hosts = ['a', 'a.example', 'a.example:81', 'a:8', 'b', 'A.example.', '127.0.0.1', '[::1]']
  const expected = new Map<string, string>()
  for (const round of ['cold', 'warm']) {
    for (const host of hosts) {
      const connection = await connect(proxy.url)
      for (const target of targets) {
        const answer = await connection.request(target, { headers: { Host: host } })
        const own = `${host} ${target}`
        if (round === 'cold') expected.set(own, answer.body.toString())
        else if (answer.header('x-cache') !== 'HIT') t.fail(`not a hit: ${own}`)
        if (answer.body.toString().toLowerCase() !== own.toLowerCase()) t.fail(`${own} got ${answer.body}`)
        if (!answer.body.toString().endsWith(` ${target}`)) t.fail(`${own} got ${answer.body}`)
      }
      connection.close()
    }
  }
  t.equal(origin.requests.length, expected.size)
  t.equal(expected.size, hosts.length * targets.length)
})

t.test('D38 names of one host in several ways are one key', async (t) => {
  const origin = await echo(t)
  const proxy = await startProxy(t, { upstream: origin.url })
  await get(`${proxy.url}/x`, { headers: { Host: 'www.example.com' } })
  for (const host of ['WWW.Example.com', 'www.example.com:80']) {
    t.equal((await get(`${proxy.url}/x`, { headers: { Host: host } })).header('x-cache'), 'HIT', host)
  }
  t.equal(origin.requests.length, 1)
})

t.test(
  'D38 spellings that RFC 3986 calls equivalent are one key, and one request to the origin',
  async (t) => {
    const origin = await echo(t)
    const proxy = await startProxy(t, { upstream: origin.url })
    const spellings = [
      ['/%7Euser/a%2fb?c=%61', '/~user/a%2Fb?c=%61', '/~user/a%2Fb?c=a', '/%7euser/%61%2Fb?%63=a'],
      ['/%2e%2e/x', '/%2E%2e/x'],
    ]
    for (const targets of spellings) {
      const before = origin.requests.length
      for (const target of targets) await get(`${proxy.url}${target}`)
      t.equal(origin.requests.length, before + 1)
    }
    t.same(
      origin.requests.map(({ target }) => target),
      ['/~user/a%2Fb?c=a', '/%2E%2E/x'],
    )
  },
)

t.test('D38 the absolute form names the host; a Host field that says otherwise is refused', async (t) => {
  const origin = await echo(t)
  const proxy = await startProxy(t, { upstream: origin.url })
  const connection = await connect(proxy.url)
  t.teardown(() => connection.close())
  const absolute = await connection.request('http://good.example/x?y', {
    headers: { Host: 'good.example:80' },
  })
  t.equal(absolute.body.toString(), 'good.example /x?y')
  const plain = await connection.request('/x?y', { headers: { Host: 'good.example' } })
  t.equal(plain.header('x-cache'), 'HIT')
  const evil = await connection.request('/x?y', { headers: { Host: 'evil.example' } })
  t.equal(evil.body.toString(), 'evil.example /x?y')
  const both = await connection.request('http://good.example/x?y', { headers: { Host: 'evil.example' } })
  t.equal(both.status, 400)
  t.equal(origin.requests.length, 2)
})

t.test('D38 what a client says by fields that are not in the key does not reach the origin', async (t) => {
  const origin = await startOrigin(t, (request, exchange) =>
    exchange.respond({ fields: { 'Cache-Control': 'max-age=60' }, body: request.raw }),
  )
  const proxy = await startProxy(t, { upstream: origin.url })
  const headers = {
    'X-Forwarded-Host': 'evil',
    'X-Forwarded-Scheme': 'evil',
    'X-Original-URL': '/evil',
    'X-Rewrite-URL': '/evil',
    'X-HTTP-Method-Override': 'evil',
    X_Forwarded_Host: 'evil',
    Forwarded: 'host=evil',
  }
  t.notMatch((await get(`${proxy.url}/x`, { headers })).body.toString(), /evil/)
})
