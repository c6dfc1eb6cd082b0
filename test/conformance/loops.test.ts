import { type AddressInfo, connect, createServer } from 'node:net'
import t, { type Test } from 'tap'
import { get, sendRaw } from '../helpers/client.ts'
import { startOrigin } from '../helpers/origin.ts'
import { startProxy } from '../helpers/proxy.ts'

/** A proxy whose origin is itself: the connections of its upstream lead back to it. */
async function startLoop(t: Test) {
  let port = 0
  const back = createServer((socket) => {
    const onward = connect(port, '127.0.0.1')
    for (const end of [socket, onward]) end.on('error', () => {})
    socket.pipe(onward).pipe(socket)
    socket.on('close', () => onward.destroy())
  })
  await new Promise<void>((resolve) => back.listen(0, '127.0.0.1', resolve))
  t.teardown(() => back.close())
  const upstream = `http://127.0.0.1:${(back.address() as AddressInfo).port}`
  const proxy = await startProxy(t, { upstream, maxRetries: 0, headersTimeout: 5000 })
  port = proxy.port
  return proxy
}

for (const method of ['GET', 'HEAD', 'POST']) {
  t.test(`F48 a proxy that is its own origin: ${method} ends at once, with 508`, async (t) => {
    const proxy = await startLoop(t)
    const answer = await get(`${proxy.url}/x`, { method })
    t.equal(answer.status, 508)
    t.match(answer.header('proxy-status'), /error=proxy_loop_detected/)
    t.ok(proxy.counters.requests <= 10, `${proxy.counters.requests} requests`)
    t.equal((await get(`${proxy.url}/x`, { method })).status, 508, 'and again')
  })
}

t.test('F48 a request for another protocol goes round no more often', async (t) => {
  const proxy = await startLoop(t)
  const upgrade = `GET /x HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`
  const answer = await sendRaw(proxy.url, upgrade)
  t.match(answer.toString(), /^HTTP\/1\.1 508 /)
  t.ok(proxy.counters.requests <= 10, `${proxy.counters.requests} requests`)
})

/** A proxy in front of one that is in front of the origin. */
async function startHierarchy(t: Test) {
  const origin = await startOrigin(t, (_request, exchange) =>
    exchange.respond({ fields: { 'Cache-Control': 'max-age=60' }, body: 'x' }),
  )
  const inner = await startProxy(t, { upstream: origin.url })
  return { origin, outer: await startProxy(t, { upstream: inner.url }) }
}

const OURS = 'slicestream; id=[0-9a-f]+'

t.test('two proxies of our kind in a row are no loop: each is known by its own id (RFC 8586)', async (t) => {
  const { origin, outer } = await startHierarchy(t)
  for (const method of ['GET', 'HEAD', 'POST']) {
    t.equal((await get(`${outer.url}/${method}`, { method })).status, 200, method)
    const { header } = origin.requests.at(-1)!
    t.equal(header('via'), '1.1 slicestream, 1.1 slicestream')
    t.match(header('cdn-loop'), new RegExp(`^${OURS}, ${OURS}$`))
    const [one, other] = header('cdn-loop')!.split(', ')
    t.not(one, other)
  }
})

t.test('a Via that names us, or a CDN-Loop that names others, is no loop', async (t) => {
  const { origin, outer } = await startHierarchy(t)
  const via = Array.from({ length: 20 }, () => '1.1 slicestream').join(', ')
  const cases: [name: string, value: string][] = [
    ['Via', via],
    ['CDN-Loop', 'other; id=1'],
    ['CDN-Loop', 'slicestream; id=0123456789abcdef'],
    ['CDN-Loop', 'slicestream'],
    ['CDN-Loop', '"not, a list'],
  ]
  for (const [index, [name, value]] of cases.entries()) {
    for (const method of ['GET', 'POST']) {
      const answer = await get(`${outer.url}/${index}`, { method, headers: { [name]: value } })
      t.equal(answer.status, 200, `${method} ${name}: ${value}`)
      const seen = origin.requests.at(-1)!.header(name)!
      t.ok(seen.startsWith(`${value}, `), 'what others wrote stays in front (RFC 8586 section 2)')
    }
  }
})

t.test('RFC 8586 section 2: CDN-Loop cannot be removed by Connection', async (t) => {
  const { origin, outer } = await startHierarchy(t)
  for (const method of ['GET', 'POST']) {
    const headers = { 'CDN-Loop': 'other; id=1', Connection: 'CDN-Loop' }
    t.equal((await get(`${outer.url}/x`, { method, headers })).status, 200)
    t.match(origin.requests.at(-1)!.header('cdn-loop'), new RegExp(`^other; id=1, ${OURS}, ${OURS}$`), method)
  }
})
