import t from 'tap'
import { get } from '../../helpers/client.ts'
import { startOrigin } from '../../helpers/origin.ts'
import { startProxy } from '../../helpers/proxy.ts'

/** What the proxy writes for the origin, or an origin relies on: CVE-2026-33805. */
const NOT_TO_BE_REMOVED = [
  'X-Forwarded-For',
  'X-Forwarded-Host',
  'X-Forwarded-Proto',
  'Via',
  'Host',
  'Authorization',
  'Cookie',
  'Cache-Control',
  'Content-Type',
  'Content-Length',
]

for (const name of NOT_TO_BE_REMOVED) {
  t.test(`F45 a client cannot remove ${name} by naming it in Connection`, async (t) => {
    const origin = await startOrigin(t, (_request, exchange) => exchange.respond({ body: 'x' }))
    const proxy = await startProxy(t, { upstream: origin.url })
    for (const nomination of [name, name.toLowerCase(), `close, ${name} ,x`]) {
      const headers = {
        Connection: nomination,
        Authorization: 'Basic eDp5',
        Via: '1.0 front',
        Cookie: 'a=1',
        'Cache-Control': 'no-store',
      }
      await get(`${proxy.url}/x`, {
        method: 'POST',
        body: 'b',
        headers: { ...headers, 'Content-Type': 'text/plain' },
      })
      t.type(origin.requests.at(-1)!.header(name), 'string', nomination)
      t.equal(
        origin.requests.at(-1)!.header('via'),
        '1.0 front, 1.1 slicestream',
        'nor what others wrote there',
      )
    }
  })
}

t.test('F45 fields that a response names in Connection are neither passed on nor stored', async (t) => {
  const origin = await startOrigin(t, (_request, exchange) =>
    exchange.respond({
      fields: {
        'Cache-Control': 'max-age=60',
        Connection: 'X-Hop, X-Other, Keep-Alive',
        'X-Hop': '1',
        'x-other': '2',
        'X-Stays': '3',
      },
      body: 'x',
    }),
  )
  const proxy = await startProxy(t, { upstream: origin.url, l2: 1024 * 1024 })
  const check = async (result: string) => {
    const answer = await get(`${proxy.url}/x`)
    t.equal(answer.header('x-cache'), result)
    for (const name of ['x-hop', 'x-other']) t.equal(answer.header(name), undefined, `${name}, ${result}`)
    t.equal(answer.header('x-stays'), '3')
    t.notMatch(answer.header('connection') ?? '', /x-hop/i)
  }
  await check('MISS')
  await check('HIT')
  await proxy.l2!.flush()
  await proxy.restart()
  await check('HIT')
})

t.test('F45 a response cannot lose by Connection what says how it may be stored', async (t) => {
  for (const [name, value] of [
    ['Cache-Control', 'no-store'],
    ['Cache-Control', 'private, max-age=60'],
    ['Vary', '*'],
  ]) {
    const origin = await startOrigin(t, (_request, exchange) =>
      exchange.respond({
        fields: { 'Cache-Control': 'max-age=60', [name]: value, Connection: name },
        body: 'x',
      }),
    )
    const proxy = await startProxy(t, { upstream: origin.url })
    for (let i = 0; i < 2; i++)
      t.not((await get(`${proxy.url}/x`)).header('x-cache'), 'HIT', `${name}: ${value}`)
    t.equal(origin.requests.length, 2)
  }
})
