import t from 'tap'
import { bytesOf } from '../helpers/bytes.ts'
import { get } from '../helpers/client.ts'
import { fileOrigin } from '../helpers/file-origin.ts'
import type { Scope } from '../helpers/scope.ts'
import { startServer } from '../helpers/server.ts'

const body = bytesOf(1, 200_000)
const bearer = { authorization: 'Bearer sesame' }

async function start(t: Scope, purge: object) {
  const origin = await fileOrigin(t, { '/a': body, '/b': body }, { cacheControl: 'max-age=600' })
  const server = await startServer(t, { upstream_address: origin.url, purge })
  const ask = (path: string, headers: Record<string, string> = {}) =>
    get(`${server.url}${path}`, { method: 'PURGE', headers })
  const result = async (path: string) => (await get(`${server.url}${path}`)).header('x-cache')
  return { origin, server, ask, result }
}

t.test('PURGE of a URL makes its next request a miss, in both tiers, and of no other', async (t) => {
  const { origin, server, ask, result } = await start(t, { enabled: true, auth_token: 'sesame' })
  for (const path of ['/a', '/b']) await result(path)
  t.equal(await result('/a'), 'HIT')
  const answer = await ask('/a', bearer)
  t.equal(answer.status, 200)
  const said = JSON.parse(answer.body.toString())
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
  const { ask, result } = await start(t, { enabled: true, auth_token: 'sesame' })
  for (const path of ['/a', '/b']) await result(path)
  t.equal((await ask('/', { ...bearer, 'x-purge-all': 'true' })).status, 200)
  t.equal(await result('/a'), 'MISS')
  t.equal(await result('/b'), 'MISS')
})

t.test('without the token nothing is purged', async (t) => {
  const { origin, ask, result } = await start(t, { enabled: true, auth_token: 'sesame' })
  await result('/a')
  const attempts: Record<string, string>[] = [
    {},
    { authorization: 'Bearer wrong' },
    { 'x-purge-token': 'sesam' },
  ]
  for (const headers of attempts) t.equal((await ask('/a', headers)).status, 401)
  t.equal(await result('/a'), 'HIT')
  t.equal((await ask('/a', { 'x-purge-token': 'sesame' })).status, 200)
  t.equal(origin.requests.length, 1)
})

t.test('what this version cannot purge by is refused, and nothing is purged', async (t) => {
  const { ask, result } = await start(t, { enabled: true, auth_token: 'sesame' })
  await result('/a')
  t.equal((await ask('/*', bearer)).status, 400)
  t.equal((await ask('/', { ...bearer, 'surrogate-key': 'x' })).status, 400)
  t.equal(await result('/a'), 'HIT')
})

t.test('turned off, PURGE is answered 405 and not forwarded', async (t) => {
  const { origin, ask, result } = await start(t, { enabled: false })
  await result('/a')
  t.equal((await ask('/a')).status, 405)
  t.equal(await result('/a'), 'HIT')
  t.equal(origin.requests.length, 1)
})
