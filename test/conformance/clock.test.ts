import t, { type Test } from 'tap'
import { bytesOf } from '../helpers/bytes.ts'
import { get } from '../helpers/client.ts'
import { type Clock, stopClock } from '../helpers/clock.ts'
import { type Origin, type Script, startOrigin } from '../helpers/origin.ts'
import { type StartProxyOptions, startProxy } from '../helpers/proxy.ts'

const SLICE = 65_536

/** A Date field so many seconds after (before, when negative) what the clock says. */
const at = (seconds: number) => new Date(Date.now() + seconds * 1000).toUTCString()

interface Clocked {
  origin: Origin
  url: string
  clock: Clock
  ask(
    headers?: Record<string, string>,
  ): Promise<{ body: string; xCache: string; age: number | null; ttl: number }>
}

/** A proxy whose clock can be set, in front of an origin that does as the script says. */
async function start(t: Test, script: Script, options: Partial<StartProxyOptions> = {}): Promise<Clocked> {
  const clock = stopClock(t)
  const origin = await startOrigin(t, script)
  const proxy = await startProxy(t, { upstream: origin.url, cacheTtl: 0, maxRetries: 0, ...options })
  const url = `${proxy.url}/x`
  return {
    origin,
    url,
    clock,
    async ask(headers = {}) {
      const answer = await get(url, { headers })
      const age = answer.header('age')
      return {
        body: answer.body.toString(),
        xCache: answer.header('x-cache')!,
        age: age === undefined ? null : Number(age),
        ttl: Number(/ttl=(-?\d+)/.exec(answer.header('cache-status') ?? '')?.[1]),
      }
    },
  }
}

/** Each answer another body; the fields are made when it is sent. */
const versions =
  (fields: () => Record<string, string>): Script =>
  (request, exchange) =>
    exchange.respond({ fields: fields(), body: `version ${request.connection}.${request.turn}` })

/** Found in the cache, of no age to speak of (and never of a negative one). */
function isFreshHit(t: Test, { xCache, age }: { xCache: string; age: number | null }, what = 'a fresh hit') {
  t.equal(xCache, 'HIT', what)
  t.ok(age !== null && age >= 0 && age <= 2, `${what}: Age ${age}`)
}

const isAbout = (t: Test, value: number | null, expected: number, what: string) =>
  t.ok(value !== null && Math.abs(value - expected) <= 2, `${what}: ${value}, about ${expected}`)

t.test(
  'C28 a Date in the future counts as now: no negative age, no longer life (RFC 9111 4.2.3)',
  async (t) => {
    const { ask, clock, origin } = await start(
      t,
      versions(() => ({ 'Cache-Control': 'max-age=60', Date: at(3600) })),
    )
    const first = await ask()
    isAbout(t, first.ttl, 60, 'ttl')
    const hit = await ask()
    t.match(hit, { xCache: 'HIT', body: first.body })
    isAbout(t, hit.age, 0, 'Age')
    clock.set(50)
    isAbout(t, (await ask()).age, 50, 'Age')
    t.equal(origin.requests.length, 1)
    clock.set(62)
    t.not((await ask()).body, first.body, 'its life is over after max-age')
    t.equal(origin.requests.length, 2)
  },
)

t.test('C28 with a Date in the future, Expires counts from that Date (RFC 9111 4.2.1)', async (t) => {
  const { ask, clock } = await start(
    t,
    versions(() => ({ Date: at(3600), Expires: at(3660) })),
  )
  const first = await ask()
  isAbout(t, first.ttl, 60, 'ttl')
  t.match(await ask(), { xCache: 'HIT' })
  clock.set(63)
  t.not((await ask()).body, first.body, 'not an hour more')
})

t.test('RFC 9111 4.2.3: the apparent age counts where there is no Age', async (t) => {
  const { ask, origin } = await start(
    t,
    versions(() => ({ 'Cache-Control': 'max-age=60', Date: at(-40) })),
  )
  isAbout(t, (await ask()).ttl, 20, 'ttl')
  isAbout(t, (await ask()).age, 40, 'Age')
  t.equal(origin.requests.length, 1)
})

t.test('RFC 9111 4.2.3: the larger of Age and the apparent age counts', async (t) => {
  for (const [age, date, expected] of [
    [10, -40, 40],
    [40, -10, 40],
    [40, 3600, 40],
  ]) {
    const { ask } = await start(
      t,
      versions(() => ({ 'Cache-Control': 'max-age=60', Age: String(age), Date: at(date) })),
    )
    isAbout(t, (await ask()).ttl, 60 - expected, `ttl with Age ${age} and Date ${date}`)
    isAbout(t, (await ask()).age, expected, `Age with Age ${age} and Date ${date}`)
  }
})

t.test(
  'RFC 9111 4.2.3: the time that the origin took is added to Age, also when the clock has been set back before',
  async (t) => {
    const clocked = await start(t, (request, exchange) => {
      if (request.target === '/before') return exchange.respond({ body: 'x' })
      clocked.clock.set(30)
      return exchange.respond({ fields: { 'Cache-Control': 'max-age=60', Age: '20' }, body: 'x' })
    })
    clocked.clock.set(3600)
    await get(clocked.url.replace('/x', '/before'))
    clocked.clock.set(0)
    isAbout(t, (await clocked.ask()).ttl, 10, 'ttl')
    const hit = await clocked.ask()
    t.equal(hit.xCache, 'HIT')
    isAbout(t, hit.age, 50, 'Age')
  },
)

t.test(
  'RFC 9111 4.2.3: a clock that went back while the origin answered takes nothing from Age',
  async (t) => {
    const clocked = await start(t, (_request, exchange) => {
      clocked.clock.set(-30)
      return exchange.respond({ fields: { 'Cache-Control': 'max-age=60', Age: '20' }, body: 'x' })
    })
    await clocked.ask()
    isAbout(t, (await clocked.ask()).age, 20, 'Age')
  },
)

t.test('C28 the clock jumps an hour ahead: what is stored is stale, and asked for again', async (t) => {
  const { ask, clock, origin } = await start(t, async (request, exchange) => {
    const fields = { 'Cache-Control': 'max-age=60', ETag: '"a"', Date: new Date(Date.now()).toUTCString() }
    const status = request.header('if-none-match') === undefined ? 200 : 304
    await exchange.respond({ status, fields, body: status === 304 ? '' : 'the body' })
  })
  await ask()
  clock.set(3600)
  t.match(await ask(), { xCache: 'REVALIDATED', body: 'the body' })
  isFreshHit(t, await ask())
  t.equal(origin.requests.length, 2)
})

t.test(
  'C28 the clock is set back behind the storing: validated first, never of a negative age',
  async (t) => {
    const { ask, clock, origin } = await start(t, async (request, exchange) => {
      const fields = { 'Cache-Control': 'max-age=60', ETag: '"a"', Date: new Date(Date.now()).toUTCString() }
      const status = request.header('if-none-match') === undefined ? 200 : 304
      await exchange.respond({ status, fields, body: status === 304 ? '' : 'the body' })
    })
    await ask()
    clock.set(-3600)
    const back = await ask()
    t.match(back, { xCache: 'REVALIDATED', body: 'the body' }, 'nobody knows how long it has been there')
    t.equal(origin.requests[1].header('if-none-match'), '"a"')
    isFreshHit(t, await ask(), 'by the new time it is fresh')
    t.equal(origin.requests.length, 2)
    clock.set(-3590)
    isAbout(t, (await ask()).age, 10, 'Age')
    clock.set(-3539)
    t.equal((await ask()).xCache, 'REVALIDATED', 'its life ends by the new time')
  },
)

t.test('C28 a clock that is corrected by less than a second changes nothing', async (t) => {
  const { ask, clock, origin } = await start(
    t,
    versions(() => ({ 'Cache-Control': 'max-age=60' })),
  )
  await ask()
  clock.set(-0.9)
  isFreshHit(t, await ask())
  t.equal(origin.requests.length, 1)
})

t.test('C28 a response without validator, and the clock set back: fetched anew', async (t) => {
  const { ask, clock, origin } = await start(
    t,
    versions(() => ({ 'Cache-Control': 'max-age=60' })),
  )
  const first = await ask()
  clock.set(-3600)
  const second = await ask()
  t.not(second.body, first.body)
  t.match(await ask(), { xCache: 'HIT', body: second.body })
  t.equal(origin.requests.length, 2)
})

t.test('C28 set back: what may not be validated now is not served to only-if-cached', async (t) => {
  const { ask, clock, url } = await start(
    t,
    versions(() => ({ 'Cache-Control': 'max-age=60' })),
  )
  await ask()
  clock.set(-3600)
  t.equal((await get(url, { headers: { 'Cache-Control': 'only-if-cached' } })).status, 504)
})

t.test('C28 windows of stale answers move with the clock', async (t) => {
  const { ask, clock, origin } = await start(
    t,
    versions(() => ({ 'Cache-Control': 'max-age=60, stale-if-error=60' })),
  )
  const first = await ask()
  origin.use((_request, exchange) => exchange.respond({ status: 503, body: 'sorry' }))
  clock.set(90)
  const stale = await ask()
  t.match(stale, { xCache: 'STALE', body: first.body })
  isAbout(t, stale.age, 90, 'Age')
  clock.set(7200)
  t.equal((await ask()).body, 'sorry', 'the window is over')
  clock.set(30)
  t.match(await ask(), { xCache: 'HIT', body: first.body }, 'the error did not take it away')
})

t.test('C28 the clock jumps about: every answer is whole, and of one version', async (t) => {
  let version = 0
  const files = [bytesOf(1, 3 * SLICE + 5), bytesOf(2, 3 * SLICE + 5)]
  const { clock, url } = await start(
    t,
    (_request, exchange) => exchange.respondFile(files[version], { cacheControl: 'max-age=60' }),
    { sliceSize: SLICE, l2: 16 * 1024 * 1024 },
  )
  for (const [turn, seconds] of [0, 3600, -3600, 30, -86_400, 86_400, -1, 61, 0].entries()) {
    clock.set(seconds)
    if (turn % 3 === 2) version = 1 - version
    const range = turn % 2 ? `bytes=${SLICE - 3}-${2 * SLICE + 3}` : undefined
    const answer = await get(url, { range })
    t.ok(answer.complete)
    const parts = range ? files.map((file) => file.subarray(SLICE - 3, 2 * SLICE + 4)) : files
    const which = parts.findIndex((part) => part.equals(answer.body))
    t.not(which, -1, `of one version at ${seconds}`)
    t.ok(Number(answer.header('age') ?? 0) >= 0)
    // A new version is seen by whoever asks for it without the cache.
    const reloaded = await get(url, { headers: { 'Cache-Control': 'no-cache' } })
    t.ok(reloaded.body.equals(files[version]), `reloaded at ${seconds}`)
  }
})

t.test('C28 a restart with the clock set back: what is on disk is validated first', async (t) => {
  const clock = stopClock(t)
  const file = bytesOf(3, 2 * SLICE)
  const origin = await startOrigin(t, (_request, exchange) => exchange.respondFile(file))
  const proxy = await startProxy(t, { upstream: origin.url, sliceSize: SLICE, l2: 16 * 1024 * 1024 })
  await get(`${proxy.url}/x`)
  await proxy.l2!.flush()
  clock.set(-3600)
  await proxy.restart()
  const answer = await get(`${proxy.url}/x`)
  t.equal(answer.header('x-cache'), 'REVALIDATED')
  t.ok(answer.body.equals(file))
  const changed = bytesOf(4, 2 * SLICE)
  origin.use((_request, exchange) => exchange.respondFile(changed))
  t.ok((await get(`${proxy.url}/x`, { headers: { 'Cache-Control': 'no-cache' } })).body.equals(changed))
  await proxy.l2!.flush()
  await proxy.restart()
  t.ok((await get(`${proxy.url}/x`)).body.equals(changed), 'the newer one, though its clock says less')
})
