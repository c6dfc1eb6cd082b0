import { createServer, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import type { Load } from '../../../bench/open-loop/load.ts'
import { offerLoad } from '../../../bench/open-loop/open-loop.ts'

/** Answers one request at a time with what `answer` writes, and keeps the targets. */
async function server(t: Test, answer: (socket: Socket, target: string, n: number) => void) {
  const targets: string[] = []
  const sockets = new Set<Socket>()
  const listener = createServer((socket) => {
    sockets.add(socket)
    socket
      .on('error', () => {})
      .on('data', (bytes) => {
        const target = bytes.toString('latin1').split(' ')[1]
        targets.push(target)
        answer(socket, target, targets.length)
      })
  })
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    listener.close()
  })
  const { port } = listener.address() as { port: number }
  const load: Load = {
    url: `http://127.0.0.1:${port}`,
    target: '/',
    rate: 100,
    seconds: 1,
    warmUp: 0,
    connections: 4,
  }
  return { load, targets, connections: () => sockets.size }
}

const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nbody'

t.test('as many requests as offered, the warm-up not recorded, each with its number', async (t) => {
  const { load, targets, connections } = await server(t, (socket) => socket.write(OK))
  const offered = await offerLoad({ scope: t, core: null }, { ...load, target: '/a?#b', warmUp: 0.5 })
  t.equal(offered.requests, 100)
  t.equal(offered.errors, 0)
  t.same(
    targets,
    [...Array(150).keys()].map((n) => `/a?${n}b`),
  )
  t.ok(offered.ttfb.p50 > 0 && offered.ttfb.p50 <= offered.ttfb.p99 && offered.ttfb.p99 <= offered.ttfb.max)
  t.equal(connections(), 4)
})

t.test(
  'a server that stands still is late for all that was due meanwhile, not for one request',
  async (t) => {
    const { load } = await server(t, (socket, _, n) => {
      if (n !== 20) return void socket.write(OK)
      // Nothing else is answered either: the process that answers stands still.
      const until = performance.now() + 400
      while (performance.now() < until);
      socket.write(OK)
    })
    const offered = await offerLoad({ scope: t, core: null }, { ...load, connections: 1 })
    t.equal(offered.requests, 100)
    // 40 of 100 were due in these 400 ms; the last of them had to wait next to nothing.
    t.ok(offered.ttfb.p50 < 400_000, `p50 ${offered.ttfb.p50}`)
    t.ok(offered.ttfb.p99 > 350_000, `p99 ${offered.ttfb.p99}`)
  },
)

t.test('heads and bodies in pieces', async (t) => {
  const { load } = await server(t, (socket) => {
    socket.setNoDelay(true)
    const pieces = ['HTTP/1.1 200 OK\r\nContent-', 'Length: 4\r\n\r', '\nbo', 'dy']
    const next = () => {
      socket.write(pieces.shift()!)
      if (pieces.length > 0) setImmediate(next)
    }
    next()
  })
  const { requests, errors } = await offerLoad({ scope: t, core: null }, load)
  t.same({ requests, errors }, { requests: 100, errors: 0 })
})

t.test('what is not answered as it should be is an error', async (t) => {
  const wrong = [
    'HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n',
    'HTTP/1.1 200 OK\r\n\r\n',
    'HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nbody',
    null,
  ]
  const { load } = await server(t, (socket, _, n) => {
    const answer = n % 10 === 0 ? wrong[(n / 10) % wrong.length] : OK
    if (answer === null) socket.destroy()
    else socket.write(answer)
  })
  const { requests, errors } = await offerLoad({ scope: t, core: null }, load)
  t.same({ requests, errors }, { requests: 100, errors: 10 })
})

t.test('a server that is not there is told', async (t) => {
  const { load } = await server(t, () => {})
  const nobody = { ...load, url: 'http://127.0.0.1:1' }
  await t.rejects(offerLoad({ scope: t, core: null }, nobody), /client.ts ended with 1/)
})
