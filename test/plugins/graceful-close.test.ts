import Fastify from 'fastify'
import t, { type Test } from 'tap'
import gracefulClose from '../../plugins/graceful-close.ts'
import { connect } from '../helpers/client.ts'
import { until } from '../helpers/until.ts'

async function start(t: Test) {
  const fastify = Fastify({ return503OnClosing: false })
  const closing = Promise.withResolvers<void>()
  fastify.addHook('preClose', async () => closing.resolve())
  await fastify.register(gracefulClose, { timeout: 60_000 })
  const held = Promise.withResolvers<void>()
  let asked = 0
  fastify.get('/', async () => 'here')
  fastify.get('/held', async () => {
    asked++
    await held.promise
    return 'held'
  })
  const url = await fastify.listen({ port: 0, host: '127.0.0.1' })
  t.teardown(() => fastify.close())
  return { fastify, url, closing: closing.promise, release: held.resolve, asked: () => asked }
}

/** The process stands still: timers end meanwhile, and nothing is read. */
function block(milliseconds: number): void {
  for (const end = performance.now() + milliseconds; performance.now() < end; );
}

t.test('what came while a closing process stood still is answered', async (t) => {
  const { fastify, url } = await start(t)
  const used = await connect(url)
  const unused = await connect(url)
  const other = await connect(url)
  t.equal((await used.request('/')).header('connection'), 'keep-alive')
  const closed = fastify.close()
  // An answer has just been read, so that timers are next.
  t.equal((await other.request('/')).header('connection'), 'close')
  const answers = [used, unused].map((client) => client.request('/'))
  // Longer than a closing server waits for requests on idle connections.
  block(1500)
  for (const answer of answers) t.match(await answer, { status: 200, complete: true })
  await closed
  await until(() => used.wire.ended !== null && unused.wire.ended !== null)
})

t.test('silent connections are closed, and the process ends', async (t) => {
  const { fastify, url } = await start(t)
  const silent = await connect(url)
  await fastify.close()
  await until(() => silent.wire.ended !== null)
})

t.test('a response that begins before all connections are accepted is the last one, too', async (t) => {
  const { fastify, url, closing, release, asked } = await start(t)
  const client = await connect(url)
  const answer = client.request('/held')
  await until(() => asked() === 1)
  // Whenever it looks whether more connections wait, it is busy.
  const busy = setInterval(block, 0, 2)
  const closed = fastify.close()
  await closing
  await new Promise(setImmediate)
  release()
  t.equal((await answer).header('connection'), 'close')
  clearInterval(busy)
  await closed
})
