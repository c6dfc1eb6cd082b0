import { Readable } from 'node:stream'
import type { FastifyReply } from 'fastify'
import t from 'tap'
import { bytesOf } from '../../helpers/bytes.ts'
import { get } from '../../helpers/client.ts'
import { startService } from '../../helpers/service.ts'
import { until } from '../../helpers/until.ts'

const MIB = 1024 * 1024
const big = bytesOf(7, 3 * MIB + 123)

/** Routes that answer the same by everything that Fastify takes, and what they answer. */
const payloads: Record<string, { send(reply: FastifyReply): unknown; body: Buffer }> = {
  string: { send: (reply) => reply.send('a text: é'), body: Buffer.from('a text: é') },
  'long string': {
    send: (reply) => reply.type('text/plain').send('é'.repeat(MIB)),
    body: Buffer.from('é'.repeat(MIB)),
  },
  object: { send: () => ({ some: 'json' }), body: Buffer.from('{"some":"json"}') },
  buffer: { send: (reply) => reply.send(big), body: big },
  'typed array': { send: (reply) => reply.send(new Uint8Array(big)), body: big },
  stream: { send: (reply) => reply.send(Readable.from(pieces(big, 100_000))), body: big },
  'stream of strings': {
    send: (reply) => reply.send(Readable.from(['one, ', 'two'])),
    body: Buffer.from('one, two'),
  },
  'web stream': {
    send: (reply) => reply.send(Readable.toWeb(Readable.from(pieces(big, 50_000)))),
    body: big,
  },
  'Response object': {
    send: (reply) =>
      reply.send(new Response(big, { headers: { 'cache-control': 'max-age=60', 'x-of': 'response' } })),
    body: big,
  },
  'empty string': { send: (reply) => reply.send(''), body: Buffer.alloc(0) },
  null: { send: (reply) => reply.type('text/plain').send(null), body: Buffer.alloc(0) },
  'empty stream': { send: (reply) => reply.send(Readable.from([])), body: Buffer.alloc(0) },
  'raw response': {
    send(reply) {
      reply.hijack()
      reply.raw.writeHead(200, { 'Cache-Control': 'max-age=60' })
      reply.raw.write('raw, ')
      reply.raw.end('all the same')
    },
    body: Buffer.from('raw, all the same'),
  },
  'raw response with a flat list': {
    send(reply) {
      reply.hijack()
      reply.raw.writeHead(200, ['Cache-Control', 'max-age=60', 'X-Two', 'a', 'X-Two', 'b'])
      reply.raw.end('listed')
    },
    body: Buffer.from('listed'),
  },
}

function* pieces(bytes: Buffer, size: number) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

for (const [name, { send, body }] of Object.entries(payloads)) {
  t.test(`a ${name} is a miss, then a hit, then cut into ranges`, async (t) => {
    let runs = 0
    const { url } = await startService(t, (fastify) => {
      fastify.get('/it', (_request, reply) => {
        runs++
        reply.header('cache-control', 'max-age=60').header('etag', '"one"')
        const result = send(reply)
        if (result !== undefined && result !== reply) reply.send(result)
      })
    })
    const miss = await get(`${url}/it`)
    t.equal(miss.status, 200)
    t.equal(miss.header('x-cache'), 'MISS')
    t.ok(miss.complete && miss.body.equals(body), 'the bytes of the miss')
    const hit = await get(`${url}/it`)
    t.equal(hit.header('x-cache'), 'HIT')
    t.match(hit.header('cache-status'), /^slicestream; hit/)
    t.ok(hit.complete && hit.body.equals(body), 'the bytes of the hit')
    t.equal(hit.header('content-length'), String(body.length))
    t.equal(hit.header('content-type'), miss.header('content-type'))
    if (name.includes('Response')) t.equal(hit.header('x-of'), 'response')
    if (name.includes('flat')) t.equal(hit.header('x-two'), 'a, b')
    const head = await get(`${url}/it`, { method: 'HEAD' })
    t.equal(head.header('x-cache'), 'HIT')
    if (body.length > 3) {
      const part = await get(`${url}/it`, { range: 'bytes=1-3' })
      t.equal(part.status, 206)
      t.equal(part.header('x-cache'), 'HIT')
      t.ok(part.body.equals(body.subarray(1, 4)))
    }
    t.equal(runs, 1, 'the handler ran once')
  })
}

t.test('a buffer that the route uses again afterwards does not change what is stored', async (t) => {
  for (const size of [100, 60_000, 300_000]) {
    const frame = Buffer.alloc(size, 'first ')
    const { url } = await startService(t, (fastify) => {
      fastify.get('/frame', (_request, reply) => reply.header('cache-control', 'max-age=60').send(frame))
    })
    const before = await get(`${url}/frame`)
    frame.fill('second')
    const after = await get(`${url}/frame`)
    t.equal(after.header('x-cache'), 'HIT')
    t.ok(after.body.equals(before.body), `${size} bytes`)
  }
})

t.test('who writes to the raw response hears of its end', async (t) => {
  const heard: string[] = []
  const { url } = await startService(t, (fastify) => {
    fastify.get('/it', (_request, reply) => {
      reply.hijack()
      for (const event of ['finish', 'close']) reply.raw.on(event, () => heard.push(event))
      reply.raw.write('some ', () => heard.push('written'))
      reply.raw.end('bytes', () => heard.push('ended'))
    })
  })
  await get(`${url}/it`)
  await until(() => heard.length === 4)
  t.same(heard.sort(), ['close', 'ended', 'finish', 'written'])
})

t.test('trailers reach the client whose request ran the route', async (t) => {
  const { url } = await startService(t, (fastify) => {
    fastify.post('/it', (_request, reply) =>
      reply.trailer('x-sum', async () => '42').send(Readable.from(['some ', 'bytes'])),
    )
  })
  const answer = await get(`${url}/it`, { method: 'POST' })
  t.equal(answer.body.toString(), 'some bytes')
  t.match(answer.trailers.join(' '), /x-sum 42/)
})
