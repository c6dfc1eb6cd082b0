import { openSync, writeFileSync } from 'node:fs'
import { connect as connectSocket, createServer } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { bytesOf } from '../helpers/bytes.ts'
import { get } from '../helpers/client.ts'
import { startOrigin } from '../helpers/origin.ts'
import { type Scope, tempDir } from '../helpers/scope.ts'
import { until } from '../helpers/until.ts'
import { openSocket, startWith } from './handed-over.ts'
import { startLoad } from './load.ts'

const START = 60_000

function configFile(t: Scope, keys: Record<string, unknown>): string {
  const dir = tempDir(t)
  const config = {
    upstream_address: '127.0.0.1:9',
    // Nobody may listen there: it shows that the address of the file is not used.
    listen_address: '192.0.2.1:80',
    health_endpoint: { enabled: false },
    metrics_endpoint: { enabled: false },
    l2_cache_dir: join(dir, 'cache'),
    pressure: { max_event_loop_delay_ms: 0, max_event_loop_percent: 0 },
    ...keys,
  }
  const file = join(dir, 'config.yaml')
  writeFileSync(file, JSON.stringify(config))
  return file
}

t.test(
  'H59 three restarts behind a socket that stays open, under 200 requests a second: none fails',
  async (t) => {
    const file = bytesOf(13, 200_000)
    const origin = await startOrigin(t, (_request, exchange) =>
      exchange.respondFile(file, { cacheControl: 'no-store' }),
    )
    const { server, host } = await openSocket()
    const { output } = startWith(t, configFile(t, { upstream_address: origin.url }), [server], { keep: true })
    const started = () => [...output.stdout.matchAll(/"pid":(\d+)[^\n]*Server listening/g)]
    await until(() => started().length === 1, START)

    const wanted = [{ target: '/', status: 200, isRight: (body: Buffer) => body.equals(file) }]
    const load = startLoad(`http://${host}`, { rate: 200, keeping: 15, opening: 15, wanted })
    for (let i = 1; i <= 3; i++) {
      const before = load.answered
      await until(() => load.answered > before + 100, START)
      process.kill(Number(started().at(-1)![1]), 'SIGTERM')
      await until(() => started().length === i + 1, START)
    }
    const before = load.answered
    await until(() => load.answered > before + 100, START)
    await load.stop()
    t.same(load.failures, [])
    t.equal(new Set(started().map(([, pid]) => pid)).size, 4, 'four processes')
    t.pass(`${load.answered} answers`)
  },
)

t.test('sockets for health and metrics are told by their names', async (t) => {
  const sockets = [await openSocket(), await openSocket(), await openSocket()]
  const [health, metrics, proxy] = sockets.map(({ host }) => `http://${host}`)
  const endpoint = { enabled: true, address: '192.0.2.1:81' }
  const config = configFile(t, {
    health_endpoint: endpoint,
    metrics_endpoint: { ...endpoint, address: '192.0.2.1:82' },
  })
  const descriptors = sockets.map(({ server }) => server)
  const { output } = startWith(t, config, descriptors, { names: 'health:metrics:slicestream.socket' })
  await until(() => output.stdout.includes('Server listening'), START)
  t.equal((await get(`${health}/ready`)).status, 200)
  t.equal((await get(`${metrics}/metrics`)).status, 200)
  t.equal((await get(`${proxy}/`)).status, 502, 'no origin is there')
})

t.test('what cannot be listened on is named, in one line', async (t) => {
  const server = createServer((socket) => socket.resume()).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const connected = connectSocket((server.address() as { port: number }).port, '127.0.0.1')
  await new Promise((resolve) => connected.once('connect', resolve))
  t.teardown(() => [connected.destroy(), server.close()])
  const unix = createServer().listen(join(tempDir(t), 'socket'))
  await new Promise((resolve) => unix.once('listening', resolve))
  const file = openSync(import.meta.filename, 'r')

  const told = async (
    descriptors: Parameters<typeof startWith>[2],
    text: string | RegExp,
    keys: Record<string, unknown> = {},
  ) => {
    const { exited, output } = startWith(t, configFile(t, keys), descriptors)
    t.equal(await exited, 1)
    t.match(output.stderr, text)
    t.equal(output.stderr.split('\n').length, 2, 'one line')
  }
  await told([file], 'slicestream: LISTEN_FDS: fd 3, for proxy, is not a socket')
  await told([connected], 'slicestream: fd 3 is not a stream socket that can listen')
  await told(
    [unix],
    'slicestream: LISTEN_FDS: fd 3, for proxy, is a Unix socket; a TCP stream socket is needed',
  )
  const { server: another } = await openSocket()
  const purge = { enabled: true }
  await told([another], /purge\.enabled: true needs purge\.auth_token/, {
    purge,
    listen_address: '127.0.0.1:80',
  })
})
