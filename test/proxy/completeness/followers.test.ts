import t from 'tap'
import { bytesOf } from '../../helpers/bytes.ts'
import { get } from '../../helpers/client.ts'
import { startOrigin } from '../../helpers/origin.ts'
import { startProxy } from '../../helpers/proxy.ts'
import { cutFile } from '../cut-file.ts'
import { until } from '../until.ts'

const S = 64 * 1024
const file = bytesOf(2, 6 * S + 321)
const FOLLOWERS = 8

/** An origin whose first transfer dies at `at` once all followers wait for it; later ones do as `afterwards` says. */
async function dyingOrigin(
  t: Parameters<typeof startOrigin>[0],
  options: { at: number; etag?: string | null; framing?: 'length' | 'chunked' },
  afterwards: 'whole' | 'dies' | 'gone' = 'whole',
) {
  const die = Promise.withResolvers<void>()
  let transfers = 0
  const origin = await startOrigin(t, async (_request, exchange) => {
    if (++transfers === 1) return cutFile(exchange, file, { ...options, until: die.promise })
    if (afterwards === 'gone') return exchange.end()
    const at = afterwards === 'dies' ? options.at : Number.POSITIVE_INFINITY
    return cutFile(exchange, file, { ...options, at })
  })
  return Object.assign(origin, { die: die.resolve })
}

async function leaderAndFollowers(
  url: string,
  origin: { requests: unknown[]; die(): void },
  ready: () => boolean,
) {
  const leader = get(url)
  await until(() => origin.requests.length === 1)
  const followers = Array.from({ length: FOLLOWERS }, () => get(url))
  await until(ready)
  // The followers have sent their requests; a few turns of the loop let them attach.
  await new Promise((resolve) => setTimeout(resolve, 50))
  origin.die()
  return Promise.all([leader, ...followers])
}

for (const framing of ['length', 'chunked'] as const) {
  for (const at of [0, 1, S, 2 * S + 77, file.length - 1, ...(framing === 'chunked' ? [file.length] : [])]) {
    // A chunked body of unknown length has no place from which to go on: there a cut is the right answer.
    const heals = framing === 'length'
    t.test(
      `A5: a ${framing} transfer that dies at ${at}: ${heals ? 'all are healed' : 'nobody sees an end'}`,
      async (t) => {
        const origin = await dyingOrigin(t, { at, framing })
        const proxy = await startProxy(t, { upstream: origin.url, sliceSize: S })
        const answers = await leaderAndFollowers(
          `${proxy.url}/f`,
          origin,
          () => proxy.counters.requestsNow === FOLLOWERS + 1,
        )
        for (const answer of answers) {
          if (heals) t.ok(answer.complete, 'healed')
          if (answer.complete) t.ok(answer.body.equals(file), 'whole and right')
          else t.ok(answer.body.equals(file.subarray(0, answer.length)), 'cut, and right until there')
        }
        if (heals) {
          t.equal(origin.requests.length, 2, 'one new upstream request for all')
          t.equal(origin.requests[1].header('if-range'), answers[0].header('etag'))
          t.equal(proxy.counters.abortedResponses, 0)
        }
        t.ok((await get(`${proxy.url}/f`)).body.equals(file), 'and whole for the next one')
      },
    )
  }
}

t.test('A5: without a validator leader and followers are cut, never ended', async (t) => {
  const origin = await dyingOrigin(t, { at: 2 * S + 77, etag: null })
  const proxy = await startProxy(t, { upstream: origin.url, sliceSize: S })
  const answers = await leaderAndFollowers(
    `${proxy.url}/f`,
    origin,
    () => proxy.counters.requestsNow === FOLLOWERS + 1,
  )
  for (const answer of answers) {
    if (answer.complete) t.ok(answer.body.equals(file))
    else t.ok(answer.body.equals(file.subarray(0, answer.length)))
  }
  t.notOk(answers[0].complete)
  t.ok((await get(`${proxy.url}/f`)).body.equals(file))
})

for (const afterwards of ['dies', 'gone'] as const) {
  t.test(
    `A5: an origin that ${afterwards === 'dies' ? 'dies there each time' : 'is gone'}: all are cut`,
    async (t) => {
      const origin = await dyingOrigin(t, { at: 2 * S + 77 }, afterwards)
      const proxy = await startProxy(t, { upstream: origin.url, sliceSize: S })
      const answers = await leaderAndFollowers(
        `${proxy.url}/f`,
        origin,
        () => proxy.counters.requestsNow === FOLLOWERS + 1,
      )
      for (const answer of answers) {
        t.notOk(answer.complete)
        t.ok(answer.body.equals(file.subarray(0, answer.length)))
      }
      t.ok(origin.requests.length <= 1 + 4 * (FOLLOWERS + 1), 'a bounded number of attempts')
    },
  )
}

t.test(
  'A5: an origin that comes back with another representation: all are cut, the next one gets the new',
  async (t) => {
    const changed = bytesOf(3, file.length)
    const die = Promise.withResolvers<void>()
    const origin = await startOrigin(t, async (_request, exchange) => {
      if (origin.requests.length === 1) return cutFile(exchange, file, { at: 2 * S + 77, until: die.promise })
      return exchange.respondFile(changed)
    })
    const proxy = await startProxy(t, { upstream: origin.url, sliceSize: S })
    const answers = await leaderAndFollowers(
      `${proxy.url}/f`,
      { requests: origin.requests, die: die.resolve },
      () => proxy.counters.requestsNow === FOLLOWERS + 1,
    )
    for (const answer of answers) {
      t.notOk(answer.complete)
      t.ok(answer.body.equals(file.subarray(0, answer.length)), 'nothing of the new one in it')
    }
    const next = await get(`${proxy.url}/f`)
    t.ok(next.complete && next.body.equals(changed))
  },
)

t.test('a long download survives an origin that dies after every second slice', async (t) => {
  const long = bytesOf(75, 21 * S + 5)
  const origin = await startOrigin(t, (request, exchange) => {
    const first = Number(/\d+/.exec(request.header('range') ?? '0')![0])
    return cutFile(exchange, long, { at: Math.min(first + 2 * S + 100, long.length) })
  })
  const proxy = await startProxy(t, { upstream: origin.url, sliceSize: S, maxRetries: 1 })
  const answer = await get(`${proxy.url}/f`)
  t.ok(answer.complete)
  t.ok(answer.body.equals(long), 'failures with whole slices between them are not counted together')
  t.ok(origin.requests.length >= 10, 'it did die often')
})
