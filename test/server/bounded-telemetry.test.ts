import t from 'tap'
import { get } from '../helpers/client.ts'
import { startOrigin } from '../helpers/origin.ts'
import { startServer } from '../helpers/server.ts'

/** Names and labels of all series, without their values. */
async function series(metrics: string): Promise<string[]> {
  const text = (await get(`${metrics}/metrics`)).body.toString()
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return lines.map((line) => line.slice(0, line.lastIndexOf(' '))).sort()
}

t.test('H63 what clients choose (paths, hosts, methods, tags) makes no new series', async (t) => {
  const origin = await startOrigin(t, (request, exchange) =>
    exchange.respond({
      status: request.target.includes('odd') ? 299 : 200,
      fields: { 'Cache-Control': 'max-age=60' },
      body: 'x',
    }),
  )
  const server = await startServer(t, {
    upstream_address: origin.url,
    purge: { enabled: true, auth_token: 't' },
  })
  for (const path of ['/first', '/first']) await get(server.url + path)
  const before = await series(server.metrics)
  for (let i = 0; i < 300; i++) {
    const method = ['GET', 'GET', 'POST', 'PROPFIND', 'PURGE'][i % 5]
    const headers = {
      Host: `h${i}.example`,
      'X-Purge-Tag': `t${i}`,
      'X-Purge-Token': 't',
      'X-Request-Id': `id${i}`,
    }
    await get(`${server.url}/${i % 7 === 0 ? 'odd' : 'p'}${i}?q=${i}`, { method, headers })
  }
  const known = new Set(before)
  const added = (await series(server.metrics)).filter((each) => !known.has(each))
  // Event loop and heap tell of kinds of the runtime's own, as they come.
  t.same(
    added.filter((each) => !each.startsWith('nodejs_')),
    [],
  )
})

t.test('H63 an origin that is down does not write a line for each request', async (t) => {
  const origin = await startOrigin(t, (_request, exchange) => exchange.respond({ body: 'x' }))
  const server = await startServer(t, { upstream_address: origin.url, max_retries: 0 })
  await get(`${server.url}/a`)
  await origin.stop()
  const before = server.stdout.length
  for (let i = 0; i < 200; i++) t.equal((await get(`${server.url}/${i}`)).status, 502)
  const lines = server.stdout.slice(before).split('\n').length
  t.ok(lines < 10, `${lines} lines of 200 failures`)
})

t.test('H63 a scrape is answered while hundreds of clients are', async (t) => {
  const origin = await startOrigin(t, (_request, exchange) =>
    exchange.respond({ fields: { 'Cache-Control': 'max-age=60' }, body: Buffer.alloc(200_000) }),
  )
  const server = await startServer(t, { upstream_address: origin.url })
  await get(`${server.url}/a`)
  let answered = 0
  const clients = Array.from({ length: 200 }, async (_, i) => {
    for (let turn = 0; turn < 10; turn++) {
      const { status } = await get(`${server.url}/${turn % 2 === 0 ? 'a' : `b${i}`}`)
      if (status === 200) answered++
    }
  })
  const scrapes: boolean[] = []
  while (answered < 1500) {
    const at = answered
    const { status, body } = await get(`${server.metrics}/metrics`)
    scrapes.push(status === 200 && body.includes('http_requests_total') && at < 2000)
  }
  await Promise.all(clients)
  t.equal(answered, 2000)
  t.ok(scrapes.length > 0 && scrapes.every(Boolean), `${scrapes.length} scrapes meanwhile`)
})
