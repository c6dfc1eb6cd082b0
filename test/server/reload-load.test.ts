import t from 'tap'
import { bytesOf } from '../helpers/bytes.ts'
import { type Exchange, type OriginRequest, startOrigin } from '../helpers/origin.ts'
import { until } from '../helpers/until.ts'
import { startLoad, type Wanted } from './load.ts'
import { startReloading } from './reloading.ts'

const SLICE = 65_536
const RELOADS = 10
const file = bytesOf(11, 6 * SLICE + 77)

/** The same files as any other, each response slow enough to be under way when another origin takes over. */
function serve(name: string) {
  return async (request: OriginRequest, exchange: Exchange) => {
    if (request.target.startsWith('/who')) {
      return exchange.respond({ fields: ['Cache-Control', 'no-store'], body: name })
    }
    await exchange.stall(20)
    await exchange.respondFile(file, { cacheControl: 'max-age=60' })
  }
}

t.test('H57 the origin is another one ten times, under 200 requests a second: none fails', async (t) => {
  const origins = [await startOrigin(t, serve('a')), await startOrigin(t, serve('b'))]
  const { server, reload } = await startReloading(t, {
    upstream_address: origins[0].url,
    slice_size: SLICE,
    l1_cache_size_bytes: 4 * SLICE, // so that most has to be asked for again
    enable_l2_cache: false,
    // A machine that is busy with other things is not what this is about.
    pressure: { max_event_loop_delay_ms: 0, max_event_loop_percent: 0 },
  })
  const wanted = Array.from({ length: 40 }, (_, i): Wanted[] => {
    const [first, last] = [(i % 5) * SLICE + i, (i % 5) * SLICE + SLICE + 3 * i]
    return [
      { target: `/file/${i}`, status: 200, isRight: (body) => body.equals(file) },
      {
        target: `/file/${i + 1}`,
        range: `bytes=${first}-${last}`,
        status: 206,
        isRight: (body) => body.equals(file.subarray(first, last + 1)),
      },
      { target: '/who', status: 200, isRight: (body) => ['a', 'b'].includes(body.toString()) },
    ]
  }).flat()
  const load = startLoad(server.url, { rate: 200, keeping: 10, opening: 10, wanted })
  for (let i = 1; i <= RELOADS; i++) {
    const before = load.answered
    await until(() => load.answered > before + 40)
    const { url, requests } = origins[i % 2]
    await reload({ upstream_address: url })
    const asked = requests.length
    await until(() => requests.length > asked)
  }
  await load.stop()
  t.same(load.failures, [])
  t.ok(load.answered >= RELOADS * 40, `${load.answered} answers`)
  const [old, now] = [origins[(RELOADS + 1) % 2], origins[RELOADS % 2]]
  await until(() => old.open === 0)
  t.ok(now.open > 0, 'connections to the old origin are closed when their transfers have ended')
  t.equal(await server.kill(), 0)
})
