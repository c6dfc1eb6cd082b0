import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import Fastify from 'fastify'
import t from 'tap'
import app, { options } from '../../app.ts'
import { loadConfig } from '../../config/load.ts'
import { fileOrigin } from '../helpers/file-origin.ts'
import { startOrigin } from '../helpers/origin.ts'
import { tempDir } from '../helpers/scope.ts'
import { freePorts } from '../helpers/server.ts'
import { root, runNode } from './run.ts'

async function settings(t: Parameters<typeof tempDir>[0]) {
  const origin = await fileOrigin(t, { '/a': Buffer.from('hello') })
  const dir = tempDir(t)
  const [health, metrics, proxy] = await freePorts(3)
  const yaml = JSON.stringify({
    upstream_address: origin.url,
    health_endpoint: { address: `127.0.0.1:${health}` },
    metrics_endpoint: { address: `127.0.0.1:${metrics}` },
    l2_cache_dir: 'cache',
    shutdown_timeout_ms: 1000,
  })
  const file = join(dir, 'config.yaml')
  writeFileSync(file, yaml)
  const urls = {
    health: `http://127.0.0.1:${health}`,
    metrics: `http://127.0.0.1:${metrics}`,
    proxy: `http://127.0.0.1:${proxy}`,
  }
  return { yaml, file, proxy, urls }
}

t.test('the app is a plugin that a service registers with a validated configuration', async (t) => {
  const { yaml, file, urls } = await settings(t)
  const { config } = loadConfig(yaml, { file, env: {} })
  const fastify = Fastify(options)
  t.teardown(() => fastify.close())
  await fastify.register(app, config!)
  fastify.get('/own', async () => 'mine')
  const base = await fastify.listen({ port: 0, host: '127.0.0.1' })
  t.equal(await (await fetch(`${base}/a`)).text(), 'hello')
  t.equal(await (await fetch(`${base}/own`)).text(), 'mine', "the service's own routes win")
  t.equal((await fetch(`${urls.health}/ready`)).status, 200)
  t.match(await (await fetch(`${urls.metrics}/metrics`)).text(), /^cache_misses_total 1$/m)
})

t.test('a service reloads by fastify.reload, and learns what came of it', async (t) => {
  const { yaml, file } = await settings(t)
  const config = (keys: Record<string, unknown>) =>
    loadConfig(JSON.stringify({ ...JSON.parse(yaml), ...keys }), { file, env: {} }).config!
  const fastify = Fastify(options)
  t.teardown(() => fastify.close())
  // As if the proxy's socket had been handed over: who can connect is not known then.
  const listen_address = '127.0.0.1:8080'
  await fastify.register(app, { ...config({ listen_address }), sockets: { proxy: 99 } })
  await fastify.ready()
  t.match(fastify.reload!(config({ listen_address, cache_ttl: 1, slice_size: 65536 })), {
    config: { cache_ttl: 1, slice_size: 1048576 },
    applied: [{ key: 'cache_ttl', from: 3600, to: 1 }],
    waiting: [{ key: 'slice_size', from: 1048576, to: 65536 }],
    refusals: [],
  })
  const open = { listen_address, purge: { enabled: true } }
  t.match(fastify.reload!(config(open)).refusals, [/^purge\.enabled: .* socket was handed over/])
  t.same(fastify.reload!(config({ listen_address, cache_ttl: 1 })).applied, [], 'nothing of it was applied')
})

// Each key was tested as an option of the plugin only: nothing would have told that the configuration does not reach it.
t.test('the keys of HTTP caching reach the proxy', async (t) => {
  const fields: Record<string, string[]> = {
    '/targeted': ['My-Cache-Control', 'max-age=60', 'CDN-Cache-Control', 'no-store'],
    '/cookie': ['Cache-Control', 'max-age=60', 'Set-Cookie', 'a=1'],
  }
  const origin = await startOrigin(t, (request, exchange) =>
    exchange.respond({ fields: fields[request.target], body: 'x' }),
  )
  const start = async (keys: Record<string, unknown>) => {
    const off = { enabled: false }
    const yaml = {
      upstream_address: origin.url,
      enable_l2_cache: false,
      health_endpoint: off,
      metrics_endpoint: off,
    }
    const { config } = loadConfig(JSON.stringify({ ...yaml, ...keys }), { file: 'config.yaml', env: {} })
    const fastify = Fastify(options)
    t.teardown(() => fastify.close())
    await fastify.register(app, config!)
    return fastify.listen({ port: 0, host: '127.0.0.1' })
  }
  const second = async (base: string, path: string) => {
    await fetch(`${base}${path}`)
    return (await fetch(`${base}${path}`)).headers
  }
  const plain = await start({})
  t.equal((await second(plain, '/targeted')).get('x-cache'), 'MISS')
  t.equal((await second(plain, '/cookie')).get('set-cookie'), 'a=1')
  t.notMatch((await second(plain, '/cookie')).get('cache-status'), /key=/)

  const set = await start({
    targeted_cache_control: ['My-Cache-Control', 'CDN-Cache-Control'],
    set_cookie: 'strip',
    cache_status_key: true,
  })
  t.equal((await second(set, '/targeted')).get('x-cache'), 'HIT')
  const stripped = await second(set, '/cookie')
  t.equal(stripped.get('x-cache'), 'HIT')
  t.equal(stripped.get('set-cookie'), null)
  t.match(stripped.get('cache-status'), /key=".*\/cookie"/)
})

for (const how of ['--config=FILE', 'SLICESTREAM_CONFIG']) {
  t.test(`fastify start app.ts with ${how}: the same ports, the same drain`, async (t) => {
    const { file, proxy, urls } = await settings(t)
    const cli = join(root, 'node_modules/fastify-cli/cli.js')
    // -g: by itself it gives the end half a second, and a slow machine may take longer.
    const to = ['-a', '127.0.0.1', '-p', String(proxy), '-g', '60000']
    const args = [cli, 'start', ...to, '-l', 'info', '--options', 'app.ts']
    const run =
      how === 'SLICESTREAM_CONFIG'
        ? runNode(t, args, { SLICESTREAM_CONFIG: file })
        : runNode(t, [...args, '--', `--config=${file}`])
    await run.until('Server listening')
    t.equal(await (await fetch(`${urls.proxy}/a`)).text(), 'hello')
    t.equal((await fetch(`${urls.health}/ready`)).status, 200)
    t.equal((await fetch(`${urls.metrics}/metrics`)).status, 200)
    run.process.kill('SIGTERM')
    t.equal(await run.exited, 0)
  })
}

t.test('without any configuration it says what is missing', async (t) => {
  const fastify = Fastify()
  t.teardown(() => fastify.close())
  await t.rejects(async () => fastify.register(app, {}), { message: /--config=FILE or SLICESTREAM_CONFIG/ })
})
