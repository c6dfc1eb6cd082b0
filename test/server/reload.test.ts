import t from 'tap'
import { get } from '../helpers/client.ts'
import { startOrigin } from '../helpers/origin.ts'
import { startReloading } from './reloading.ts'

const echo = (t: Parameters<typeof startOrigin>[0], name: string) =>
  startOrigin(t, (_request, exchange) =>
    exchange.respond({ fields: ['Cache-Control', 'no-store'], body: name }),
  )

t.test(
  'SIGHUP: what can be applied is, what needs a restart is named each time, secrets are not shown',
  async (t) => {
    const [a, b] = [await echo(t, 'a'), await echo(t, 'b')]
    const { server, reload } = await startReloading(t, { upstream_address: a.url })
    const body = async () => (await get(server.url)).body.toString()
    t.equal(await body(), 'a')

    const changes = {
      upstream_address: b.url,
      slice_size: 65536,
      l1_cache_size_bytes: 0,
      metrics_endpoint: { enabled: false },
      purge: { enabled: true, auth_token: 'very-secret' },
    }
    const waiting = [
      'reload: l1_cache_size_bytes: 104857600 -> 0 needs a restart',
      'reload: metrics_endpoint.address: ' +
        `${JSON.stringify(new URL(server.metrics).host)} -> "127.0.0.1:9090" needs a restart`,
      'reload: metrics_endpoint.enabled: true -> false needs a restart',
      'reload: slice_size: 1048576 -> 65536 needs a restart',
    ]
    t.same((await reload(changes)).toSorted(), [
      'reload: done, 3 keys applied, 4 wait for a restart',
      ...waiting.slice(0, 3),
      'reload: purge.auth_token: the value changed',
      'reload: purge.enabled: false -> true',
      waiting[3],
      `reload: upstream_address: "${a.url}" -> "${b.url}"`,
    ])
    t.equal(await body(), 'b')
    t.equal((await fetch(`${server.metrics}/metrics`)).status, 200, 'what needs a restart is as it was')
    t.same((await reload(changes)).toSorted(), [
      'reload: done, 0 keys applied, 4 wait for a restart',
      ...waiting,
    ])
    t.same(await reload({ upstream_address: b.url, purge: changes.purge }), [
      'reload: done, 0 keys applied, 0 wait for a restart',
    ])
    t.notMatch(server.stdout, 'very-secret')
    t.equal(await server.kill(), 0)
  },
)

t.test(
  'H57 a file with anything wrong in it changes nothing, and the log has what --check-config says',
  async (t) => {
    const [a, b] = [await echo(t, 'a'), await echo(t, 'b')]
    const { server, reload } = await startReloading(t, { upstream_address: a.url })
    const told = await reload({ upstream_address: b.url, cache_ttl: -1, nonsense: 1 })
    t.equal(told.length, 3)
    t.match(
      told[0],
      /^reload: .*config\.yaml:\d+: cache_ttl: -1 is not allowed; expected an integer \(seconds/,
    )
    t.match(told[1], /^reload: .*config\.yaml:\d+: nonsense: unknown key/)
    t.match(told[2], /refused, the configuration is as it was/)
    t.equal((await get(server.url)).body.toString(), 'a')

    t.match(await reload({ upstream_address: b.url }), [/upstream_address/, /done, 1 keys applied/])
    t.equal((await get(server.url)).body.toString(), 'b', 'a good one is taken then')
    t.equal(await server.kill(), 0)
  },
)

t.test('a file that has lost its origin is refused: somebody is writing it', async (t) => {
  const a = await echo(t, 'a')
  const { server, reload } = await startReloading(t, { upstream_address: a.url })
  const told = await reload({ upstream_address: undefined, cache_ttl: 7 })
  t.match(told, [
    /upstream_address: missing, while "http.*" is in use/,
    /refused, the configuration is as it was/,
  ])
  t.equal((await get(server.url)).body.toString(), 'a')
  t.match(await reload({ cache_ttl: 7 }), [/^reload: cache_ttl: /, /done, 1 keys applied/])
})

t.test('flags and the environment of the start win in a reload too', async (t) => {
  const a = await echo(t, 'a')
  const { server, reload } = await startReloading(
    t,
    { upstream_address: a.url, purge: { enabled: true } },
    {
      PURGE_TOKEN: 'from-env',
    },
  )
  const purge = (token: string) =>
    get(server.url, { method: 'PURGE', headers: { Authorization: `Bearer ${token}` } }).then(
      ({ status }) => status,
    )
  t.same(await reload({ purge: { enabled: true, auth_token: 'of-the-file' } }), [
    'reload: done, 0 keys applied, 0 wait for a restart',
  ])
  t.equal(await purge('of-the-file'), 401)
  t.equal(await purge('from-env'), 200)
})

t.test('what would be open to everybody together with what waits for a restart is refused', async (t) => {
  const [a, b] = [await echo(t, 'a'), await echo(t, 'b')]
  const { server, reload } = await startReloading(t, { upstream_address: a.url, listen_address: '0.0.0.0:0' })
  const told = await reload({
    upstream_address: b.url,
    listen_address: '127.0.0.1:0',
    purge: { enabled: true },
  })
  t.match(told, [/^reload: purge\.enabled: true needs purge\.auth_token/, /refused, nothing has changed/])
  t.match(await reload({ upstream_address: b.url }), [/upstream_address/, /done/], 'it really was as before')
  t.equal(await server.kill(), 0)
})
