import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import type { Load } from '../../bench/load/load.ts'
import { putLoad } from '../../bench/load/put-load.ts'
import { programPath } from '../helpers/program-path.ts'
import type { Scope } from '../helpers/scope.ts'

async function serverThatRecords(t: Scope, status = 200) {
  const seen: { path: string; range: string | undefined }[] = []
  const server = createServer((request, response) => {
    seen.push({ path: request.url!, range: request.headers.range })
    response.writeHead(status).end('x')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.closeAllConnections())
  t.teardown(() => server.close())
  return { seen, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

const load = (url: string): Load => ({ url, requests: [{ path: '/a' }], connections: 2, seconds: 0.2 })

/** With wrk where it is installed, and without. */
function withBothClients(name: string, test: (t: Test) => Promise<void>): void {
  t.test(`${name} (wrk)`, { skip: programPath('wrk') === undefined && 'wrk is not installed' }, test)
  t.test(`${name} (autocannon)`, async (t) => {
    process.env.BENCH_CLIENT = 'autocannon'
    t.teardown(() => delete process.env.BENCH_CLIENT)
    await test(t)
  })
}

withBothClients('requests are made in turn, with their fields', async (t) => {
  const { seen, url } = await serverThatRecords(t)
  const requests = [{ path: '/a?1' }, { path: '/b', headers: { Range: 'bytes=1-2' } }]
  const result = await putLoad({ ...load(url), requests })
  t.ok(result.requests > 0 && result.requests <= seen.length)
  t.ok(result.seconds > 0)
  t.same(
    new Set(seen.map(({ path, range }) => `${path} ${range}`)),
    new Set(['/a?1 undefined', '/b bytes=1-2']),
  )
})

withBothClients('fresh: no two requests are for the same', async (t) => {
  const { seen, url } = await serverThatRecords(t)
  await putLoad({ ...load(url), fresh: 'text' })
  t.ok(seen.length > 1)
  t.equal(new Set(seen.map(({ path }) => path)).size, seen.length)
  t.ok(seen.every(({ path }) => path.startsWith('/a?text-')))
})

withBothClients('a request that failed is no result', async (t) => {
  const { url } = await serverThatRecords(t, 503)
  await t.rejects(putLoad(load(url)), /requests failed/)
})
