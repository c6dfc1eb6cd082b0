import t, { type Test } from 'tap'
import { connect } from '../helpers/client.ts'
import { type Script, startOrigin } from '../helpers/origin.ts'
import { startProxy } from '../helpers/proxy.ts'
import { until } from '../helpers/until.ts'
import { fieldValue, parseHead, readBody } from '../helpers/wire.ts'

/** One message of an answer, an interim one or the last. */
interface Message {
  status: number
  fields: string[]
}

interface Answered {
  interim: Message[]
  final: Message
  body: string
}

/** One request as it is written here, and every message that comes back. */
async function ask(
  url: string,
  head: string,
  onInterim: (message: Message) => void = () => {},
): Promise<Answered> {
  const connection = await connect(url)
  try {
    connection.write(`${head}\r\nHost: ${new URL(url).host}\r\n\r\n`)
    const interim: Message[] = []
    for (;;) {
      const bytes = await connection.wire.until('\r\n\r\n')
      if (bytes === undefined) throw new Error(`cut after ${interim.length} interim responses`)
      const { startLine, fields } = parseHead(bytes)
      const message = { status: Number(startLine.split(' ')[1]), fields }
      if (message.status >= 200) {
        const length = head.startsWith('HEAD') ? 0 : Number(fieldValue(fields, 'content-length') ?? 0)
        const pieces: Buffer[] = []
        await readBody(connection.wire, { kind: 'length', length }, (piece) => void pieces.push(piece))
        return { interim, final: message, body: Buffer.concat(pieces).toString() }
      }
      interim.push(message)
      onInterim(message)
    }
  } finally {
    connection.close()
  }
}

/** RFC 8297 section 2: several Link fields, lines of one field, in their order. */
const HINTS = [
  'Link',
  '</a.css>; rel=preload; as=style',
  'Link',
  '</b.js>; rel=preload; as=script',
  'X-Hint',
  '1',
]
const links = (message: Message) => message.fields.filter((_, i, all) => i % 2 === 1 && all[i - 1] === 'Link')
const statuses = (answered: Answered) => answered.interim.map(({ status }) => status)

const hinted: Script = async (_request, exchange) => {
  await exchange.head({ status: 103, fields: HINTS })
  await exchange.respond({ fields: { 'Cache-Control': 'max-age=60', 'X-Final': '1' }, body: 'final' })
}

async function start(t: Test, script: Script) {
  const origin = await startOrigin(t, script)
  const proxy = await startProxy(t, { upstream: origin.url, cacheTtl: 0 })
  return { origin, proxy, url: proxy.url }
}

/** Ways to the origin: stored, passed because of the method, with a body or not, not stored. */
const WAYS = ['GET /x HTTP/1.1', 'POST /x HTTP/1.1', 'HEAD /x HTTP/1.1', 'OPTIONS /x HTTP/1.1']

for (const way of WAYS) {
  t.test(`C31 103 with several Link fields reaches the client (RFC 8297 section 2): ${way}`, async (t) => {
    const { url } = await start(t, hinted)
    const answered = await ask(url, way)
    t.same(statuses(answered), [103])
    t.same(links(answered.interim[0]), [HINTS[1], HINTS[3]])
    t.equal(fieldValue(answered.interim[0].fields, 'x-hint'), '1')
    t.equal(fieldValue(answered.interim[0].fields, 'x-final'), undefined)
    t.equal(answered.final.status, 200)
    t.equal(fieldValue(answered.final.fields, 'link'), undefined, 'the hints are not fields of the answer')
    t.equal(answered.body, way.startsWith('HEAD') ? '' : 'final')
  })
}

for (const way of WAYS.slice(0, 2)) {
  t.test(`C31 several interim responses, in their order (RFC 9110 section 15.2): ${way}`, async (t) => {
    const { url } = await start(t, async (_request, exchange) => {
      await exchange.head({ status: 102 })
      await exchange.head({ status: 103, fields: ['Link', '</1>'] })
      await exchange.head({ status: 103, fields: ['Link', '</2>', 'Link', '</3>'] })
      await exchange.head({ status: 102 })
      await exchange.respond({ fields: { 'Cache-Control': 'max-age=60' }, body: 'final' })
    })
    const answered = await ask(url, way)
    t.same(statuses(answered), [102, 103, 103, 102])
    t.same(answered.interim.map(links), [[], ['</1>'], ['</2>', '</3>'], []])
    t.equal(answered.body, 'final')
  })

  t.test(`C31 an interim response does not wait for the answer (RFC 8297 section 2): ${way}`, async (t) => {
    const { promise: seen, resolve: goOn } = Promise.withResolvers<void>()
    let late = false
    const { url } = await start(t, async (_request, exchange) => {
      await exchange.head({ status: 103, fields: HINTS })
      // Were it held back, both would wait for each other: after two seconds the origin goes on.
      await exchange.stall(Promise.race([seen, exchange.stall(2000).then(() => (late = true))]))
      await exchange.respond({ body: 'final' })
    })
    const answered = await ask(url, way, () => goOn())
    t.same(statuses(answered), [103])
    t.notOk(late)
    t.equal(answered.body, 'final')
  })

  t.test(`C31 an HTTP/1.0 client gets no interim response (RFC 9110 section 15.2): ${way}`, async (t) => {
    const { url } = await start(t, hinted)
    const answered = await ask(url, way.replace('1.1', '1.0'))
    t.same(statuses(answered), [])
    t.equal(answered.final.status, 200)
    t.equal(answered.body, 'final')
  })
}

t.test('C31 interim responses are not stored: a hit has none (RFC 9111 section 3)', async (t) => {
  const { origin, url } = await start(t, hinted)
  t.same(statuses(await ask(url, 'GET /x HTTP/1.1')), [103])
  const hit = await ask(url, 'GET /x HTTP/1.1')
  t.same(statuses(hit), [])
  t.equal(fieldValue(hit.final.fields, 'x-cache'), 'HIT')
  t.equal(fieldValue(hit.final.fields, 'link'), undefined)
  t.equal(hit.body, 'final')
  t.equal(origin.requests.length, 1)
})

t.test('C31 hop-by-hop fields of an interim response stay behind (RFC 9110 section 7.6.1)', async (t) => {
  const { url } = await start(t, async (_request, exchange) => {
    const hop = ['Connection', 'X-Hop', 'X-Hop', '1', 'Keep-Alive', 'timeout=9']
    await exchange.head({ status: 103, fields: [...hop, ...HINTS] })
    await exchange.respond({ body: 'final' })
  })
  for (const way of WAYS.slice(0, 2)) {
    const [hint] = (await ask(url, way)).interim
    t.equal(fieldValue(hint.fields, 'x-hop'), undefined)
    t.equal(fieldValue(hint.fields, 'keep-alive'), undefined)
    t.equal(links(hint).length, 2)
  }
})

t.test('C31 only the client whose request caused the fetch gets them', async (t) => {
  const { promise: joined, resolve: goOn } = Promise.withResolvers<void>()
  const { origin, proxy, url } = await start(t, async (request, exchange) => {
    await exchange.stall(joined)
    await hinted(request, exchange)
  })
  const leader = ask(url, 'GET /x HTTP/1.1')
  await until(() => origin.requests.length === 1)
  const follower = ask(url, 'GET /x HTTP/1.1')
  await until(() => proxy.counters.coalesced === 1)
  goOn()
  t.same(statuses(await leader), [103])
  t.same(statuses(await follower), [])
  t.equal((await follower).body, 'final')
  t.equal(origin.requests.length, 1)
})

t.test('C31 those of a validation reach the client that waits for it', async (t) => {
  const { url } = await start(t, async (request, exchange) => {
    await exchange.head({ status: 103, fields: HINTS })
    const fields = { 'Cache-Control': 'no-cache', ETag: '"a"' }
    if (request.header('if-none-match') === '"a"') return exchange.respond({ status: 304, fields })
    return exchange.respond({ fields, body: 'final' })
  })
  for (const result of ['MISS', 'REVALIDATED']) {
    const answered = await ask(url, 'GET /x HTTP/1.1')
    t.equal(fieldValue(answered.final.fields, 'x-cache'), result)
    t.same(statuses(answered), [103], result)
    t.equal(answered.body, 'final')
  }
})

t.test('C31 those of a refresh behind a stale answer reach nobody', async (t) => {
  const { origin, proxy, url } = await start(t, (_request, exchange) =>
    exchange.respond({ fields: { 'Cache-Control': 'max-age=0, stale-while-revalidate=60' }, body: 'old' }),
  )
  await ask(url, 'GET /x HTTP/1.1')
  origin.use(hinted)
  const stale = await ask(url, 'GET /x HTTP/1.1')
  t.same(statuses(stale), [])
  t.equal(stale.body, 'old')
  await until(() => origin.requests.length === 2 && proxy.counters.fillsNow === 0)
  const connection = await connect(url)
  t.teardown(() => connection.close())
  // Nor the next request of the same connection.
  for (let i = 0; i < 2; i++) t.same((await connection.request('/x')).interim, [])
})

t.test(
  '100 Continue of an origin that was not asked for it is dropped (RFC 9110 section 15.2)',
  async (t) => {
    const { url } = await start(t, async (_request, exchange) => {
      await exchange.head({ status: 100 })
      await exchange.respond({ fields: { 'Cache-Control': 'max-age=60' }, body: 'final' })
    })
    const answered = await ask(url, 'GET /x HTTP/1.1')
    t.same(statuses(answered), [])
    t.equal(answered.final.status, 200)
    t.equal(answered.body, 'final')
    t.equal(fieldValue((await ask(url, 'GET /x HTTP/1.1')).final.fields, 'x-cache'), 'HIT')
  },
)

t.test('a failure after an interim response is an honest one', async (t) => {
  const { url } = await start(t, async (_request, exchange) => {
    await exchange.head({ status: 103, fields: HINTS })
    await exchange.reset()
  })
  const answered = await ask(url, 'POST /x HTTP/1.1')
  t.same(statuses(answered), [103])
  t.equal(answered.final.status, 502)
})

t.test('C31 of pipelined requests no interim response gets into another message', async (t) => {
  const { promise: second, resolve: goOn } = Promise.withResolvers<void>()
  const { url } = await start(t, async (request, exchange) => {
    if (request.target === '/first') {
      await exchange.stall(second)
      await exchange.stall(50)
      return exchange.respond({ fields: { 'Cache-Control': 'no-store' }, body: 'first' })
    }
    await exchange.head({ status: 103, fields: HINTS })
    goOn()
    await exchange.respond({ fields: { 'Cache-Control': 'no-store' }, body: 'second' })
  })
  for (const method of ['GET', 'POST']) {
    const connection = await connect(url)
    t.teardown(() => connection.close())
    const request = (target: string) => `${method} ${target} HTTP/1.1\r\nHost: x\r\n\r\n`
    connection.write(request('/first') + request('/second'))
    const first = await connection.answer()
    t.same([first.body.toString(), first.interim], ['first', []], method)
    const answer = await connection.answer()
    t.equal(answer.body.toString(), 'second', method)
    // Before its turn Node cannot write it in the right place: better none than one inside of a body.
    t.ok(answer.interim.length <= 1)
  }
})
