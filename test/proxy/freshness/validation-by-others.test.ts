import t from 'tap'
import { bytesOf } from '../../helpers/bytes.ts'
import { get, type RequestOptions } from '../../helpers/client.ts'
import { fileOrigin } from '../../helpers/file-origin.ts'
import { startOrigin } from '../../helpers/origin.ts'
import { startProxy } from '../../helpers/proxy.ts'
import { until } from '../until.ts'

const S = 64 * 1024
const file = bytesOf(71, 3 * S + 5)

const requests: Record<string, RequestOptions> = {
  'a HEAD': { method: 'HEAD', headers: { 'Cache-Control': 'max-age=0' } },
  'an Authorization': { headers: { Authorization: 'Basic eDp5', 'Cache-Control': 'max-age=0' } },
  'a no-store request': { headers: { 'Cache-Control': 'no-store, max-age=0' } },
}
for (const [what, options] of Object.entries(requests)) {
  t.test(`a 304 to ${what} does not remove what is stored`, async (t) => {
    const origin = await fileOrigin(t, { '/f': file })
    const proxy = await startProxy(t, { upstream: origin.url, sliceSize: S })
    const url = `${proxy.url}/f`
    await get(url)
    await new Promise((resolve) => setTimeout(resolve, 5))
    t.equal((await get(url, options)).status, 200)
    t.match(origin.requests.at(-1)!.header('if-none-match'), /./, 'validated')
    t.equal((await get(url)).header('x-cache'), 'HIT')
    t.equal(origin.requests.length, 2)
  })
}

t.test('a reload while a body of unknown length is under way leaves a whole object behind', async (t) => {
  const go = Promise.withResolvers<void>()
  const origin = await startOrigin(t, async (request, exchange) => {
    const fields = { ETag: '"v1"', 'Cache-Control': 'max-age=60' }
    if (request.header('if-none-match') === '"v1"') return exchange.respond({ status: 304, fields })
    await exchange.head({ fields: { ...fields, 'Transfer-Encoding': 'chunked' } })
    await exchange.chunk(file.subarray(0, 100))
    if (origin.requests.length === 1) await go.promise
    await exchange.chunk(file.subarray(100))
    await exchange.chunk()
  })
  const proxy = await startProxy(t, { upstream: origin.url, sliceSize: S })
  const url = `${proxy.url}/f`
  const first = get(url)
  await until(() => proxy.counters.fillsNow === 1)
  await new Promise((resolve) => setTimeout(resolve, 20))
  const reload = get(url, { headers: { 'Cache-Control': 'no-cache' } })
  await until(() => origin.requests.length === 2)
  await new Promise((resolve) => setTimeout(resolve, 20))
  go.resolve()
  for (const answer of [await first, await reload, await get(url), await get(url)]) {
    t.ok(answer.complete && answer.body.equals(file))
  }
  t.equal((await get(url, { range: 'bytes=5-9' })).status, 206)
})

t.test('stale-if-error holds for what has no validator too', async (t) => {
  const origin = await startOrigin(t, async (_request, exchange) => {
    if (origin.requests.length > 1) return exchange.respond({ status: 503, body: 'busy' })
    return exchange.respond({ fields: { 'Cache-Control': 'max-age=0, stale-if-error=60' }, body: 'old' })
  })
  const proxy = await startProxy(t, { upstream: origin.url })
  t.equal((await get(`${proxy.url}/f`)).body.toString(), 'old')
  await new Promise((resolve) => setTimeout(resolve, 5))
  const answer = await get(`${proxy.url}/f`)
  t.equal(answer.body.toString(), 'old')
  t.equal(answer.header('x-cache'), 'STALE')
})

t.test('a HEAD refreshes what is served stale meanwhile', async (t) => {
  let version = 1
  const origin = await startOrigin(t, async (_request, exchange) => {
    const fields = { 'Cache-Control': 'max-age=0, stale-while-revalidate=60' }
    return exchange.respond({ fields, body: `version ${version++}` })
  })
  const proxy = await startProxy(t, { upstream: origin.url })
  t.equal((await get(`${proxy.url}/f`)).body.toString(), 'version 1')
  await new Promise((resolve) => setTimeout(resolve, 5))
  t.equal((await get(`${proxy.url}/f`, { method: 'HEAD' })).header('x-cache'), 'STALE')
  await until(() => origin.requests.length === 2 && proxy.counters.fillsNow === 0)
  await new Promise((resolve) => setTimeout(resolve, 20))
  t.equal((await get(`${proxy.url}/f`)).body.toString(), 'version 2')
})
