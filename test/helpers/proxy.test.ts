import t from 'tap'
import { bytesOf } from './bytes.ts'
import { get } from './client.ts'
import { fileOrigin } from './file-origin.ts'
import { startProxy } from './proxy.ts'
import { startServer } from './server.ts'

const file = bytesOf(3, 2_500_000)

t.test('a proxy in this process, started again over the same directory', async (t) => {
  const origin = await fileOrigin(t, { '/file': file })
  const proxy = await startProxy(t, { upstream: origin.url, l2: 64 * 1024 * 1024 })
  t.equal((await get(`${proxy.url}/file`)).header('x-cache'), 'MISS')
  t.equal((await get(`${proxy.url}/file`)).header('x-cache'), 'HIT')
  t.match(proxy.counters, { misses: 1, l1Hits: 1 })
  await proxy.l2!.flush()
  await proxy.restart()
  t.match(proxy.counters, { misses: 0 })
  const answer = await get(`${proxy.url}/file`)
  t.equal(answer.header('x-cache'), 'HIT')
  t.ok(answer.body.equals(file))
  t.equal(origin.requests.length, 1)
})

t.test('a server in a process of its own, ended and started again', async (t) => {
  const origin = await fileOrigin(t, { '/file': file })
  const server = await startServer(t, { upstream_address: origin.url })
  t.ok((await get(`${server.url}/file`)).body.equals(file))
  t.ok(server.rss() > 20 * 1024 * 1024)
  t.equal(await server.kill(), 0)
  await t.rejects(get(`${server.url}/file`))
  await server.start()
  t.ok((await get(`${server.url}/file`)).body.equals(file))
  t.match(await get(`${server.metrics}/metrics`), { status: 200 })
  t.equal(await server.kill('SIGKILL'), null)
})
