import { bytesOf } from '../helpers/bytes.ts'
import { connect, get } from '../helpers/client.ts'
import { certificateFile, startOrigin } from '../helpers/origin.ts'
import { until } from '../helpers/until.ts'
import { type Check, SLICE, section } from './live-keys.ts'

const file = bytesOf(7, 8 * SLICE)
const CLOSE = { Connection: 'close' }

/** Caching and what is asked of the origin. */
export const proxyKeys: Record<string, Check> = {
  async upstream_address(t, { origin, fresh, reload }) {
    origin.use((_request, exchange) => exchange.respond({ body: 'first' }))
    const other = await startOrigin(t, (_request, exchange) => exchange.respond({ body: 'second' }))
    t.equal((await get(fresh('/who'))).body.toString(), 'first')
    await reload({ upstream_address: other.url })
    t.equal((await get(fresh('/who'))).body.toString(), 'second')
  },

  async cache_ttl(t, { origin, fresh, reload }) {
    origin.use((_request, exchange) => exchange.respond({ body: 'says nothing of caching' }))
    t.equal(await second(fresh('/ttl')), 'HIT')
    await reload({ cache_ttl: 0 })
    t.not(await second(fresh('/ttl')), 'HIT')
  },

  async max_retries(t, { origin, fresh, reload }) {
    const attempts = async (url: string) => {
      const before = origin.requests.length
      t.equal((await get(url)).status, 502)
      return origin.requests.length - before
    }
    origin.use((_request, exchange) => exchange.reset())
    t.equal(await attempts(fresh('/retries')), 1)
    await reload({ max_retries: 2 })
    t.equal(await attempts(fresh('/retries')), 3)
  },

  async max_concurrent_subrequests(t, { origin, fresh, reload }) {
    const most = async (url: string) => {
      origin.use((_request, exchange) => exchange.respondFile(file))
      for (const i of [1, 3, 5]) await get(url, { range: `bytes=${i * SLICE}-${i * SLICE}` })
      let [now, most] = [0, 0]
      origin.use(async (_request, exchange) => {
        most = Math.max(most, ++now)
        await exchange.stall(50)
        await exchange.respondFile(file)
        now--
      })
      t.ok((await get(url)).body.equals(file))
      return most
    }
    t.ok((await most(fresh('/holes'))) > 1)
    await reload({ max_concurrent_subrequests: 1 })
    t.equal(await most(fresh('/holes')), 1)
  },

  async slice_patterns(t, { origin, fresh, reload }) {
    origin.use((_request, exchange) => exchange.respondFile(file))
    await get(fresh('/a/file'), { range: 'bytes=0-0' })
    t.equal(origin.requests.at(-1)!.header('range'), `bytes=0-${SLICE - 1}`)
    await reload({ slice_patterns: ['/b/*'] })
    await get(fresh('/a/file'), { range: 'bytes=0-0' })
    t.equal(origin.requests.at(-1)!.header('range'), undefined)
  },

  // The timeouts are ten minutes at first: an answer in time is an answer of the new ones.
  async 'upstream.connect_timeout_ms'(t, { fresh, reload }) {
    // Connects, and says nothing of TLS.
    const mute = await startOrigin(t, (_request, exchange) => exchange.stall(exchange.gone))
    await reload({
      upstream_address: mute.url.replace('http:', 'https:'),
      ...section('upstream', { connect_timeout_ms: 100 }),
    })
    t.equal((await get(fresh('/tls'))).status, 504)
  },

  async 'upstream.headers_timeout_ms'(t, { origin, fresh, reload }) {
    origin.use((_request, exchange) => exchange.stall(exchange.gone))
    await reload(section('upstream', { headers_timeout_ms: 100 }))
    t.equal((await get(fresh('/head'))).status, 504)
  },

  async 'upstream.body_timeout_ms'(t, { origin, fresh, reload }) {
    origin.use(async (_request, exchange) => {
      // At once: between two writes this process may stand still for longer than the proxy waits.
      await exchange.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf')
      await exchange.stall(exchange.gone)
    })
    await reload(section('upstream', { body_timeout_ms: 100 }))
    t.match(await get(fresh('/half')), { status: 200, complete: false, length: 4 })
  },

  async 'upstream.max_connections'(t, { origin, server, fresh, reload }) {
    const used = async (atOnce: number) => {
      const before = origin.requests.length
      const { promise: released, resolve: release } = Promise.withResolvers<void>()
      origin.use(async (_request, exchange) => {
        await exchange.stall(released)
        await exchange.respond({ fields: ['Cache-Control', 'no-store'], body: 'x' })
      })
      const answers = [get(fresh('/c1')), get(fresh('/c2'))]
      while (!/^http_requests_in_progress 2$/m.test(await metrics(server.metrics)));
      await until(() => origin.requests.length >= before + atOnce)
      release()
      await Promise.all(answers)
      return new Set(origin.requests.slice(before).map(({ connection }) => connection)).size
    }
    t.equal(await used(2), 2)
    await reload(section('upstream', { max_connections: 1 }))
    t.equal(await used(1), 1)
  },

  async 'upstream.tls_verify'(t, { fresh, reload }) {
    const secure = await startOrigin(t, (_request, exchange) => exchange.respond({ body: 'x' }), {
      tls: true,
    })
    t.ok(certificateFile, 'which nobody has told the server to trust')
    await reload({ upstream_address: secure.url })
    t.equal((await get(fresh('/tls'))).status, 502)
    await reload({ upstream_address: secure.url, ...section('upstream', { tls_verify: false }) })
    t.equal((await get(fresh('/tls'))).status, 200)
  },

  async 'upstream.host_header'(t, { origin, fresh, reload }) {
    origin.use((_request, exchange) => exchange.respond({ body: 'x' }))
    await get(fresh('/host'), { headers: { Host: 'client.example' } })
    t.equal(origin.requests.at(-1)!.header('host'), new URL(origin.url).host)
    await reload(section('upstream', { host_header: 'client' }))
    await get(fresh('/host'), { headers: { Host: 'client.example' } })
    t.equal(origin.requests.at(-1)!.header('host'), 'client.example')
  },

  async targeted_cache_control(t, { origin, fresh, reload }) {
    const fields = ['Mine', 'max-age=60', 'CDN-Cache-Control', 'no-store']
    origin.use((_request, exchange) => exchange.respond({ fields, body: 'x' }))
    t.equal(await second(fresh('/targeted')), 'MISS')
    await reload({ targeted_cache_control: ['Mine'] })
    t.equal(await second(fresh('/targeted')), 'HIT')
  },

  async set_cookie(t, { origin, fresh, reload }) {
    const fields = ['Cache-Control', 'max-age=60', 'Set-Cookie', 'a=1']
    origin.use((_request, exchange) => exchange.respond({ fields, body: 'x' }))
    t.equal(await second(fresh('/cookie'), 'set-cookie'), 'a=1')
    await reload({ set_cookie: 'strip' })
    t.equal(await second(fresh('/cookie'), 'set-cookie'), undefined)
  },

  async cache_status_key(t, { origin, fresh, reload }) {
    origin.use((_request, exchange) => exchange.respond({ body: 'x' }))
    t.notMatch(await second(fresh('/key'), 'cache-status'), 'key=')
    await reload({ cache_status_key: true })
    t.match(await second(fresh('/key'), 'cache-status'), /key=".*\/key/)
  },

  async trusted_proxies(t, { origin, fresh, reload }) {
    const headers = { 'X-Forwarded-For': '203.0.113.9' }
    origin.use((_request, exchange) => exchange.respond({ body: 'x' }))
    await get(fresh('/for'), { headers })
    t.notMatch(origin.requests.at(-1)!.header('x-forwarded-for'), '203.0.113.9')
    await reload({ trusted_proxies: ['127.0.0.0/8'] })
    await get(fresh('/for'), { headers })
    t.match(origin.requests.at(-1)!.header('x-forwarded-for'), '203.0.113.9')
  },
}

export async function metrics(url: string): Promise<string> {
  return (await fetch(`${url}/metrics`, { headers: CLOSE })).text()
}

/** A field of the second answer. */
async function second(url: string, field = 'x-cache'): Promise<string | undefined> {
  const connection = await connect(url)
  try {
    const { pathname } = new URL(url)
    await connection.request(pathname)
    return (await connection.request(pathname)).header(field)
  } finally {
    connection.close()
  }
}
