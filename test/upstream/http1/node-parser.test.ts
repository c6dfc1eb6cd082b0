import { request } from 'node:http'
import { createServer } from 'node:net'
import fc from 'fast-check'
import t from 'tap'
import { read } from './reading.ts'

interface Understood {
  status: number
  fields: string[]
  content: string
  trailers: string[]
}

/** Has Node's own client read the bytes of an answer, which end with the connection; undefined where it refuses them. */
async function startNode(t: { teardown(end: () => unknown): unknown }) {
  let answer = ''
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', () => socket.end(answer, 'latin1'))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const { port } = server.address() as { port: number }
  return (text: string, method: string) =>
    new Promise<Understood | undefined>((resolve) => {
      answer = text
      const req = request({ port, host: '127.0.0.1', method, agent: false, maxHeaderSize: 65_536 })
      req.on('error', () => resolve(undefined))
      // Another protocol.
      req.on('upgrade', (_response, socket) => {
        socket.destroy()
        resolve(undefined)
      })
      req.on('response', (response) => {
        let content = ''
        response.on('data', (piece: Buffer) => (content += piece.toString('latin1')))
        response.on('error', () => resolve(undefined))
        response.on('end', () => {
          const { statusCode: status, rawHeaders: fields, rawTrailers: trailers } = response
          resolve({ status: status!, fields, content, trailers })
        })
      })
      req.end()
    })
}

/** What we make of the same bytes; undefined where they are refused or cut. */
function ours(text: string, method: string): Understood | undefined {
  const { head, content, trailers, ended, left } = read(text, { method, close: true })
  // Node refuses an answer with bytes behind it, which we leave to whoever closes the connection.
  return ended && left === 0 && head
    ? { status: head.status, fields: head.fields, content, trailers: trailers! }
    : undefined
}

const OK = 'HTTP/1.1 200 OK\r\n'
const AS_NODE = [
  `${OK}Content-Length: 2\r\n\r\nhi`,
  `${OK}\r\nhi`,
  'HTTP/1.1 200\r\n\r\nhi',
  'HTTP/1.0 200 OK\r\n\r\nhi',
  `${OK}A:b\r\nB: \t c d \t\r\nC:\r\nD: \xe9\r\n\r\n`,
  `${OK}Transfer-Encoding: chunked\r\n\r\n2;a=b\r\nhi\r\n0\r\nX: y\r\n\r\n`,
  `${OK}Transfer-Encoding: CHUNKED\r\n\r\n0\r\n\r\n`,
  'HTTP/1.1 103 Hints\r\nA: b\r\n\r\nHTTP/1.1 204 No\r\n\r\n',
  'HTTP/1.1 304 Not\r\nContent-Length: 5\r\n\r\n',
  // Refused by both.
  '',
  'HTTP/1.1 200 OK\r\n',
  `${OK}Content-Length: 3\r\n\r\nhi`,
  `${OK}Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n`,
  `${OK}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n`,
  `${OK}Content-Length: 2\r\nContent-Length: 3\r\n\r\nhi`,
  `${OK}Content-Length: +2\r\n\r\nhi`,
  `${OK}Content-Length: 2, 2\r\n\r\nhi`,
  `${OK}A : b\r\n\r\n`,
  `${OK}A: b\r\n c\r\n\r\n`,
  `${OK}A\r\n\r\n`,
  `${OK}A: b\0\r\n\r\n`,
  `${OK}A: b\rc\r\n\r\n`,
  `${OK}Transfer-Encoding: chunked\r\n\r\n2 \r\nhi\r\n0\r\n\r\n`,
  `${OK}Transfer-Encoding: chunked\r\n\r\n0x2\r\nhi\r\n0\r\n\r\n`,
  `${OK}Transfer-Encoding: chunked\r\n\r\n2\r\nhi!\r\n0\r\n\r\n`,
  'HTTP/1.1 20 OK\r\n\r\n',
  'SSH-2.0-OpenSSH\r\n',
]

t.test('what Node reads is read alike, what it refuses is refused', async (t) => {
  const node = await startNode(t)
  for (const text of AS_NODE)
    for (const method of ['GET', 'HEAD'])
      t.same(ours(text, method), await node(text, method), `${method} ${JSON.stringify(text)}`)
})

const line = fc.constantFrom(
  'A: b\r\n',
  'X-Y:\t z \r\n',
  'Content-Length: 4\r\n',
  'Content-Length: 0\r\n',
  'Transfer-Encoding: chunked\r\n',
  'Connection: close\r\n',
  'Connection: keep-alive\r\n',
  'A: b\n',
  ' folded\r\n',
  'A : b\r\n',
  'B: \0\r\n',
)
const text = fc
  .record({
    status: fc.constantFrom('200 OK', '204 No', '304 Not', '404', '99 Low', '103 Hints'),
    minor: fc.constantFrom('0', '1'),
    lines: fc.array(line, { maxLength: 4 }),
    content: fc.constantFrom(
      '',
      'four',
      '4\r\nfour\r\n0\r\n\r\n',
      '4;x\r\nfour\r\n0\r\nT: u\r\n\r\n',
      '4\nfour\r\n0\r\n\r\n',
      'fiver',
    ),
    cut: fc.integer({ min: 0, max: 4 }),
  })
  .map(({ status, minor, lines, content, cut }) => {
    const whole = `HTTP/1.${minor} ${status}\r\n${lines.join('')}\r\n${content}`
    return cut === 0 ? whole.slice(0, -3) : whole
  })

t.test('nothing is read otherwise than Node reads it, and nothing that it refuses', async (t) => {
  const node = await startNode(t)
  await fc.assert(
    fc.asyncProperty(text, fc.constantFrom('GET', 'HEAD'), async (text, method) => {
      const mine = ours(text, method)
      // Refusing more is allowed: the table above says what is not refused.
      if (mine !== undefined) t.same(mine, await node(text, method), `${method} ${JSON.stringify(text)}`)
    }),
    { numRuns: 1500 },
  )
})
