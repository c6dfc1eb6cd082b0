import t from 'tap'
import { bytesOf } from '../../helpers/bytes.ts'
import { connect, get } from '../../helpers/client.ts'
import { stopClock } from '../../helpers/clock.ts'
import { fileOrigin } from '../../helpers/file-origin.ts'
import { startProxy } from '../../helpers/proxy.ts'
import { until } from '../../helpers/until.ts'

const SLICE = 65_536
const file = bytesOf(60, 12 * SLICE + 5)

t.test('slice_patterns: what matches is fetched by slices, the rest whole', async (t) => {
  const files = { '/video/a.mp4': file, '/video/b.txt': file, '/c.mp4': file }
  const origin = await fileOrigin(t, files)
  const slicePatterns = ['/video/*.mp4', '/iso/**']
  const proxy = await startProxy(t, { upstream: origin.url, sliceSize: SLICE, slicePatterns })
  const range = `bytes=${3 * SLICE + 1}-${3 * SLICE + 10}`
  for (const [path, asked] of [
    ['/video/a.mp4?q=1', `bytes=${3 * SLICE}-${4 * SLICE - 1}`],
    ['/video/b.txt', undefined],
    ['/c.mp4', undefined],
  ] as const) {
    const answer = await get(proxy.url + path, { range })
    t.equal(answer.status, 206)
    t.ok(answer.body.equals(file.subarray(3 * SLICE + 1, 3 * SLICE + 11)), path)
    t.equal(origin.requests.at(-1)!.header('range'), asked, path)
  }
})

t.test('what was fetched whole is cut as it passes: a later range is a hit', async (t) => {
  const origin = await fileOrigin(t, { '/a': file })
  const proxy = await startProxy(t, { upstream: origin.url, sliceSize: SLICE, slicePatterns: ['/none'] })
  await get(`${proxy.url}/a`)
  const answer = await get(`${proxy.url}/a`, { range: `bytes=${SLICE - 1}-${2 * SLICE}` })
  t.equal(answer.header('x-cache'), 'HIT')
  t.ok(answer.body.equals(file.subarray(SLICE - 1, 2 * SLICE + 1)))
  t.equal(origin.requests.length, 1)
})

t.test('max_concurrent_subrequests: holes are fetched side by side, never more than that many', async (t) => {
  for (const limit of [1, 2, 4]) {
    const origin = await fileOrigin(t, { '/a': file })
    const proxy = await startProxy(t, {
      upstream: origin.url,
      sliceSize: SLICE,
      maxConcurrentSubrequests: limit,
    })
    // Every second slice is stored: six holes.
    for (let i = 1; i < 12; i += 2) await get(`${proxy.url}/a`, { range: `bytes=${i * SLICE}-${i * SLICE}` })
    const before = origin.requests.length
    let inFlight = 0
    let most = 0
    origin.use(async (_request, exchange) => {
      most = Math.max(most, ++inFlight)
      await exchange.stall(40)
      await exchange.respondFile(file)
      inFlight--
    })
    const answer = await get(`${proxy.url}/a`)
    t.ok(answer.body.equals(file))
    t.equal(most, limit)
    const ranges = origin.requests.slice(before).map((request) => request.header('range'))
    t.equal(new Set(ranges).size, ranges.length, 'no hole is fetched twice')
    t.ok(ranges.length >= 6)
    await proxy.close()
  }
})

t.test('a run of missing slices is one upstream request', async (t) => {
  const origin = await fileOrigin(t, { '/a': file })
  const proxy = await startProxy(t, { upstream: origin.url, sliceSize: SLICE })
  await get(`${proxy.url}/a`, { range: 'bytes=0-0' })
  t.ok((await get(`${proxy.url}/a`)).body.equals(file))
  t.same(
    origin.requests.map((request) => request.header('range')),
    [`bytes=0-${SLICE - 1}`, `bytes=${SLICE}-${file.length - 1}`],
  )
})

t.test('enable_cache: false, or no tier: everything is passed through and nothing kept', async (t) => {
  const origin = await fileOrigin(t, { '/a': file })
  for (const options of [{ enableCache: false }, { l1: 0 }]) {
    const proxy = await startProxy(t, { upstream: origin.url, ...options })
    const before = origin.requests.length
    for (let i = 0; i < 2; i++) {
      const answer = await get(`${proxy.url}/a`)
      t.equal(answer.header('x-cache'), 'BYPASS')
      t.ok(answer.body.equals(file))
    }
    const part = await get(`${proxy.url}/a`, { range: 'bytes=5-9' })
    t.match(part, { status: 206 })
    t.equal(part.header('content-range'), `bytes 5-9/${file.length}`)
    t.ok(part.body.equals(file.subarray(5, 10)))
    t.equal(origin.requests.length, before + 3)
  }
})

t.test('X-Cache and Cache-Status tell how each answer came about', async (t) => {
  stopClock(t)
  const origin = await fileOrigin(t, { '/a': file, '/stale': file, '/private': file })
  origin.use((request, exchange) => {
    const values: Record<string, string> = { '/stale': 'max-age=0', '/private': 'private' }
    return exchange.respondFile(file, { cacheControl: values[request.target] ?? 'max-age=60' })
  })
  const proxy = await startProxy(t, { upstream: origin.url, sliceSize: SLICE, l2: 16 * 1024 * 1024 })
  const check = async (path: string, xCache: string, status: RegExp, options = {}) => {
    const answer = await get(proxy.url + path, options)
    t.equal(answer.header('x-cache'), xCache, path)
    t.match(answer.header('cache-status'), status)
  }
  await check('/a', 'MISS', /^slicestream; fwd=uri-miss; fwd-status=200; ttl=(59|60); stored$/)
  await check('/a', 'HIT', /^slicestream; hit; ttl=(59|60); detail=l1$/)
  await proxy.l2!.flush()
  await proxy.restart()
  await check('/a', 'HIT', /^slicestream; hit; ttl=(59|60); detail=l2$/)
  await check('/stale', 'MISS', /fwd=uri-miss/)
  await check('/stale', 'REVALIDATED', /slicestream/)
  await check('/private', 'MISS', /^slicestream; fwd=uri-miss; fwd-status=200$/)
  await check('/a', 'BYPASS', /^slicestream; fwd=method; fwd-status=200$/, { method: 'POST' })
  await check('/a', 'BYPASS', /^slicestream; fwd=request; fwd-status=200$/, { body: 'x' })
  await check('/hole', 'MISS', /fwd=uri-miss/, { range: 'bytes=0-0' })
  await check('/hole', 'MISS', /^slicestream; fwd=partial/, { range: `bytes=0-${SLICE}` })
})

t.test('a follower of a running transfer is told that it waited for another one', async (t) => {
  const origin = await fileOrigin(t, { '/a': file })
  let goOn = () => {}
  origin.use(async (_request, exchange) => {
    await exchange.stall(new Promise<void>((resolve) => (goOn = resolve)))
    await exchange.respondFile(file)
  })
  const proxy = await startProxy(t, { upstream: origin.url, sliceSize: SLICE })
  const leader = await connect(proxy.url)
  leader.write(`GET /a HTTP/1.1\r\nHost: 127.0.0.1:${proxy.port}\r\n\r\n`)
  await until(() => origin.requests.length === 1)
  const follower = get(`${proxy.url}/a`)
  await until(() => proxy.counters.coalesced === 1)
  goOn()
  t.notMatch((await leader.answer()).header('cache-status'), /collapsed/)
  t.match((await follower).header('cache-status'), /; collapsed/)
  leader.close()
})
