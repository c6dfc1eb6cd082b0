import t, { type Test } from 'tap'
import { type Answer, get, sendRaw } from '../helpers/client.ts'
import { type Script, startOrigin } from '../helpers/origin.ts'
import { startProxy } from '../helpers/proxy.ts'
import { until } from '../helpers/until.ts'

/** A chunked response whose trailer section is written here (RFC 9112 section 7.1.2). */
const trailed =
  (cacheControl: string, section: string): Script =>
  async (_request, exchange) => {
    const fields = {
      Connection: 'X-Nominated',
      'Transfer-Encoding': 'chunked',
      Trailer: 'X-Sum',
      'Cache-Control': cacheControl,
      ETag: '"a"',
    }
    await exchange.head({ fields })
    await exchange.chunk('abc')
    await exchange.chunk('def')
    await exchange.write(`0\r\n${section}\r\n`)
  }

async function start(t: Test, script: Script) {
  const origin = await startOrigin(t, script)
  const proxy = await startProxy(t, { upstream: origin.url, cacheTtl: 0 })
  return { origin, proxy, url: `${proxy.url}/x` }
}

function isWhole(t: Test, answer: Answer, what = '') {
  t.match(answer, { status: 200, complete: true }, what)
  t.equal(answer.body.toString(), 'abcdef', what)
}

const WAYS: Record<string, [method: string, cacheControl: string]> = {
  'stored by the way': ['GET', 'max-age=60'],
  'not stored': ['GET', 'no-store'],
  'passed on': ['POST', 'no-store'],
}

for (const [what, [method, cacheControl]] of Object.entries(WAYS)) {
  t.test(
    `trailers reach the client whose request fetched them (RFC 9110 section 6.5): ${what}`,
    async (t) => {
      const { url } = await start(t, trailed(cacheControl, 'X-Sum: 6\r\nX-More: a\r\nX-More: b\r\n'))
      const answer = await get(url, { method })
      isWhole(t, answer)
      t.same(answer.trailers, ['X-Sum', '6', 'X-More', 'a', 'X-More', 'b'])
      t.equal(answer.header('x-sum'), undefined, 'they are no fields of the head')
    },
  )
}

t.test('trailers are not merged into what is stored (RFC 9110 section 6.5.1)', async (t) => {
  const { origin, url } = await start(
    t,
    trailed('max-age=60', 'X-Sum: 6\r\nCache-Control: no-store\r\nETag: "b"\r\n'),
  )
  isWhole(t, await get(url))
  const hit = await get(url)
  isWhole(t, hit)
  t.equal(hit.header('x-cache'), 'HIT')
  t.equal(hit.header('x-sum'), undefined)
  t.equal(hit.header('cache-control'), 'max-age=60')
  t.equal(hit.header('etag'), '"a"')
  t.same(hit.trailers, [])
  t.equal(origin.requests.length, 1)
})

t.test('fields of the connection do not come as trailers (RFC 9110 section 7.6.1)', async (t) => {
  const section = 'Connection: close\r\nX-Nominated: 1\r\nKeep-Alive: timeout=9\r\nX-Sum: 6\r\n'
  for (const [method, cacheControl] of Object.values(WAYS)) {
    const { url } = await start(t, trailed(cacheControl, section))
    const answer = await get(url, { method })
    isWhole(t, answer)
    const names = answer.trailers.filter((_, i) => i % 2 === 0).map((name) => name.toLowerCase())
    t.notOk(
      names.includes('connection') || names.includes('keep-alive'),
      `${method}, ${cacheControl}: ${names}`,
    )
    t.ok(names.includes('x-sum'))
  }
})

t.test('fields of the framing never come as trailers, nor change it (RFC 9110 section 6.5.1)', async (t) => {
  for (const field of [
    'Content-Length: 3',
    'Transfer-Encoding: chunked',
    'Host: evil',
    'Content-Encoding: gzip',
  ]) {
    for (const [method, cacheControl] of Object.values(WAYS)) {
      const { url } = await start(t, trailed(cacheControl, `${field}\r\nX-Sum: 6\r\n`))
      const answer = await get(url, { method })
      const names = answer.trailers.filter((_, i) => i % 2 === 0).map((name) => name.toLowerCase())
      t.notOk(names.includes(field.split(':')[0].toLowerCase()), `${field}: ${method}, ${cacheControl}`)
      // A parser may take them for an attack and give the response up; then it must not look whole.
      if (answer.complete) isWhole(t, answer, field)
    }
  }
})

t.test('an HTTP/1.0 client has no trailers, and the whole body', async (t) => {
  const { origin, proxy } = await start(t, trailed('max-age=60', 'X-Sum: 6\r\n'))
  for (let i = 0; i < 2; i++) {
    const bytes = await sendRaw(proxy.url, `GET /x HTTP/1.0\r\nHost: ${new URL(proxy.url).host}\r\n\r\n`)
    t.match(bytes.toString(), /\r\n\r\nabcdef$/)
    t.notMatch(bytes.toString(), /transfer-encoding/i)
  }
  t.equal(origin.requests.length, 1)
})

t.test('a part of the body has no trailers of the whole', async (t) => {
  const { url } = await start(t, trailed('max-age=60', 'X-Sum: 6\r\n'))
  await get(url)
  const part = await get(url, { range: 'bytes=1-2' })
  t.match(part, { status: 206, trailers: [] })
  t.equal(part.body.toString(), 'bc')
})

t.test('who waited for another one gets the whole body, with or without the trailers', async (t) => {
  const { promise: joined, resolve: goOn } = Promise.withResolvers<void>()
  const { origin, proxy, url } = await start(t, async (request, exchange) => {
    await exchange.stall(joined)
    await trailed('max-age=60', 'X-Sum: 6\r\n')(request, exchange)
  })
  const leader = get(url)
  await until(() => origin.requests.length === 1)
  const follower = get(url)
  await until(() => proxy.counters.coalesced === 1)
  goOn()
  isWhole(t, await leader, 'leader')
  t.same((await leader).trailers, ['X-Sum', '6'])
  isWhole(t, await follower, 'follower')
})

t.test('a trailer section that is cut makes the body one that is cut', async (t) => {
  for (const cacheControl of ['max-age=60', 'no-store']) {
    const { origin, url } = await start(t, async (request, exchange) => {
      if (origin.requests.length > 1) return exchange.respond({ body: 'abcdef' })
      await trailed(cacheControl, 'X-Sum: 6\r\n')(
        { ...request },
        {
          ...exchange,
          write: async (bytes) => {
            await exchange.write(String(bytes).slice(0, -4))
            exchange.end()
          },
        },
      )
    })
    const answer = await get(url)
    t.notOk(answer.complete, cacheControl)
    const next = await get(url)
    isWhole(t, next)
    t.not(next.header('x-cache'), 'HIT')
  }
})
