import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { readPlainRequest } from '../../lib/semantics/plain-request.ts'

const HOST = 'Host: example.com\r\n'
const request = (fields: string, line = 'GET /a?b=c HTTP/1.1') => `${line}\r\n${fields}\r\n`

t.test(
  'a GET of a path with one Host is plain; its fields are those that node:http would give',
  async (t) => {
    t.same(readPlainRequest(request(HOST)), {
      path: '/a?b=c',
      host: 'example.com',
      fields: ['Host', 'example.com'],
    })
    t.same(
      readPlainRequest(request(`accept:\t a \tb \t\r\n${HOST}x-A_1: \xe9\xff\r\naccept: c\r\n`))?.fields,
      ['accept', 'a \tb', 'Host', 'example.com', 'x-A_1', '\xe9\xff', 'accept', 'c'],
    )
    for (const path of [
      '/',
      '//',
      '/%41%2f',
      "/a.~!$&'()*+,;=:@-_",
      '/?',
      '/?a=[1]|2&b=/?',
      `/${'x'.repeat(4000)}`,
    ]) {
      t.equal(readPlainRequest(request(HOST, `GET ${path} HTTP/1.1`))?.path, path)
    }
    t.ok(readPlainRequest(request(`${HOST}Connection: keep-alive\r\n`)))
    t.ok(readPlainRequest(request(`connection:KEEP-ALIVE\r\n${HOST}`)))
  },
)

const LINES = [
  'get /a HTTP/1.1',
  'GET  /a HTTP/1.1',
  'GET\t/a HTTP/1.1',
  'GET /a  HTTP/1.1',
  'GET /a HTTP/1.1 ',
  'GET /a b HTTP/1.1',
  'GET /a http/1.1',
  'GET /a HTTP/1.0',
  'GET /a HTTP/1.10',
  'GET /a HTTP/2.0',
  'GET /a',
  'GET /a#b HTTP/1.1',
  'GET /\xe9 HTTP/1.1',
  'GET /a\0 HTTP/1.1',
  'GET /\\a HTTP/1.1',
  'GET * HTTP/1.1',
  'GET a HTTP/1.1',
  'GET  HTTP/1.1',
  'GET http://example.com/a HTTP/1.1',
  'GET example.com:80 HTTP/1.1',
  'HEAD /a HTTP/1.1',
  'POST /a HTTP/1.1',
  'GETX /a HTTP/1.1',
  ' GET /a HTTP/1.1',
  '\r\nGET /a HTTP/1.1',
  'GET /a HTTP/1.1\r',
  'GET /a HTTP/1.1\n',
  'GET /a HTTP/1.1\r\nGET /b HTTP/1.1',
  'GET /a HTTP/1.1\r\n',
]

t.test('another method, form of target, version or spacing is not plain', async (t) => {
  for (const line of LINES) t.equal(readPlainRequest(request(HOST, line)), null, JSON.stringify(line))
})

const FRAMING = [
  'Content-Length',
  'Transfer-Encoding',
  'Trailer',
  'TE',
  'Expect',
  'Upgrade',
  'HTTP2-Settings',
]
const OF_CONNECTIONS = ['Keep-Alive', 'Proxy-Connection']

t.test(
  'a field that frames the message or is about the connection is not plain, however it is spelt',
  async (t) => {
    for (const name of [...FRAMING, ...OF_CONNECTIONS]) {
      for (const spelling of [name, name.toLowerCase(), name.toUpperCase()]) {
        for (const value of ['0', '5', 'chunked', 'identity', 'x', '']) {
          for (const field of [`${spelling}: ${value}`, `${spelling}:${value}`, `${spelling}:\t${value} `]) {
            t.equal(readPlainRequest(request(`${HOST}${field}\r\n`)), null, JSON.stringify(field))
            t.equal(readPlainRequest(request(`${field}\r\n${HOST}`)), null, JSON.stringify(field))
          }
        }
      }
    }
    for (const value of [
      'close',
      'Upgrade',
      'keep-alive, close',
      'keep-alive, x',
      'x',
      '"keep-alive"',
      'TE',
    ]) {
      t.equal(readPlainRequest(request(`${HOST}Connection: ${value}\r\n`)), null, value)
    }
  },
)

const FIELDS = [
  'Content-Length : 5',
  ' Content-Length: 5',
  '\tContent-Length: 5',
  'Content-Length\t: 5',
  'Content-Length\0: 5',
  'X: a\nContent-Length: 5',
  'X: a\rContent-Length: 5',
  'X: a\r\n Content-Length: 5',
  'X: a\r\n\tb',
  'X: \x00',
  'X: a\x0bb',
  'X: a\x7f',
  'X: a\x1f',
  'X: \u0100',
  'X: \u010a',
  'X',
  ': a',
  'X Y: a',
  'X(: a',
  '\xe9: a',
  'X:',
  'X: \t ',
  '\r\nX: a',
]

t.test('a line that is no field, or one that is odd, is not plain', async (t) => {
  for (const field of FIELDS) {
    t.equal(readPlainRequest(request(`${HOST}${field}\r\n`)), null, JSON.stringify(field))
    t.equal(readPlainRequest(request(`${field}\r\n${HOST}`)), null, JSON.stringify(field))
  }
})

t.test('no Host, two of them, and what is not whole or more than one request are not plain', async (t) => {
  t.equal(readPlainRequest(request('')), null)
  t.equal(readPlainRequest(request('X: a\r\n')), null)
  t.equal(readPlainRequest(request(`${HOST}${HOST}`)), null)
  t.equal(readPlainRequest(request(`${HOST}host: other\r\n`)), null)
  const whole = request(`${HOST}Accept: a\r\n`)
  for (let end = 0; end < whole.length; end++) t.equal(readPlainRequest(whole.slice(0, end)), null)
  for (const more of [
    '\n',
    '\r\n',
    '\r\n\r\n',
    'x',
    '\0',
    whole,
    'X: a\r\n\r\n',
    'POST / HTTP/1.1\r\n\r\n',
  ]) {
    t.equal(readPlainRequest(whole + more), null, JSON.stringify(more))
    t.equal(readPlainRequest(more + whole), null, JSON.stringify(more))
  }
})

/** What node:http makes of bytes: method, target and fields of each request. */
type Seen = [string | undefined, string | undefined, string[]]

const NEXT = 'GET /next HTTP/1.1\r\nHost: next\r\n\r\n'

/** A server of node:http, and what it reads in the bytes of one connection. */
async function startReader(t: Test) {
  let seen: Seen[] = []
  const server = createServer((req: IncomingMessage, res) => {
    seen.push([req.method, req.url, req.rawHeaders])
    res.end()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  return async (text: string): Promise<Seen[]> => {
    seen = []
    const socket = connect({ port, host: '127.0.0.1' }).on('error', () => {})
    socket.resume().end(Buffer.from(text, 'latin1'))
    await once(socket, 'close')
    return seen
  }
}

const path = fc.stringMatching(/^\/[\w.~!$&'()*+,;=:@/?%[\]|#"<>^`{}-]{0,20}$/)
const token = fc.stringMatching(/^[!#$%&'*+.^_`|~\w-]{1,8}$/)
const value = fc.stringMatching(/^[\t -~\x80-\xff]{0,12}$/)
const name = fc.oneof(token, fc.constantFrom('Host', 'Accept', 'Connection', 'Content-Length', 'X-A', 'te'))
const fields = fc
  .array(fc.tuple(name, fc.constantFrom(':', ': ', ':\t ', ' : '), value), { maxLength: 4 })
  .map((lines) => lines.map((line) => `${line.join('')}\r\n`).join(''))
const wellFormed = fc
  .tuple(path, fields, fc.boolean())
  .map(([target, more, first]) => request(first ? HOST + more : more + HOST, `GET ${target} HTTP/1.1`))
/** One place of a request is replaced, or gets something more. */
const damage = fc.tuple(
  fc.nat(120),
  fc.nat(2),
  fc.constantFrom(
    '',
    ' ',
    '\t',
    '\r',
    '\n',
    '\r\n',
    '\r\n\r\n',
    '\0',
    ':',
    '\x7f',
    '\x80',
    'a',
    '/',
    'HTTP/1.1',
  ),
)
const text = fc
  .tuple(wellFormed, fc.array(damage, { maxLength: 2 }))
  .map(([whole, places]) =>
    places.reduce(
      (before, [at, length, more]) => before.slice(0, at) + more + before.slice(at + length),
      whole,
    ),
  )

t.test('what is plain node:http reads in the same way: one request, and nothing left over', async (t) => {
  const read = await startReader(t)
  let plain = 0
  await fc.assert(
    fc.asyncProperty(fc.oneof(wellFormed, text), async (whole) => {
      const request = readPlainRequest(whole)
      if (request === null) return true
      plain++
      const expected = ['GET', request.path, request.fields]
      const seen = await read(whole + NEXT)
      return JSON.stringify(seen) === JSON.stringify([expected, ['GET', '/next', ['Host', 'next']]])
    }),
    { numRuns: 4000 },
  )
  t.ok(plain > 100, `${plain} of them were plain`)
})

t.test('a long request of whatever kind is read in a moment', async (t) => {
  const fill = (piece: string, length = 8192) =>
    piece.repeat(Math.ceil(length / piece.length)).slice(0, length)
  const texts = [
    ' ',
    '\t ',
    'a ',
    ' a',
    'a',
    '/',
    '%',
    ':',
    'a:',
    'a: b\r\n',
    '\r\n',
    '\r',
    'X: a\r\n ',
    '\0',
  ].flatMap((piece) => [
    request(`${HOST}X: ${fill(piece)}\r\n`),
    request(`${HOST}X: a${fill(piece)}\0\r\n`),
    request(`${HOST}${fill(piece)}: a\r\n`),
    request(HOST, `GET /${fill(piece)} HTTP/1.1`),
    request(HOST, `GET /${fill(piece)}\0 HTTP/1.1`),
    request(`${fill(piece)}${HOST}`),
  ])
  // Less than a millisecond each; the square of the length would be 67 million steps.
  for (const text of texts) {
    const before = process.cpuUsage().user
    // Each time another one: what is remembered was not read.
    for (let i = 0; i < 20; i++) readPlainRequest(text.replace('com', `com${i}`))
    t.ok(process.cpuUsage().user - before < 400_000, JSON.stringify(text.slice(0, 60)))
  }
})
