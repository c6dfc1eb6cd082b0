import { setTimeout as wait } from 'node:timers/promises'
import { connect, get, stalledClient } from '../helpers/client.ts'
import { until } from '../helpers/until.ts'
import { type Bench, type Check, section } from './live-keys.ts'
import { metrics } from './live-proxy-keys.ts'

const LONG = 60_000

/** Clients, pressure, purging, logs and the end. */
export const serviceKeys: Record<string, Check> = {
  async 'client.max_connections'(t, { origin, fresh, reload }) {
    origin.use((_request, exchange) => exchange.respond({ body: 'x' }))
    const holder = await connect(fresh('/'))
    t.teardown(() => holder.close())
    t.equal((await holder.request('/held')).status, 200)
    t.equal((await get(fresh('/second'))).status, 200)
    await reload(section('client', { max_connections: 1 }))
    const second = await get(fresh('/second')).catch(() => ({ status: 0 }))
    t.equal(second.status, 0, 'closed as it came')
    t.equal((await holder.request('/held')).status, 200)
  },

  // The times are ten minutes at first: a connection that is closed was closed by the new ones.
  async 'client.header_timeout_ms'(t, { fresh, reload }) {
    await reload(section('client', { header_timeout_ms: 100 }))
    const connection = await connect(fresh('/'))
    t.teardown(() => connection.close())
    connection.write('GET / HTTP/1.1\r\nHost: a\r\nX-Ha')
    t.match(await connection.answer(), { status: 408 })
  },

  async 'client.body_timeout_ms'(t, { origin, fresh, reload }) {
    origin.use((_request, exchange) => exchange.stall(exchange.gone))
    await reload(section('client', { body_timeout_ms: 100 }))
    const connection = await connect(fresh('/'))
    t.teardown(() => connection.close())
    connection.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf')
    t.match(await connection.answer(), { status: 408 })
  },

  async 'client.send_timeout_ms'(t, { origin, server, fresh, reload }) {
    origin.use((_request, exchange) => exchange.respondFile(Buffer.alloc(32 * 1024 * 1024)))
    await reload(section('client', { send_timeout_ms: 100 }))
    const socket = await stalledClient(fresh('/large'))
    t.teardown(() => socket.destroy())
    t.ok(
      await eventually(async () =>
        /^client_timeouts_total\{in="send"\} [1-9]/m.test(await metrics(server.metrics)),
      ),
    )
  },

  async 'client.idle_timeout_ms'(t, { origin, fresh, reload }) {
    origin.use((_request, exchange) => exchange.respond({ body: 'x' }))
    await reload(section('client', { idle_timeout_ms: 100 }))
    const connection = await connect(fresh('/'))
    t.teardown(() => connection.close())
    t.equal((await connection.request('/')).status, 200)
    await until(() => connection.wire.ended !== null, LONG)
    t.pass('closed')
  },

  async 'pressure.max_rss_bytes'(t, bench) {
    t.equal(await status(bench), 200)
    await bench.reload(section('pressure', { max_rss_bytes: 1 }))
    t.ok(await eventually(async () => (await status(bench)) === 503))
  },

  async 'pressure.retry_after_seconds'(t, { fresh, reload }) {
    const retryAfter = async () => (await get(fresh('/busy'))).header('retry-after')
    await reload(section('pressure', { max_rss_bytes: 1 }))
    t.ok(await eventually(async () => (await retryAfter()) === '10'))
    await reload(section('pressure', { max_rss_bytes: 1, retry_after_seconds: 77 }))
    t.equal(await retryAfter(), '77')
  },

  async 'pressure.max_event_loop_delay_ms'(t, bench) {
    // A process that is stopped is late with everything; the delay has to last, so it is stopped again and again.
    const afterPauses = async () => {
      for (let i = 0; i < 12; i++) {
        bench.server.process.kill('SIGSTOP')
        await wait(400)
        bench.server.process.kill('SIGCONT')
        if ((await status(bench)) === 503) return true
        await wait(100)
      }
      return false
    }
    t.equal(await afterPauses(), false)
    await bench.reload(section('pressure', { max_event_loop_delay_ms: 1 }))
    t.ok(await eventually(afterPauses))
  },

  async 'pressure.max_event_loop_percent'(t, bench) {
    t.equal(await status(bench), 200)
    await bench.reload(section('pressure', { max_event_loop_percent: 1 }))
    t.ok(await eventually(async () => (await status(bench)) === 503))
  },

  async 'purge.enabled'(t, { fresh, reload }) {
    const status = async () => (await get(fresh('/'), { method: 'PURGE' })).status
    t.equal(await status(), 405)
    await reload({ purge: { enabled: true } })
    t.equal(await status(), 200)
  },

  async 'purge.auth_token'(t, { fresh, reload }) {
    const headers = { Authorization: 'Bearer new' }
    const status = async () => (await get(fresh('/'), { method: 'PURGE', headers })).status
    await reload({ purge: { enabled: true, auth_token: 'old' } })
    t.equal(await status(), 401)
    await reload({ purge: { enabled: true, auth_token: 'new' } })
    t.equal(await status(), 200)
  },

  async access_log(t, bench) {
    await bench.reload({ access_log: true })
    await get(bench.fresh('/told'))
    await until(() => /"msg":"access".*\/told|\/told.*"msg":"access"/.test(bench.server.stdout))
    await bench.reload({ access_log: false })
    await get(bench.fresh('/untold'))
    await bench.reload({ access_log: true })
    await get(bench.fresh('/again'))
    await until(() => bench.server.stdout.includes('/again'))
    t.notMatch(bench.server.stdout, '/untold')
  },

  async log_level(t, bench) {
    await bench.reload({ access_log: true, log_level: 'warn' })
    await get(bench.fresh('/quiet'))
    await bench.reload({ access_log: true, log_level: 'info' })
    await get(bench.fresh('/loud'))
    await until(() => bench.server.stdout.includes('/loud'))
    t.notMatch(bench.server.stdout, '/quiet')
  },

  // Ends the server. It had ten minutes at first.
  async shutdown_timeout_ms(t, { origin, server, fresh, reload }) {
    const { promise: asked, resolve } = Promise.withResolvers<void>()
    origin.use(async (_request, exchange) => {
      resolve()
      await exchange.stall(exchange.gone)
    })
    await reload({ shutdown_timeout_ms: 1000 })
    const answer = get(fresh('/never')).catch(() => null)
    await asked
    t.equal(await server.kill('SIGTERM'), 0)
    t.match(server.stdout, 'cutting 1 connections')
    await answer
  },
}

async function status({ origin, fresh }: Bench): Promise<number> {
  origin.use((_request, exchange) => exchange.respond({ body: 'x' }))
  return (await get(fresh('/busy'))).status
}

async function eventually(isSo: () => Promise<boolean>): Promise<boolean> {
  for (const end = performance.now() + LONG; performance.now() < end; ) if (await isSo()) return true
  return false
}
