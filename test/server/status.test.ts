import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { StatusReport } from '../../lib/status/status.ts'
import { bytesOf } from '../helpers/bytes.ts'
import { get } from '../helpers/client.ts'
import { startOrigin } from '../helpers/origin.ts'
import { startServer } from '../helpers/server.ts'
import { untilStatus } from '../status/ask.ts'
import { fieldNames } from '../status/names.ts'
import { metricsIn, SLICE, startRawServer } from './raw-disk.ts'

const MIB = 1024 * 1024
const files: Record<string, Buffer> = {
  '/a': bytesOf(1, 50_000),
  '/b': bytesOf(2, 200_000),
  '/c': bytesOf(3, 1000),
}

/** Serves the files; `/stalled` has half of its body and no more until `release` is called; `/503` and `/broken` are trouble. */
async function scriptedOrigin(t: Parameters<typeof startOrigin>[0]) {
  const { promise: released, resolve: release } = Promise.withResolvers<void>()
  const stalled = bytesOf(4, 3 * MIB)
  const origin = await startOrigin(t, async (request, exchange) => {
    const path = request.target.split('?')[0]
    if (path === '/stalled') {
      await exchange.head({ fields: { 'Content-Length': String(stalled.length), ETag: '"s"' } })
      await exchange.write(stalled.subarray(0, MIB))
      await exchange.stall(released)
      return exchange.write(stalled.subarray(MIB))
    }
    if (path === '/503') return exchange.respond({ status: 503, body: 'busy\n' })
    const file = files[path]
    return file ? exchange.respondFile(file) : exchange.respond({ status: 404, body: 'none\n' })
  })
  return { origin, release }
}

t.test('the figures are those of what was sent', async (t) => {
  const { origin, release } = await scriptedOrigin(t)
  const server = await startServer(t, { upstream_address: origin.url, l1_cache_size_bytes: 64 * MIB })
  await untilStatus(server.health, ({ history }) => history.at.length > 0)
  const asked = ['/a', '/a', '/b', '/a?q=1', '/a', '/a', '/b', '/b', '/c', '/404']
  for (const path of asked) await get(server.url + path)
  const sent = asked.reduce((sum, path) => sum + (files[path.split('?')[0]]?.length ?? 'none\n'.length), 0)
  const cached = 3 * files['/a'].length + 2 * files['/b'].length

  const report = await untilStatus(server.health, ({ latest }) => (latest?.requestsPerSecond ?? 0) > 0)
  t.match(report.totals, {
    requests: asked.length,
    responses: { '2xx': 9, '4xx': 1, '5xx': 0 },
    l1Hits: 5,
    l2Hits: 0,
    misses: 5,
    bytesToClients: sent,
    bytesFromCache: cached,
    bytesFromOrigin: sent - cached,
    subrequests: 5,
    subrequestFailures: 0,
  })
  const host = server.url
  const [first, second] = report.hotObjects
  t.match([first.target, second.target], [`${host}/a`, `${host}/b`])
  t.same(
    report.hotObjects.map(({ target }) => target).sort(),
    ['/404', '/a', '/b', '/c'].map((path) => host + path),
  )
  t.match(report.health, { status: 'healthy', readiness: 'ready', draining: false })
  t.match(report.stores, { l1: { maxBytes: 64 * MIB, hits: Number }, l2: Object })
  t.equal(report.rawDisk, null)
  t.same(report.problems, [])
  t.equal(
    report.service.version,
    JSON.parse(readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8')).version,
  )
  // All that was asked lies in the samples taken so far: their sum over time is its number.
  const whole = await untilStatus(server.health, ({ history }) => samples(history) >= asked.length - 0.01)
  t.ok(Math.abs(samples(whole.history) - asked.length) < 0.1)

  await t.test('a transfer that goes on is told while it does', async (t) => {
    const download = get(`${server.url}/stalled?token=secret`)
    const during = await untilStatus(server.health, ({ fills }) => fills.largest[0]?.received === MIB)
    t.match(during.fills, {
      count: 1,
      largest: [{ target: `${host}/stalled`, from: 0, received: MIB, length: 3 * MIB, readers: 1 }],
    })
    t.notMatch(JSON.stringify(during), /secret/, 'no query is shown')
    release()
    t.ok((await download).complete)
    const after = await untilStatus(server.health, ({ fills }) => fills.count === 0)
    t.same(after.fills, { count: 0, largest: [] })
  })

  await t.test('errors are told, those of one kind as one', async (t) => {
    await get(`${server.url}/503`)
    await origin.stop()
    for (const path of ['/dead?token=secret', '/dead2']) t.equal((await get(server.url + path)).status, 502)
    const { problems, health, totals } = await untilStatus(server.health, () => true)
    const refused = problems.find(({ text }) => /ECONNREFUSED/.test(text))
    t.match(refused, { kind: 'origin', target: `${origin.url}/dead2`, count: totals!.subrequestFailures })
    t.match(
      problems.find(({ text }) => text === 'answered 503'),
      { kind: 'origin', target: `${origin.url}/503`, count: 1 },
    )
    t.equal(health!.status, 'degraded')
    t.notMatch(JSON.stringify(problems), /secret/)
  })
})

/** How many requests the samples of a history stand for, without the first: when its interval began is not told. */
function samples({ at, requestsPerSecond }: StatusReport['history']): number {
  return requestsPerSecond.reduce<number>(
    (sum, rate, i) => (i === 0 ? sum : sum + ((rate ?? 0) * (at[i] - at[i - 1])) / 1000),
    0,
  )
}

t.test('with a raw disk: its regions, and every field that docs/status.md describes', async (t) => {
  const { origin, release } = await scriptedOrigin(t)
  const raw = await startRawServer(t, origin.url)
  for (const path of ['/a', '/a', '/b', '/503']) await raw.ask(path)
  const download = raw.ask('/stalled')
  const figures = await raw.settled()
  const report = await untilStatus(
    raw.server.health,
    ({ latest, fills, problems }) => latest !== null && fills.count > 0 && problems.length > 0,
  )
  const { rawDisk } = report
  const states = Buffer.from(rawDisk!.cellStates, 'base64')
  t.equal(states.length, rawDisk!.regions)
  t.equal(rawDisk!.regions, figures.raw_disk_regions)
  t.equal(states.filter((state) => state === 0).length, rawDisk!.cleanRegions)
  t.equal(states.filter((state) => state === 1).length, 1, 'one region is open')
  t.equal(Buffer.from(rawDisk!.cellLive, 'base64').length, states.length)
  const metrics = metricsIn(await (await fetch(`${raw.server.metrics}/metrics`)).text())
  t.equal(rawDisk!.liveBytes, metrics.raw_disk_live_blocks * 4096)
  t.ok(rawDisk!.liveBytes > 2 * SLICE)

  const page = readFileSync(join(import.meta.dirname, '../../docs/status.md'), 'utf8')
  const documented = [...page.matchAll(/^\| `([^`]+)` \|/gm)].map(([, name]) => name)
  // The memory tier is off here; its fields are those of the disk tier.
  const real = fieldNames({ ...report, stores: { l1: report.stores.l2, l2: report.stores.l2 } })
  const grouped = real.map((name) =>
    name
      .replace(/^stores\.l[12]\./, 'stores.*.')
      .replace(/\.[1-5]xx$/, '.*')
      .replace(/^(?:latest|history)\.(?=\w+PerSecond$|ttfb|requestsInProgress$|l1Bytes$)/, '*.'),
  )
  t.same([...new Set(grouped)].sort(), [...new Set(documented)].sort())
  release()
  await download
})
