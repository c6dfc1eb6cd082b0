import t from 'tap'
import { bytesOf } from '../../helpers/bytes.ts'
import { get } from '../../helpers/client.ts'
import { fileOrigin } from '../../helpers/file-origin.ts'
import { etagOf, JANUARY } from '../../helpers/file-response.ts'
import { startOrigin } from '../../helpers/origin.ts'
import { startProxy } from '../../helpers/proxy.ts'
import { until } from '../../helpers/until.ts'

const SLICE = 65_536
const file = bytesOf(7, 2 * SLICE + 9)

t.test('conditions are answered from the cache', async (t) => {
  const origin = await fileOrigin(t, { '/file': file })
  const proxy = await startProxy(t, { upstream: origin.url, sliceSize: SLICE })
  const url = `${proxy.url}/file`
  await get(url)
  const etag = etagOf(file)
  const later = 'Fri, 02 Jan 2026 00:00:00 GMT'
  const notModified: Record<string, string>[] = [
    { 'If-None-Match': etag },
    { 'If-None-Match': `"x", W/${etag}` },
    { 'If-None-Match': '*' },
    { 'If-Modified-Since': JANUARY },
    { 'If-Modified-Since': later },
    { 'If-None-Match': etag, 'If-Modified-Since': 'Wed, 01 Jan 2025 00:00:00 GMT' },
  ]
  for (const headers of notModified) {
    for (const method of ['GET', 'HEAD']) {
      const answer = await get(url, { headers, method })
      t.match(answer, { status: 304, length: 0, complete: true }, `${method} ${JSON.stringify(headers)}`)
      t.equal(answer.header('etag'), etag)
      t.equal(answer.header('x-cache'), 'HIT')
      t.equal(answer.header('content-type'), undefined)
    }
  }
  const modified: Record<string, string>[] = [
    { 'If-None-Match': '"x"' },
    { 'If-Modified-Since': 'Wed, 01 Jan 2025 00:00:00 GMT' },
    { 'If-Modified-Since': 'no date' },
    { 'If-None-Match': '"x"', 'If-Modified-Since': later },
    { 'If-Match': etag },
    { 'If-Unmodified-Since': later },
  ]
  for (const headers of modified)
    t.ok((await get(url, { headers })).body.equals(file), JSON.stringify(headers))
  t.equal((await get(url, { headers: { 'If-Match': '"x"' } })).status, 412)
  t.equal(origin.requests.length, 1)
})

t.test('a condition of the first client does not keep the object from being stored', async (t) => {
  const origin = await fileOrigin(t, { '/file': file })
  const proxy = await startProxy(t, { upstream: origin.url, sliceSize: SLICE })
  const headers = { 'If-None-Match': etagOf(file) }
  t.match(await get(`${proxy.url}/file`, { headers }), { status: 304, length: 0 })
  t.equal(origin.requests[0].header('if-none-match'), undefined)
  t.ok((await get(`${proxy.url}/file`)).body.equals(file))
})

t.test('a stale object is validated, and a 304 makes it fresh with its fields renewed', async (t) => {
  let cacheControl = 'max-age=0'
  const origin = await startOrigin(t, (_request, exchange) =>
    exchange.respondFile(file, { cacheControl, fields: { 'X-Version': String(origin.requests.length) } }),
  )
  const proxy = await startProxy(t, { upstream: origin.url, sliceSize: SLICE, l2: 16 * 1024 * 1024 })
  const url = `${proxy.url}/file`
  await get(url)
  cacheControl = 'max-age=60'
  const again = await get(url)
  t.equal(again.header('x-cache'), 'REVALIDATED')
  t.ok(again.body.equals(file))
  t.equal(again.header('x-version'), '2')
  t.equal(origin.requests[1].header('if-none-match'), etagOf(file))
  t.equal(origin.requests[1].header('if-modified-since'), JANUARY)
  const third = await get(url)
  t.equal(third.header('x-cache'), 'HIT')
  t.equal(third.header('x-version'), '2')
  t.match(proxy.counters, { revalidated: 1 })
  await proxy.l2!.flush()
  await proxy.restart()
  t.equal((await get(url)).header('x-version'), '2', 'also after a restart')
  t.equal(origin.requests.length, 2)
})

t.test('a stale object that changed is replaced, its old slices never used again', async (t) => {
  const young = bytesOf(8, 3 * SLICE + 1)
  const origin = await fileOrigin(t, { '/file': file }, { cacheControl: 'max-age=0' })
  const proxy = await startProxy(t, { upstream: origin.url, sliceSize: SLICE })
  await get(`${proxy.url}/file`)
  origin.files['/file'] = young
  const answer = await get(`${proxy.url}/file`)
  t.equal(answer.header('x-cache'), 'EXPIRED')
  t.ok(answer.body.equals(young))
  t.ok((await get(`${proxy.url}/file`)).body.equals(young))
  await until(() => proxy.l1!.stats().bytes < young.length * 1.2)
})

t.test('a stale object without a validator is fetched anew', async (t) => {
  const options = { cacheControl: 'max-age=0, stale-if-error=60', etag: null, lastModified: null }
  const origin = await fileOrigin(t, { '/file': file }, options)
  const proxy = await startProxy(t, { upstream: origin.url, sliceSize: SLICE })
  await get(`${proxy.url}/file`)
  t.ok((await get(`${proxy.url}/file`)).body.equals(file))
  t.equal(origin.requests[1].header('if-none-match'), undefined)
})

t.test('a herd on a stale object: one validation', async (t) => {
  const origin = await fileOrigin(t, { '/file': file }, { cacheControl: 'max-age=0' })
  const proxy = await startProxy(t, { upstream: origin.url, sliceSize: SLICE })
  await get(`${proxy.url}/file`)
  origin.use(async (_request, exchange) => {
    await until(() => proxy.counters.requests === 101)
    await exchange.respondFile(file, { cacheControl: 'max-age=60' })
  })
  const answers = await Promise.all(Array.from({ length: 100 }, () => get(`${proxy.url}/file`)))
  t.equal(answers.filter((answer) => answer.body.equals(file)).length, 100)
  t.equal(origin.requests.length, 2)
})

t.test('a 304 that forbids to keep the object is obeyed', async (t) => {
  let cacheControl = 'max-age=0'
  const origin = await startOrigin(t, (_request, exchange) => exchange.respondFile(file, { cacheControl }))
  const proxy = await startProxy(t, { upstream: origin.url, sliceSize: SLICE })
  await get(`${proxy.url}/file`)
  cacheControl = 'no-store'
  t.ok((await get(`${proxy.url}/file`)).body.equals(file))
  t.ok((await get(`${proxy.url}/file`)).body.equals(file))
  t.equal(origin.requests[2].header('if-none-match'), undefined, 'nothing is left to be validated')
})

t.test('stale-while-revalidate: the old bytes at once, one refresh behind them', async (t) => {
  const young = bytesOf(9, SLICE)
  const origin = await fileOrigin(
    t,
    { '/file': file },
    { cacheControl: 'max-age=0, stale-while-revalidate=60' },
  )
  const proxy = await startProxy(t, { upstream: origin.url, sliceSize: SLICE })
  await get(`${proxy.url}/file`)
  let refresh = () => {}
  const gate = new Promise<void>((resolve) => (refresh = resolve))
  origin.use(async (_request, exchange) => {
    await exchange.stall(gate)
    await exchange.respondFile(young)
  })
  for (let i = 0; i < 5; i++) {
    const answer = await get(`${proxy.url}/file`)
    t.equal(answer.header('x-cache'), 'STALE')
    t.ok(answer.body.equals(file))
  }
  t.equal(origin.requests.length, 2)
  refresh()
  await until(
    () => proxy.counters.fillsNow === 0 && proxy.counters.bytesFromOrigin >= file.length + young.length,
  )
  const answer = await get(`${proxy.url}/file`)
  t.equal(answer.header('x-cache'), 'HIT')
  t.ok(answer.body.equals(young))
})

t.test('HEAD is answered from the cache, and asked of the origin without a body', async (t) => {
  const origin = await fileOrigin(t, { '/file': file })
  const proxy = await startProxy(t, { upstream: origin.url, sliceSize: SLICE })
  const url = `${proxy.url}/file`
  const cold = await get(url, { method: 'HEAD' })
  t.match(cold, { status: 200, length: 0, complete: true })
  t.equal(cold.header('content-length'), String(file.length))
  t.equal(origin.requests[0].method, 'HEAD')
  await get(url)
  const warm = await get(url, { method: 'HEAD' })
  t.equal(warm.header('x-cache'), 'HIT')
  t.equal(warm.header('content-length'), String(file.length))
  t.equal(origin.requests.length, 2)
})
