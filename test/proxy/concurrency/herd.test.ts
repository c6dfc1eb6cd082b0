import t from 'tap'
import { bytesOf } from '../../helpers/bytes.ts'
import { type Answer, type Connection, connect, get } from '../../helpers/client.ts'
import { fileOrigin } from '../../helpers/file-origin.ts'
import { startOrigin } from '../../helpers/origin.ts'
import { type Proxy as RunningProxy, startProxy } from '../../helpers/proxy.ts'
import { until } from '../../helpers/until.ts'

const SLICE = 65_536
const file = bytesOf(33, 3 * SLICE + 100)

/**
 * So many clients that ask at once. They are connected before: more than the queue of a listener takes may come while
 * it stands still, and the system refuses the rest.
 */
async function clients(count: number, proxy: RunningProxy, path: string): Promise<Answer[]> {
  let accepted = 0
  const onConnection = () => void accepted++
  proxy.fastify.server.on('connection', onConnection)
  const connections: Connection[] = []
  while (connections.length < count) {
    const some = Math.min(100, count - connections.length)
    connections.push(...(await Promise.all(Array.from({ length: some }, () => connect(proxy.url)))))
    await until(() => accepted === connections.length)
  }
  proxy.fastify.server.off('connection', onConnection)
  const answers = await Promise.all(connections.map((connection) => connection.request(path)))
  for (const connection of connections) connection.close()
  return answers
}

t.test('D33 a thousand clients on one cold object: one request, and all have its bytes', async (t) => {
  for (const options of [{}, { chunked: true }, { chunked: true, etag: null, lastModified: null }]) {
    const name = JSON.stringify(options)
    const origin = await fileOrigin(t, { '/file': file }, options)
    const proxy = await startProxy(t, { upstream: origin.url, sliceSize: SLICE })
    const answers = await clients(1000, proxy, '/file')
    t.equal(answers.filter((answer) => answer.complete && answer.body.equals(file)).length, 1000, name)
    t.equal(origin.requests.length, 1, name)
    t.equal((await get(`${proxy.url}/file`)).header('x-cache'), 'HIT', name)
    await proxy.close()
  }
})

t.test('D33 clients that ask for ranges of one cold object: each slice is fetched once', async (t) => {
  const origin = await fileOrigin(t, { '/file': file })
  const proxy = await startProxy(t, { upstream: origin.url, sliceSize: SLICE })
  const wanted = Array.from({ length: 200 }, (_, i) => ({ first: i * 900, last: i * 900 + 17_000 }))
  const answers = await Promise.all(
    wanted.map(({ first, last }) => get(`${proxy.url}/file`, { range: `bytes=${first}-${last}` })),
  )
  for (const [i, { first, last }] of wanted.entries()) {
    if (!answers[i].body.equals(file.subarray(first, last + 1))) t.fail(`bytes=${first}-${last}`)
  }
  t.ok(proxy.counters.bytesFromOrigin <= file.length, 'no byte came twice')
})

t.test(
  'D33 what proves uncacheable is not waited for: all go on at once, and the next time without the first',
  async (t) => {
    const count = 100
    let expected = count
    let inFlight = 0
    let all = () => {}
    let together = new Promise<void>((resolve) => (all = resolve))
    const origin = await startOrigin(t, async (request, exchange) => {
      if (origin.requests.length > 1 && ++inFlight === expected) all()
      if (origin.requests.length > 1) await exchange.stall(together)
      await exchange.respond({
        fields: { 'Cache-Control': 'private' },
        body: `for connection ${request.connection}.${request.turn}`,
      })
    })
    const proxy = await startProxy(t, { upstream: origin.url })

    expected = count - 1
    const first = await clients(count, proxy, '/private')
    t.equal(new Set(first.map((answer) => answer.body.toString())).size, count, 'everybody has an own answer')

    inFlight = 0
    expected = count
    together = new Promise<void>((resolve) => (all = resolve))
    const second = await clients(count, proxy, '/private')
    t.equal(new Set(second.map((answer) => answer.body.toString())).size, count)
    t.equal(origin.requests.length, 2 * count)
  },
)

t.test('D33 a key that became cacheable is shared again', async (t) => {
  const origin = await startOrigin(t, (_request, exchange) =>
    exchange.respond({ fields: { 'Cache-Control': 'no-store' }, body: 'mine' }),
  )
  const proxy = await startProxy(t, { upstream: origin.url })
  await get(`${proxy.url}/x`)
  origin.use((_request, exchange) =>
    exchange.respond({ fields: { 'Cache-Control': 'max-age=60' }, body: 'ours' }),
  )
  t.equal((await get(`${proxy.url}/x`)).header('x-cache'), 'MISS')
  t.equal((await get(`${proxy.url}/x`)).header('x-cache'), 'HIT')
})

t.test('D36 waiters are woken by the event: nothing in the engine sets a timer for them', async (t) => {
  const [half, rest] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const origin = await startOrigin(t, async (_request, exchange) => {
    await exchange.stall(half.promise)
    await exchange.head({ fields: { 'Content-Length': '8', 'Cache-Control': 'max-age=60' } })
    await exchange.write('half')
    await exchange.stall(rest.promise)
    await exchange.write('rest')
  })
  const proxy = await startProxy(t, { upstream: origin.url })
  const timers = countTimersOf(t, new URL('../../../lib/', import.meta.url).pathname, '/lib/upstream/http1/')

  const bodies = clients(20, proxy, '/file')
  await until(() => proxy.counters.coalesced === 19)
  half.resolve()
  await until(() => proxy.counters.bytesToClients === 20 * 4)
  rest.resolve()
  for (const { body } of await bodies) t.equal(body.toString(), 'halfrest')
  t.same(timers, [])
})

/** The places under `folder` that set a timer while the test runs, but for those that connections to the origin need. */
function countTimersOf(
  t: { teardown(end: () => void): unknown },
  folder: string,
  connections: string,
): string[] {
  const places: string[] = []
  const names = ['setTimeout', 'setInterval', 'setImmediate'] as const
  for (const name of names) {
    const original = globalThis[name]
    const counting = (...args: Parameters<typeof setTimeout>) => {
      const place = new Error().stack!.split('\n').find((line) => line.includes(folder))
      if (place && !place.includes(connections)) places.push(place)
      return (original as typeof setTimeout)(...args)
    }
    Object.assign(globalThis, { [name]: Object.assign(counting, original) })
    t.teardown(() => Object.assign(globalThis, { [name]: original }))
  }
  return places
}
