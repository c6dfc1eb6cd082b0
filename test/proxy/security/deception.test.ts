import t from 'tap'
import { get } from '../../helpers/client.ts'
import { startOrigin } from '../../helpers/origin.ts'
import { startProxy } from '../../helpers/proxy.ts'

/**
 * Web cache deception: a victim is led to a URL that the origin takes for the page of the account and a careless cache for
 * a static file. What decides is what the origin says, never how the URL looks.
 */
const LURES = [
  '/account/x.css',
  '/account/x.js',
  '/account/x.png',
  '/account/x.ico',
  '/account/x.woff2',
  '/account.css',
  '/account;x.css',
  '/account;.css',
  '/account%3Bx.css',
  '/account%00.css',
  '/account%00x.css',
  '/account%0A.css',
  '/account%09.css',
  '/account%23.css',
  '/account%23/x.css',
  '/account%3Fx.css',
  '/account%3Fname=x.css',
  '/account?x.css',
  '/account?x=/y.css',
  '/account%2Fx.css',
  '/account%5Cx.css',
  '/account$/x.css',
  '/account!x.css',
  '/account,x.css',
  '/account.x.css',
  '/account//x.css',
  '/static/../account',
  '/static/%2E%2E/account',
  '/static/..%2Faccount',
  '/static%2F..%2Faccount',
  '/static/..%2Faccount%3Fx.css',
  '/account%2F%2E%2E%2Fstatic%2Fx.css',
  '/robots.txt/../account',
  '/favicon.ico;/account',
]

/** How an origin says that a page is for one user. None says that nobody may share it in so many words only. */
const PRIVATE: Record<string, string[]> = {
  private: ['Cache-Control', 'private'],
  'private with a lifetime': ['Cache-Control', 'private, max-age=600'],
  'no-store': ['Cache-Control', 'no-store'],
  'private on a second line': ['Cache-Control', 'max-age=600', 'Cache-Control', 'private'],
  'private=""': ['Cache-Control', 'max-age=600, private=""'],
  'Set-Cookie': ['Set-Cookie', 'session=1'],
  'Set-Cookie and Last-Modified': [
    'Set-Cookie',
    'session=1',
    'Last-Modified',
    'Thu, 01 Jan 2026 00:00:00 GMT',
  ],
  'Vary: *': ['Cache-Control', 'max-age=600', 'Vary', '*'],
  'Vary: Cookie': ['Cache-Control', 'max-age=600', 'Vary', 'Cookie'],
  'targeted no-store': ['CDN-Cache-Control', 'no-store', 'Cache-Control', 'max-age=600'],
  'targeted private': ['CDN-Cache-Control', 'private', 'Cache-Control', 'max-age=600'],
}

for (const [how, fields] of Object.entries(PRIVATE)) {
  t.test(`F47 a page marked by ${how} is shown to its user only, whatever its URL looks like`, async (t) => {
    const origin = await startOrigin(t, (request, exchange) =>
      exchange.respond({
        fields: [...fields, 'Content-Type', 'text/css'],
        body: `account of ${request.header('cookie') ?? 'nobody'}`,
      }),
    )
    const proxy = await startProxy(t, { upstream: origin.url, slicePatterns: ['**/*.css'] })
    for (const lure of LURES) {
      const victim = await get(proxy.url + lure, { headers: { Cookie: 'victim' } })
      t.equal(victim.body.toString(), 'account of victim', lure)
      const attacker = await get(proxy.url + lure)
      t.equal(attacker.body.toString(), 'account of nobody', lure)
      t.not(attacker.header('x-cache'), 'HIT', lure)
      const part = await get(proxy.url + lure, { range: 'bytes=0-99' })
      t.notMatch(part.body.toString(), /victim/, lure)
    }
  })
}

t.test('F47 nothing is stored for its extension, and nothing left out for want of one', async (t) => {
  const origin = await startOrigin(t, (request, exchange) => {
    const fields: Record<string, string> = request.target.includes('stored')
      ? { 'Cache-Control': 'max-age=60' }
      : {}
    return exchange.respond({ fields, body: 'x' })
  })
  const proxy = await startProxy(t, { upstream: origin.url, cacheTtl: 0 })
  for (const target of [
    '/a.css',
    '/a.js',
    '/a.jpg',
    '/a.woff2',
    '/static/a.css',
    '/favicon.ico',
    '/robots.txt',
  ]) {
    for (let i = 0; i < 2; i++) t.not((await get(proxy.url + target)).header('x-cache'), 'HIT', target)
  }
  for (const target of [
    '/stored',
    '/stored.php',
    '/stored.html',
    '/stored/',
    '/stored?x=.php',
    '/api/stored.json',
  ]) {
    await get(proxy.url + target)
    t.equal((await get(proxy.url + target)).header('x-cache'), 'HIT', target)
  }
})

t.test('F47 lures of a page that may be stored are keys of their own', async (t) => {
  const origin = await startOrigin(t, (request, exchange) =>
    exchange.respond({ fields: { 'Cache-Control': 'max-age=60' }, body: request.target }),
  )
  const proxy = await startProxy(t, { upstream: origin.url })
  for (const target of ['/account', ...LURES]) {
    const answer = await get(proxy.url + target)
    t.equal(answer.header('x-cache'), 'MISS', target)
  }
  t.equal((await get(`${proxy.url}/account`)).body.toString(), '/account')
})
