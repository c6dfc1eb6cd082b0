import { once } from 'node:events'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import t from 'tap'
import { connect, get } from '../helpers/client.ts'
import { startOrigin } from '../helpers/origin.ts'
import { tempDir } from '../helpers/scope.ts'
import { startServer } from '../helpers/server.ts'
import { until } from '../helpers/until.ts'
import { runNode } from './run.ts'

/** An origin whose `/slow` answers half, and the rest when `finish` is called. */
async function slowOrigin(t: Parameters<typeof startOrigin>[0]) {
  const { promise: released, resolve: finish } = Promise.withResolvers<void>()
  const { promise: asked, resolve: gotRequest } = Promise.withResolvers<void>()
  const origin = await startOrigin(t, async (request, exchange) => {
    if (request.target === '/fast') return exchange.respond({ body: 'fast' })
    gotRequest()
    if (request.target === '/late') await exchange.stall(released)
    await exchange.head({ fields: ['Content-Length', '10', 'Cache-Control', 'no-store'] })
    await exchange.write('first')
    if (request.target === '/slow') await exchange.stall(released)
    await exchange.write(' last')
  })
  return { origin, asked, finish }
}

const status = (url: string) => fetch(url).then((response) => response.status)
const logged = (stdout: string) =>
  stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { level: number; msg: string })

t.test('it serves with health and metrics on their own ports, and logs JSON', async (t) => {
  const { origin } = await slowOrigin(t)
  const server = await startServer(t, { upstream_address: origin.url })
  t.equal((await get(`${server.url}/fast`)).body.toString(), 'fast')
  t.same(await (await fetch(`${server.health}/health`)).json(), { status: 'healthy' })
  t.match(await (await fetch(`${server.metrics}/metrics`)).text(), /^cache_misses_total 1$/m)
  t.equal(await status(`${server.url}/metrics`), 200, "a path of the proxy port is the origin's")
  for (const line of logged(server.stdout)) t.ok(line.msg)
  t.equal(await server.kill('SIGINT'), 0)
})

t.test('the thread pool has 16 threads', { skip: process.platform !== 'linux' }, async (t) => {
  const { origin } = await slowOrigin(t)
  const server = await startServer(t, { upstream_address: origin.url })
  await get(`${server.url}/fast`)
  const tasks = `/proc/${server.pid}/task`
  const workers = readdirSync(tasks).filter((id) =>
    readFileSync(`${tasks}/${id}/comm`, 'utf8').startsWith('libuv-worker'),
  )
  t.equal(workers.length, Number(process.env.UV_THREADPOOL_SIZE ?? 16))
})

t.test(
  'H58 SIGTERM: not ready at once, what is in flight finishes, the port is closed, exit 0',
  async (t) => {
    const { origin, asked, finish } = await slowOrigin(t)
    const server = await startServer(t, { upstream_address: origin.url })
    const client = await connect(server.url)
    const idle = await connect(server.url)
    t.teardown(() => [client.close(), idle.close()])
    t.equal((await idle.request('/fast')).status, 200)
    const answer = client.request('/slow')
    await asked

    const exit = server.kill('SIGTERM')
    while ((await status(`${server.health}/ready`)) !== 503) await wait(5)
    t.same(await (await fetch(`${server.health}/ready`)).json(), { status: 'draining' })
    t.equal(await status(`${server.metrics}/metrics`), 200, 'still scraped')
    await t.rejects(connect(server.url), 'no new connection')
    if (!idle.socket.readableEnded) await once(idle.socket, 'end')

    finish()
    t.match(await answer, { status: 200, complete: true, length: 10 })
    t.equal(await exit, 0)
    t.notMatch(
      server.stdout,
      /cutting/,
      'the connection was closed when it became idle, and not at the deadline',
    )
    await t.rejects(status(`${server.health}/live`), 'health is closed too')
  },
)

t.test(
  'a response whose head was not sent yet says Connection: close, and keep-alive does not delay the end',
  async (t) => {
    const { origin, asked, finish } = await slowOrigin(t)
    const server = await startServer(t, { upstream_address: origin.url })
    const client = await connect(server.url)
    t.teardown(() => client.close())
    const answer = client.request('/late')
    await asked
    const exit = server.kill('SIGTERM')
    while ((await status(`${server.health}/ready`)) !== 503) await wait(5)
    finish()
    const late = await answer
    t.equal(late.complete, true)
    t.equal(late.header('connection'), 'close')
    t.equal(await exit, 0)
  },
)

t.test('connections that wait to be accepted when SIGTERM comes are answered', async (t) => {
  const { origin } = await slowOrigin(t)
  const server = await startServer(t, { upstream_address: origin.url })
  server.process.kill('SIGSTOP')
  const clients = await Promise.all(Array.from({ length: 20 }, () => connect(server.url)))
  t.teardown(() => clients.map((client) => client.close()))
  const answers = clients.map((client) => client.request('/fast'))
  server.process.kill('SIGTERM')
  const began = performance.now()
  server.process.kill('SIGCONT')
  const statuses = (await Promise.all(answers)).map(({ status }) => status)
  // For two seconds such connections are accepted: on a machine that takes longer than that nothing can be told.
  if (performance.now() - began < 2000) t.same(new Set(statuses), new Set([200]))
})

t.test('an idle connection may bring one more request, and hears that it is the last', async (t) => {
  const { origin } = await slowOrigin(t)
  const server = await startServer(t, { upstream_address: origin.url })
  const [busy, idle, unused] = [
    await connect(server.url),
    await connect(server.url),
    await connect(server.url),
  ]
  t.teardown(() => [busy.close(), idle.close(), unused.close()])
  for (const client of [busy, idle])
    t.equal((await client.request('/fast')).header('connection'), 'keep-alive')
  const began = performance.now()
  server.process.kill('SIGTERM')
  while ((await status(`${server.health}/ready`)) !== 503) await wait(1)
  const answer = await busy.request('/fast')
  // A second is what such connections get: on a machine that takes longer than that nothing can be told.
  if (performance.now() - began < 1000) t.match(answer, { status: 200, complete: true })
  await until(() => busy.wire.ended !== null && idle.wire.ended !== null && unused.wire.ended !== null)
  t.notMatch(server.stdout, /cutting/)
})

t.test('H58 what does not finish is cut just before shutdown_timeout_ms, exit 0', async (t) => {
  const { origin, asked } = await slowOrigin(t)
  const server = await startServer(t, { upstream_address: origin.url, shutdown_timeout_ms: 1000 })
  const answer = get(`${server.url}/slow`)
  await asked
  t.equal(await server.kill('SIGTERM'), 0)
  t.match(await answer, { complete: false })
  t.ok(logged(server.stdout).some(({ msg }) => /cutting 1 connection/.test(msg)))
})

t.test('H58 a second signal ends at once', async (t) => {
  const { origin, asked } = await slowOrigin(t)
  const server = await startServer(t, { upstream_address: origin.url, shutdown_timeout_ms: 60_000 })
  const answer = get(`${server.url}/slow`).catch(() => null)
  await asked
  const exit = server.kill('SIGTERM')
  while ((await status(`${server.health}/ready`)) !== 503) await wait(5)
  server.process.kill('SIGTERM')
  t.equal(await exit, 1)
  await answer
})

t.test('health follows the origin: degraded with a cache, unhealthy without, healthy again', async (t) => {
  const { origin } = await slowOrigin(t)
  const health = async (server: { health: string }) => {
    const answer = await fetch(`${server.health}/health`)
    return [
      answer.status,
      ((await answer.json()) as { status: string }).status,
      await status(`${server.health}/ready`),
    ]
  }
  const settings = { upstream_address: origin.url, max_retries: 0 }
  const cached = await startServer(t, settings)
  const plain = await startServer(t, { ...settings, enable_cache: false })
  await origin.stop()
  for (let i = 0; i < 3; i++) {
    for (const server of [cached, plain]) t.equal((await get(`${server.url}/fast`)).status, 502)
  }
  t.same(await health(cached), [200, 'degraded', 200])
  t.same(await health(plain), [503, 'unhealthy', 503])
  await origin.start()
  for (const server of [cached, plain]) {
    t.equal((await get(`${server.url}/fast`)).status, 200)
    t.same(await health(server), [200, 'healthy', 200])
  }
})

t.test('an unexpected error is logged as fatal and ends with 1', async (t) => {
  const bomb = 'process.on("SIGUSR2", () => { throw new Error("boom") })'
  const file = join(tempDir(t), 'config.yaml')
  const endpoint = { enabled: false }
  const config = {
    upstream_address: '127.0.0.1:9',
    listen_address: '127.0.0.1:0',
    enable_l2_cache: false,
    health_endpoint: endpoint,
    metrics_endpoint: endpoint,
  }
  writeFileSync(file, JSON.stringify(config))
  const run = runNode(t, ['--import', `data:text/javascript,${encodeURIComponent(bomb)}`, 'server.ts', file])
  await run.until('Server listening')
  run.process.kill('SIGUSR2')
  t.equal(await run.exited, 1)
  t.ok(logged(run.output.stdout).some(({ level, msg }) => level === 60 && msg === 'unexpected error'))
})
