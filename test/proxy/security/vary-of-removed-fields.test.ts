import t, { type Test } from 'tap'
import { get } from '../../helpers/client.ts'
import { startOrigin } from '../../helpers/origin.ts'
import { type StartProxyOptions, startProxy } from '../../helpers/proxy.ts'

/** An origin that answers by one field, and says so. */
async function start(t: Test, name: string, options: Partial<StartProxyOptions> = {}) {
  const origin = await startOrigin(t, (request, exchange) =>
    exchange.respond({
      fields: { 'Cache-Control': 'max-age=60', Vary: name },
      body: `for ${request.header(name) ?? 'nobody'}`,
    }),
  )
  const proxy = await startProxy(t, { upstream: origin.url, ...options })
  return (headers: Record<string, string>) => get(`${proxy.url}/x`, { headers })
}

/*
 * The origin chose by what reached it. Who sends a field that does not go upstream must not put the answer for
 * requests without that field in the place of the answer for requests with it.
 */
t.test('a field that its client removes by Connection does not select what is stored', async (t) => {
  for (const name of ['X-Tenant', 'Accept-Language', 'Accept-Encoding', 'Accept', 'Origin', 'User-Agent']) {
    const ask = await start(t, name)
    t.equal((await ask({ [name]: 'victim', Connection: name })).body.toString(), 'for nobody')
    t.equal((await ask({ [name]: 'victim' })).body.toString(), 'for victim', name)
    t.equal((await ask({})).body.toString(), 'for nobody', name)
    t.equal((await ask({ [name]: 'victim', Connection: name })).body.toString(), 'for nobody', name)
  }
})

t.test('nor one that is taken from strangers', async (t) => {
  for (const name of ['X-Original-URL', 'X-Forwarded-Prefix', 'Forwarded']) {
    const ask = await start(t, name)
    t.equal((await ask({ [name]: '/admin' })).body.toString(), 'for nobody')
    const plain = await ask({})
    t.equal(plain.body.toString(), 'for nobody')
    t.equal(plain.header('x-cache'), 'HIT', `${name}: to the origin both were one request`)
  }
})

t.test('a field that reaches the origin selects, Connection or not', async (t) => {
  for (const name of ['Cookie', 'Authorization', 'X-Tenant']) {
    const ask = await start(t, name, {})
    t.equal((await ask({ [name]: 'a', Connection: 'keep-alive, X-Other' })).body.toString(), 'for a')
    t.equal((await ask({ [name]: 'b' })).body.toString(), 'for b', name)
    t.equal((await ask({ [name]: 'a' })).body.toString(), 'for a', name)
  }
})
