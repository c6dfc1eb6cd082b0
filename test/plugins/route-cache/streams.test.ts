import { once } from 'node:events'
import { PassThrough, Readable } from 'node:stream'
import { setTimeout as wait } from 'node:timers/promises'
import t from 'tap'
import { bytesOf } from '../../helpers/bytes.ts'
import { get, stalledClient } from '../../helpers/client.ts'
import { startService } from '../../helpers/service.ts'
import { until } from '../../helpers/until.ts'

const MIB = 1024 * 1024
const CACHED = { 'cache-control': 'max-age=60', etag: '"v1"' }

t.test(
  'a stream of 3 MiB reaches the client as it is made, is sliced, and all later ranges are hits',
  async (t) => {
    const body = bytesOf(1, 3 * MIB)
    const stream = new PassThrough()
    let runs = 0
    const { url, fastify } = await startService(t, (fastify) => {
      fastify.get('/film', (_request, reply) => {
        runs++
        return reply.headers({ ...CACHED, 'content-length': body.length }).send(stream)
      })
    })
    let first!: () => void
    const started = new Promise<void>((resolve) => (first = resolve))
    const whole: Buffer[] = []
    const watching = get(`${url}/film`, {
      onData(piece) {
        whole.push(piece)
        first()
      },
    })
    stream.write(body.subarray(0, 1000))
    await started
    t.ok(Buffer.concat(whole).length <= 1000, 'the first bytes came before the others were made')
    stream.end(body.subarray(1000))
    const miss = await watching
    t.equal(miss.header('x-cache'), 'MISS')
    t.ok(miss.complete && Buffer.concat(whole).equals(body))
    const slices = fastify.l1!.stats().entries
    t.ok(slices >= 3, `${slices} entries`)
    for (const [from, to] of [
      [0, 99],
      [MIB - 5, MIB + 5],
      [2 * MIB, 3 * MIB - 1],
    ]) {
      const part = await get(`${url}/film`, { range: `bytes=${from}-${to}` })
      t.equal(part.status, 206)
      t.equal(part.header('x-cache'), 'HIT')
      t.ok(part.body.equals(body.subarray(from, to + 1)), `bytes ${from} to ${to}`)
    }
    const several = await get(`${url}/film`, { range: 'bytes=0-9,-10' })
    t.match(several.header('content-type'), /multipart\/byteranges/)
    t.equal(runs, 1)
  },
)

t.test('fifty clients at once: the handler runs once', async (t) => {
  const body = bytesOf(2, 2 * MIB)
  let runs = 0
  const { url, counters } = await startService(t, (fastify) => {
    fastify.get('/', async (_request, reply) => {
      runs++
      await wait(50)
      return reply.headers(CACHED).send(Readable.from([body.subarray(0, MIB), body.subarray(MIB)]))
    })
  })
  const answers = await Promise.all(Array.from({ length: 50 }, () => get(`${url}/`)))
  t.ok(answers.every((answer) => answer.complete && answer.body.equals(body)))
  t.equal(runs, 1)
  t.ok(counters.coalesced > 0)
})

t.test('a client that leaves ends the stream of the route when nobody else follows it', async (t) => {
  const stream = endless()
  const { url } = await startService(t, (fastify) => {
    fastify.get('/', (_request, reply) => reply.headers(CACHED).send(stream))
  })
  await get(`${url}/`, { abortAfter: 100_000 })
  await until(() => stream.destroyed)
  t.pass('destroyed')
})

t.test('one that leaves before there is a response leaves nothing behind', async (t) => {
  let answer!: () => void
  const stream = endless()
  let entered!: () => void
  const asked = new Promise<void>((resolve) => (entered = resolve))
  const { url, counters } = await startService(t, (fastify) => {
    fastify.get('/', async (_request, reply) => {
      entered()
      await new Promise<void>((resolve) => (answer = resolve))
      return reply.headers(CACHED).send(stream)
    })
  })
  const client = await stalledClient(`${url}/`)
  await asked
  client.destroy()
  await until(() => counters.requestsNow === 0)
  answer()
  await until(() => stream.destroyed)
  t.equal(counters.fillsNow, 0)
})

t.test('the one who came first leaves, the others get everything', async (t) => {
  const body = bytesOf(3, 2 * MIB)
  const stream = new PassThrough()
  let runs = 0
  const { url, counters } = await startService(t, (fastify) => {
    fastify.get('/', (_request, reply) => {
      runs++
      return reply.headers(CACHED).send(stream)
    })
  })
  const leader = get(`${url}/`, { abortAfter: 100_000 })
  stream.write(body.subarray(0, 50_000))
  await until(() => runs === 1)
  const followers = [get(`${url}/`), get(`${url}/`)]
  await until(() => counters.requestsNow === 3)
  stream.write(body.subarray(50_000, 200_000))
  await leader
  await until(() => counters.requestsNow === 2)
  stream.end(body.subarray(200_000))
  for (const answer of await Promise.all(followers)) t.ok(answer.complete && answer.body.equals(body))
  t.equal(runs, 1)
})

t.test('a client that stands still makes the stream of the route stand still', async (t) => {
  let made = 0
  const piece = bytesOf(4, 16 * 1024)
  const stream = new Readable({
    read() {
      made += piece.length
      this.push(piece)
    },
  })
  const { url, counters } = await startService(t, (fastify) => {
    fastify.get('/', (_request, reply) => reply.headers(CACHED).send(stream))
  })
  const client = await stalledClient(`${url}/`)
  await until(() => made > 100_000)
  let before = -1
  while (before !== made) {
    before = made
    await wait(200)
  }
  t.ok(made < 32 * MIB, `${made} bytes fit into the buffers of both ends`)
  client.destroy()
  await until(() => counters.fillsNow === 0)
  t.ok(stream.destroyed)
})

t.test('nor is a large payload copied for a client that stands still', async (t) => {
  const body = bytesOf(8, 48 * MIB)
  const { url, counters } = await startService(t, (fastify) => {
    fastify.get('/', (_request, reply) => reply.headers(CACHED).send(body))
  })
  const client = await stalledClient(`${url}/`)
  await until(() => counters.bytesFromOrigin > 0)
  await wait(300)
  t.ok(counters.bytesFromOrigin < 32 * MIB, `${counters.bytesFromOrigin} bytes`)
  client.destroy()
  await until(() => counters.fillsNow === 0)
})

t.test('a web stream is cancelled when its client leaves', async (t) => {
  let cancelled = false
  const piece = bytesOf(6, 64 * 1024)
  const { url } = await startService(t, (fastify) => {
    fastify.get('/', (_request, reply) => {
      const stream = new ReadableStream({
        pull: (controller) => controller.enqueue(piece),
        cancel: () => void (cancelled = true),
      })
      return reply.headers(CACHED).send(stream)
    })
  })
  await get(`${url}/`, { abortAfter: 100_000 })
  await until(() => cancelled)
  t.pass('cancelled')
})

t.test('a stream that fails midway cuts its client, and nothing of it is served as whole', async (t) => {
  const body = bytesOf(5, 2 * MIB + 5)
  let runs = 0
  const { url, counters } = await startService(t, (fastify) => {
    for (const [path, fields] of Object.entries({
      '/strong': CACHED,
      '/bare': { 'cache-control': 'max-age=60' },
    })) {
      fastify.get(path, (_request, reply) => {
        const fails = ++runs % 2 === 1
        return reply.headers(fields).send(Readable.from(half(fails)))
      })
    }
    async function* half(fails: boolean) {
      yield body.subarray(0, MIB + 5)
      await wait(20)
      if (fails) throw new Error('the disk broke')
      yield body.subarray(MIB + 5)
    }
  })
  for (const path of ['/strong', '/bare']) {
    const cut = await get(`${url}${path}`)
    t.equal(cut.status, 200)
    t.notOk(cut.complete, 'the client sees that it was cut')
    const again = await get(`${url}${path}`)
    t.not(again.header('x-cache'), 'HIT')
    t.ok(again.complete && again.body.equals(body), path)
    t.equal((await get(`${url}${path}`)).header('x-cache'), 'HIT')
  }
  t.equal(counters.truncatedBodies, 2)
})

t.test('a route that says a Content-Length and sends another is cut, and not stored', async (t) => {
  let runs = 0
  const { url } = await startService(t, (fastify) => {
    fastify.get('/:length', (request, reply) => {
      runs++
      const { length } = request.params as { length: string }
      return reply.headers({ ...CACHED, 'content-length': length }).send(Readable.from(['0123456789']))
    })
  })
  for (const length of [5, 15]) {
    t.notOk((await get(`${url}/${length}`)).complete, `${length} said, 10 sent`)
    t.not((await get(`${url}/${length}`)).header('x-cache'), 'HIT')
  }
  t.ok(runs >= 4, 'the route was asked each time')
})

t.test('events are passed on one by one, and a client that leaves ends them', async (t) => {
  const events = new PassThrough()
  const { url } = await startService(t, (fastify) => {
    fastify.get('/events', (_request, reply) => reply.type('text/event-stream').send(events))
  })
  const client = await stalledClient(`${url}/events`)
  events.write('data: one\n\n')
  let text = ''
  while (!text.includes('one')) text += (await once(client, 'data'))[0]
  t.match(text, /^HTTP\/1\.1 200 .*text\/event-stream/s)
  events.write('data: two\n\n')
  while (!text.includes('two')) text += (await once(client, 'data'))[0]
  t.notMatch(text, /HIT/)
  client.destroy()
  await until(() => events.destroyed)
})

function endless(): Readable {
  const piece = bytesOf(6, 64 * 1024)
  return new Readable({
    read() {
      setImmediate(() => this.push(piece))
    },
  })
}
