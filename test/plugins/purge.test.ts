import t from 'tap'
import { get } from '../helpers/client.ts'
import { bearer, startPurged, withToken } from './purged.ts'

t.test('PURGE of a URL makes its next request a miss, in both tiers, and of no other', async (t) => {
  const { origin, server, purgeAs, result } = await startPurged(t, withToken)
  for (const path of ['/a', '/b']) await result(path)
  t.equal(await result('/a'), 'HIT')
  const { status, said } = await purgeAs('/a')
  t.equal(status, 200)
  t.match(said, { success: true, url: '/a' })
  t.ok(said.purged_count > 0, 'it says how much was removed')
  t.equal(await result('/a'), 'MISS')
  t.equal(await result('/b'), 'HIT')
  t.notOk(
    origin.requests.some(({ method }) => method === 'PURGE'),
    'the origin never hears of it',
  )
  const metrics = (await get(`${server.metrics}/metrics`)).body.toString()
  t.match(metrics, /purge_requests_total\{method="url",result="success"\} 1/)
})

t.test('X-Purge-All empties everything', async (t) => {
  const { purgeAs, result } = await startPurged(t, withToken)
  for (const path of ['/a', '/b']) await result(path)
  const { status, said } = await purgeAs('/', { 'x-purge-all': 'true' })
  t.equal(status, 200)
  t.ok(said.purged_count > 0)
  t.equal(await result('/a'), 'MISS')
  t.equal(await result('/b'), 'MISS')
})

t.test('by prefix and glob: PURGE /dir/*, X-Purge-Pattern', async (t) => {
  const { purgeAs, stillThere, warm } = await startPurged(t, withToken)
  const all = ['/dir/a', '/dir/b.jpg?x=1', '/dir/deep/c.jpg', '/directory', '/other/d.jpg', '/%7Euser/e']
  const cases: [string, Record<string, string>, string[]][] = [
    ['/dir/*', {}, ['/directory', '/other/d.jpg', '/%7Euser/e']],
    ['/', { 'x-purge-pattern': '/dir/' }, ['/directory', '/other/d.jpg', '/%7Euser/e']],
    ['/', { 'x-purge-pattern': '/dir' }, ['/other/d.jpg', '/%7Euser/e']],
    ['/*.jpg', {}, ['/dir/a', '/dir/b.jpg?x=1', '/directory', '/%7Euser/e']],
    ['/dir/*jpg*', {}, ['/dir/a', '/directory', '/other/d.jpg', '/%7Euser/e']],
    ['/~user/*', {}, all.slice(0, 5)],
    ['/nothing/*', {}, all],
    ['/*', {}, []],
  ]
  for (const [path, headers, left] of cases) {
    await warm(all)
    const { status, said } = await purgeAs(path, headers)
    t.match({ status, said }, { status: 200, said: { success: true, purged_count: 0 } }, path)
    t.same(await stillThere(all), left, `${path} ${JSON.stringify(headers)}`)
  }
})

t.test('a pattern is of the host that the request names', async (t) => {
  const { purgeAs, result } = await startPurged(t, withToken)
  const hosts = [{ host: 'a.example' }, { host: 'B.example:80' }]
  for (const host of hosts) await result('/dir/x', host)
  await purgeAs('/dir/*', { host: 'b.EXAMPLE' })
  t.equal(await result('/dir/x', hosts[0]), 'HIT')
  t.equal(await result('/dir/x', hosts[1]), 'MISS')
})

t.test('by tag: Surrogate-Key, Cache-Tag and Cache-Groups of the response', async (t) => {
  const { purgeAs, stillThere, warm } = await startPurged(t, withToken)
  const all = ['/1?key=red+blue', '/2?tag=blue,%20green', '/3?group=blue', '/4?key=blu', '/5']
  for (const [headers, left] of [
    [{ 'surrogate-key': 'blue' }, [all[3], all[4]]],
    [{ 'x-purge-tag': 'green' }, [all[0], all[2], all[3], all[4]]],
    [{ 'surrogate-key': 'red green' }, [all[2], all[3], all[4]]],
    [{ 'x-purge-tag': 'red, blu' }, [all[1], all[2], all[4]]],
    [{ 'surrogate-key': 'BLUE' }, all],
  ] as [Record<string, string>, string[]][]) {
    await warm(all)
    t.equal((await purgeAs('/', headers)).status, 200)
    t.same(await stillThere(all), left, JSON.stringify(headers))
  }
})

t.test(
  'soft: stale is served while it is revalidated where that is allowed, and validated where not',
  async (t) => {
    for (const [path, headers] of [
      ['/x?swr=600&key=k', {}],
      ['/*', {}],
      ['/', { 'surrogate-key': 'k' }],
      ['/', { 'x-purge-all': 'true' }],
    ] as [string, Record<string, string>][]) {
      const { origin, purgeAs, result, warm, change } = await startPurged(t, withToken)
      const [tolerant, strict] = ['/x?swr=600&key=k', '/y?key=k']
      await warm([tolerant, strict])
      change()
      t.equal((await purgeAs(path, { ...headers, 'x-purge-soft': 'true' })).status, 200)
      t.equal(await result(tolerant), 'STALE', `${path} ${JSON.stringify(headers)}`)
      if (path !== tolerant) t.equal(await result(strict), 'EXPIRED')
      while ((await result(tolerant)) === 'STALE');
      t.equal(await result(tolerant), 'HIT', 'refreshed behind it')
      t.equal(origin.requests.length, path === tolerant ? 3 : 4)
    }
  },
)

t.test('without the token nothing is purged', async (t) => {
  const { origin, server, ask, result } = await startPurged(t, withToken)
  await result('/a?key=k')
  const tokens: Record<string, string>[] = [
    {},
    { authorization: 'Bearer wrong' },
    { 'x-purge-token': 'sesam' },
  ]
  const ways: [string, Record<string, string>][] = [
    ['/a?key=k', {}],
    ['/*', {}],
    ['/', { 'surrogate-key': 'k' }],
    ['/', { 'x-purge-all': 'true' }],
  ]
  for (const [path, headers] of ways) {
    for (const token of tokens) {
      const { status, answer } = await ask(path, { ...headers, ...token })
      t.equal(status, 401, `${path} ${JSON.stringify(token)}`)
      t.equal(answer.header('www-authenticate'), 'Bearer realm="purge"')
    }
  }
  t.equal(await result('/a?key=k'), 'HIT')
  t.equal((await ask('/a?key=k', { 'x-purge-token': 'sesame' })).status, 200)
  t.equal(origin.requests.length, 1)
  const metrics = (await get(`${server.metrics}/metrics`)).body.toString()
  for (const method of ['url', 'prefix', 'tag', 'all']) {
    t.match(metrics, `purge_requests_total{method="${method}",result="denied"} 3`)
  }
})

t.test('what names nothing is refused with what is allowed, and nothing is purged', async (t) => {
  const { purgeAs, result } = await startPurged(t, withToken)
  await result('/a')
  for (const [headers, message] of [
    [{ 'x-purge-pattern': 'a/*' }, /the pattern a\/\* is no path/],
    [{ 'x-purge-pattern': `/${'a'.repeat(5000)}` }, /4096 characters at most/],
    [{ 'surrogate-key': ' ' }, /no tag/],
    [{ 'x-purge-all': 'yes' }, /X-Purge-All is true or false/],
    [{ 'x-purge-soft': '1' }, /X-Purge-Soft is true or false/],
  ] as [Record<string, string>, RegExp][]) {
    const { status, said } = await purgeAs('/a', headers)
    t.equal(status, 400)
    t.match(said, { success: false, purged_count: 0, message })
  }
  t.equal(await result('/a'), 'HIT')
})

t.test('turned off, PURGE is answered 405 and not forwarded', async (t) => {
  const { origin, ask, result } = await startPurged(t, { enabled: false })
  await result('/a')
  t.equal((await ask('/a')).status, 405)
  t.equal(await result('/a'), 'HIT')
  t.equal(origin.requests.length, 1)
})

t.test('F49 PURGE is for the proxy port: health and metrics do not take it', async (t) => {
  const { origin, server, result } = await startPurged(t, withToken)
  await result('/a')
  for (const url of [server.health, server.metrics]) {
    const { status } = await get(`${url}/a`, {
      method: 'PURGE',
      headers: { ...bearer, 'x-purge-all': 'true' },
    })
    t.ok([404, 405].includes(status), `${status}`)
  }
  t.equal(await result('/a'), 'HIT')
  t.equal(origin.requests.length, 1)
})

t.test(
  'a path with a percent sign that encodes nothing can be purged, by URL, prefix and glob',
  async (t) => {
    const { purgeAs, stillThere, warm } = await startPurged(t, withToken)
    const paths = ['/caf%c3%a9/x?d=50%', '/%7Euser/50%', '/a%']
    for (const [path, left] of [
      ['/caf%C3%A9/*', paths.slice(1)],
      ['/~user/*', [paths[0], paths[2]]],
      ['/%7Eu*50%', [paths[0], paths[2]]],
      ['/a%', paths.slice(0, 2)],
    ] as [string, string[]][]) {
      await warm(paths)
      t.equal((await purgeAs(path)).status, 200, path)
      t.same(await stillThere(paths), left, path)
    }
  },
)

t.test('a tag may have spaces; two patterns in one request are refused', async (t) => {
  const { server, purgeAs, result } = await startPurged(t, withToken)
  await result('/a?tag=my%20tag')
  t.equal((await purgeAs('/', { 'x-purge-tag': 'my tag' })).status, 200)
  t.equal(await result('/a?tag=my%20tag'), 'MISS')
  const headers = ['Authorization', 'Bearer sesame', 'X-Purge-Pattern', '/a', 'X-Purge-Pattern', '/b']
  const { status } = await get(`${server.url}/`, { method: 'PURGE', headers })
  t.equal(status, 400)
  t.equal(await result('/a?tag=my%20tag'), 'HIT')
})

t.test('a PURGE that asks for another protocol is not forwarded either', async (t) => {
  const { origin, server } = await startPurged(t, withToken)
  const headers = { connection: 'Upgrade', upgrade: 'websocket' }
  const { status } = await get(`${server.url}/x`, { method: 'PURGE', headers })
  t.equal(status, 401)
  t.equal(origin.requests.length, 0)
})
