import fc from 'fast-check'
import t from 'tap'
import { MOST_HEAD, type Read, read } from './reading.ts'

const OK = 'HTTP/1.1 200 OK\r\n'

t.test('status, version and fields are read as they were written', async (t) => {
  const seen = read(
    'HTTP/1.0 404 Not  Found\r\nA:b\r\nX-Y: \t c d\t \r\nEmpty:\r\nA: caf\xe9\r\nContent-Length: 2\r\n\r\nhi',
  )
  t.same(seen.head, {
    status: 404,
    minor: 0,
    fields: ['A', 'b', 'X-Y', 'c d', 'Empty', '', 'A', 'caf\xe9', 'Content-Length', '2'],
  })
  t.match(seen, { content: 'hi', ended: true, left: 0, trailers: [] })
})

t.test('a status line needs no reason, and any three digits from 100 on are a status', async (t) => {
  for (const line of ['HTTP/1.1 299', 'HTTP/1.1 299 ', 'HTTP/1.1 299 \xe9\t!'])
    t.equal(read(`${line}\r\n\r\n`).head?.status, 299)
  for (const status of [200, 600, 999]) t.equal(read(`HTTP/1.1 ${status} Odd\r\n\r\n`).head?.status, status)
})

t.test('what could be read otherwise is refused', async (t) => {
  const heads: Record<string, string> = {
    'a folded line': `${OK}A: b\r\n c\r\n\r\n`,
    'a bare LF between lines': `${OK}A: b\nB: c\r\n\r\n`,
    'a bare LF after the status line': 'HTTP/1.1 200 OK\nA: b\r\n\r\n',
    'only bare LF': 'HTTP/1.1 200 OK\nA: b\n\n',
    'a bare CR': `${OK}A: b\rc\r\n\r\n`,
    'NUL in a value': `${OK}A: b\0\r\n\r\n`,
    'DEL in a value': `${OK}A: b\x7f\r\n\r\n`,
    'NUL in the reason': 'HTTP/1.1 200 O\0K\r\n\r\n',
    'a space before the colon': `${OK}A : b\r\n\r\n`,
    'a space before the name': `${OK} A: b\r\n\r\n`,
    'a line without a colon': `${OK}A\r\n\r\n`,
    'a field without a name': `${OK}: b\r\n\r\n`,
    'a name of other characters': `${OK}A(b): c\r\n\r\n`,
    'a name beyond ASCII': `${OK}\xe9: c\r\n\r\n`,
    'an empty line in front': `\r\n${OK}\r\n`,
    'another protocol': 'SSH-2.0-OpenSSH\r\n',
    'another version': 'HTTP/2.0 200 OK\r\n\r\n',
    'a version of two digits': 'HTTP/1.10 200 OK\r\n\r\n',
    'lower case': 'http/1.1 200 OK\r\n\r\n',
    'no status': 'HTTP/1.1 OK\r\n\r\n',
    'a status of two digits': 'HTTP/1.1 20 OK\r\n\r\n',
    'a status of four digits': 'HTTP/1.1 2000 OK\r\n\r\n',
    'a status with a sign': 'HTTP/1.1 +20 OK\r\n\r\n',
    'a status with a fraction': 'HTTP/1.1 1e2 OK\r\n\r\n',
    'a status in hexadecimal': 'HTTP/1.1 0x9 OK\r\n\r\n',
    'a status below 100': 'HTTP/1.1 099 OK\r\n\r\n',
    'two spaces before the status': 'HTTP/1.1  200 OK\r\n\r\n',
    'a tab before the status': 'HTTP/1.1\t200 OK\r\n\r\n',
    'another protocol, unasked': 'HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n',
  }
  for (const [what, text] of Object.entries(heads))
    t.match(read(text), { refused: 'ORIGIN_PROTOCOL', content: '' }, what)
})

t.test('an ambiguous framing is refused, and has no content', async (t) => {
  const lines: Record<string, string> = {
    'length and chunks': 'Content-Length: 5\r\nTransfer-Encoding: chunked',
    'chunks and length': 'Transfer-Encoding: chunked\r\nContent-Length: 5',
    'two lengths': 'Content-Length: 5\r\nContent-Length: 6',
    'the same length twice': 'Content-Length: 5\r\ncontent-length: 5',
    'a list of lengths': 'Content-Length: 5, 5',
    'a signed length': 'Content-Length: +5',
    'a negative length': 'Content-Length: -5',
    'an empty length': 'Content-Length:',
    'a length in hexadecimal': 'Content-Length: 0x5',
    'a length with a fraction': 'Content-Length: 5.0',
    'a length beyond 2^53': 'Content-Length: 9007199254740993',
    'another coding': 'Transfer-Encoding: gzip',
    'chunks behind another coding': 'Transfer-Encoding: gzip, chunked',
    'chunks before another coding': 'Transfer-Encoding: chunked, identity',
    'chunks twice': 'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked',
    'chunks with a parameter': 'Transfer-Encoding: chunked;a=b',
    'something like chunks': 'Transfer-Encoding: xchunked',
    'chunks with a vertical tab': 'Transfer-Encoding: \x0bchunked',
  }
  for (const [what, line] of Object.entries(lines)) {
    for (const method of ['GET', 'HEAD'])
      t.match(
        read(`${OK}${line}\r\n\r\n5\r\nhello\r\n0\r\n\r\n`, { method }),
        { refused: 'ORIGIN_PROTOCOL', content: '' },
        what,
      )
  }
})

t.test(
  'where the content ends, and whether another answer may follow (RFC 9112 sections 6.3 and 9.3)',
  async (t) => {
    const cases: [head: string, body: string, reusable: boolean, method?: string][] = [
      ['HTTP/1.1 200 \r\nContent-Length: 5', 'length', true],
      ['HTTP/1.1 200 \r\nContent-Length: 0', 'none', true],
      ['HTTP/1.1 200 \r\ntransfer-encoding: Chunked', 'chunked', true],
      ['HTTP/1.1 200 ', 'close', false],
      ['HTTP/1.1 200 \r\nConnection: keep-alive', 'close', false],
      ['HTTP/1.1 200 \r\nContent-Length: 5\r\nConnection: close', 'length', false],
      ['HTTP/1.1 200 \r\nContent-Length: 5\r\nConnection: X-A, Close', 'length', false],
      ['HTTP/1.1 200 \r\nContent-Length: 5\r\nConnection: close\r\nConnection: keep-alive', 'length', false],
      ['HTTP/1.1 200 \r\nContent-Length: 5\r\nConnection: x-close', 'length', true],
      ['HTTP/1.0 200 \r\nContent-Length: 5', 'length', false],
      ['HTTP/1.0 200 \r\nContent-Length: 5\r\nConnection: Keep-Alive', 'length', true],
      ['HTTP/1.0 200 \r\nConnection: keep-alive\r\nTransfer-Encoding: chunked', 'chunked', false],
      ['HTTP/1.1 204 ', 'none', true],
      ['HTTP/1.1 204 \r\nContent-Length: 5', 'none', false],
      ['HTTP/1.1 304 \r\nContent-Length: 0', 'none', true],
      ['HTTP/1.1 304 \r\nContent-Length: 5', 'none', false],
      ['HTTP/1.1 304 \r\nTransfer-Encoding: chunked', 'none', false],
      ['HTTP/1.1 200 \r\nContent-Length: 5', 'none', true, 'HEAD'],
      ['HTTP/1.1 200 \r\nTransfer-Encoding: chunked', 'none', true, 'HEAD'],
    ]
    for (const [head, body, reusable, method] of cases)
      t.match(read(`${head}\r\n\r\n`, { method }).framing, { body, reusable }, head)
  },
)

t.test('how long the origin keeps an idle connection', async (t) => {
  for (const [value, seconds] of [
    ['timeout=5', 5],
    ['max=100, timeout=15', 15],
    ['Timeout = "7"', 7],
    ['max=100', null],
    ['notimeout=5', null],
    ['timeout=', null],
  ] as const)
    t.equal(
      read(`${OK}Content-Length: 0\r\nKeep-Alive: ${value}\r\n\r\n`).framing?.idleSeconds,
      seconds,
      value,
    )
})

t.test('interim answers are told, and the final one follows', async (t) => {
  const seen = read(
    `HTTP/1.1 100 \r\n\r\nHTTP/1.1 103 Hints\r\nLink: </a>\r\n\r\n${OK}Content-Length: 2\r\n\r\nhi`,
  )
  t.same(
    seen.interim.map(({ status, fields }) => [status, ...fields]),
    [[100], [103, 'Link', '</a>']],
  )
  t.match(seen, { head: { status: 200 }, content: 'hi', ended: true })
})

t.test('what comes behind the end is left, not read', async (t) => {
  for (const head of [
    'Content-Length: 2\r\n\r\nhi',
    'Content-Length: 0\r\n\r\n',
    'Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n',
  ])
    t.match(read(`${OK}${head}HTTP/1.1 200 `), { ended: true, left: 13 }, head)
  t.match(read(`${OK}Content-Length: 2\r\n\r\nhi`, { method: 'HEAD' }), { content: '', ended: true, left: 2 })
})

t.test('the end of the connection ends only what has no other end', async (t) => {
  t.match(read(`${OK}\r\nhi`, { close: true }), { content: 'hi', ended: true })
  t.match(read(`${OK}\r\nhi`), { content: 'hi', ended: false })
  for (const text of [
    'HTTP/1.1',
    `${OK}Content-Length: 3\r\n\r\nhi`,
    `${OK}Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n`,
    `${OK}Transfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n`,
    'HTTP/1.1 103 \r\n\r\n',
  ])
    t.match(read(text, { close: true }), { ended: false }, JSON.stringify(text))
})

const CHUNKED = `${OK}Transfer-Encoding: chunked\r\n\r\n`

t.test('chunks, their extensions and trailers', async (t) => {
  t.match(read(`${CHUNKED}5\r\nhello\r\n00001;a=b;c="d"\r\n!\r\n000\r\nA: b\r\nC:\r\n\r\n`), {
    content: 'hello!',
    trailers: ['A', 'b', 'C', ''],
    ended: true,
  })
  t.match(read(`${CHUNKED}a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n`), {
    content: '01234567890123456789',
    ended: true,
  })
})

t.test('broken chunks are refused', async (t) => {
  const broken: Record<string, string> = {
    'no size': '\r\n',
    'an extension without a size': ';a\r\n',
    'a space in front': ' 5\r\nhello\r\n',
    'a space behind': '5 \r\nhello\r\n',
    'a sign': '+5\r\nhello\r\n',
    hexadecimal: '0x5\r\nhello\r\n',
    'a bare LF': '5\nhello\r\n',
    'a bare LF in an extension': '5;a\nhello\r\n',
    'a bare CR': '5\rhello\r\n',
    'a longer chunk': '5\r\nhello!\r\n',
    'a chunk that ends with something and LF': '5\r\nhello!\n0\r\n\r\n',
    'a chunk that ends with LF': '5\r\nhello\n0\r\n\r\n',
    'a size that nobody has': 'fffffffffffffff\r\n',
    'a control character in an extension': '5;\0\r\nhello\r\n',
    'an endless extension': `5;${'a'.repeat(10_000)}`,
    'a broken trailer': '0\r\nA : b\r\n\r\n',
    'a folded trailer': '0\r\nA: b\r\n c\r\n\r\n',
  }
  for (const [what, text] of Object.entries(broken)) {
    const seen = read(CHUNKED + text)
    t.equal(seen.refused, 'ORIGIN_PROTOCOL', what)
    t.notOk(seen.ended, what)
  }
})

t.test('heads and trailers have a limit', async (t) => {
  const padding = (bytes: number) => `X: ${'y'.repeat(bytes - 5)}\r\n`
  const room = MOST_HEAD - OK.length - 2
  for (const pieces of [[], [100], [1000, 2000]]) {
    t.equal(read(`${OK}${padding(room)}\r\n`, { pieces }).head?.status, 200)
    t.equal(read(`${OK}${padding(room + 1)}\r\n`, { pieces }).refused, 'ORIGIN_HEAD_TOO_LARGE')
    t.equal(read(`${OK}${padding(room * 4)}`, { pieces }).refused, 'ORIGIN_HEAD_TOO_LARGE')
    t.ok(read(`${CHUNKED}0\r\n${padding(MOST_HEAD - 2)}\r\n`, { pieces }).ended)
    t.equal(read(`${CHUNKED}0\r\n${padding(MOST_HEAD - 1)}\r\n`, { pieces }).refused, 'ORIGIN_HEAD_TOO_LARGE')
    t.equal(read(`${CHUNKED}0\r\n${padding(MOST_HEAD * 2)}`, { pieces }).refused, 'ORIGIN_HEAD_TOO_LARGE')
  }
})

const name = fc.constantFrom(
  'A',
  'X-Long-Name',
  'Date',
  'keep-alive',
  'Connection',
  'Content-Type',
  'Content-Lengths',
)
const value = fc.string({ unit: fc.constantFrom('a', ' ', '\t', ',', '"', '\xe9', ':'), maxLength: 12 })
const fields = fc
  .array(fc.tuple(name, value), { maxLength: 6 })
  .map((all) => all.map(([n, v]) => `${n}: ${v}\r\n`).join(''))
const content = fc.string({ unit: fc.constantFrom('a', '\r', '\n', '0', 'H'), maxLength: 40 })
const interim = fc.array(fc.constantFrom('HTTP/1.1 100 \r\n\r\n', 'HTTP/1.1 103 Hints\r\nLink: a\r\n\r\n'), {
  maxLength: 2,
})

/** A response with its content, told how it was framed. */
const response = fc
  .record({
    interim,
    status: fc.constantFrom(200, 204, 304, 404),
    minor: fc.constantFrom(0, 1),
    fields,
    content,
    trailers: fields,
  })
  .chain((it) =>
    fc.constantFrom('length', 'chunked', 'close').map((framing) => {
      const before = `${it.interim.join('')}HTTP/1.${it.minor} ${it.status} X\r\n${it.fields}`
      if (framing === 'length') return `${before}Content-Length: ${it.content.length}\r\n\r\n${it.content}`
      if (framing === 'close') return `${before}\r\n${it.content}`
      const chunks = it.content.match(/.{1,7}/gs) ?? []
      const coded = chunks.map((chunk) => `${chunk.length.toString(16)};x\r\n${chunk}\r\n`).join('')
      return `${before}Transfer-Encoding: chunked\r\n\r\n${coded}0\r\n${it.trailers}\r\n`
    }),
  )
const pieces = fc.array(fc.integer({ min: 1, max: 30 }), { maxLength: 60 })
const method = fc.constantFrom('GET', 'HEAD')

t.test('however the bytes are cut into pieces, the same is read', async () => {
  fc.assert(
    fc.property(response, pieces, method, fc.boolean(), (text, pieces, method, close) => {
      const whole = read(text, { method, close })
      return whole.refused === undefined && isSame(whole, read(text, { method, close, pieces }))
    }),
    { numRuns: 2000 },
  )
})

t.test(
  'damaged bytes are read alike in all pieces too, never throw anything else and never promise what is not there',
  async () => {
    const damage = fc.array(
      fc.tuple(
        fc.nat(400),
        fc.constantFrom(
          '',
          '\r',
          '\n',
          '\0',
          ' ',
          ':',
          ';',
          ',',
          '0',
          'f',
          '\x7f',
          '\r\n',
          '\r\n\r\n',
          'Content-Length: 3\r\n',
        ),
      ),
      { minLength: 1, maxLength: 3 },
    )
    fc.assert(
      fc.property(response, damage, pieces, method, fc.boolean(), (text, damage, pieces, method, close) => {
        let damaged = text
        for (const [at, what] of damage)
          damaged =
            damaged.slice(0, at % (text.length + 1)) + what + damaged.slice((at % (text.length + 1)) + 1)
        const whole = read(damaged, { method, close })
        if (!isSame(whole, read(damaged, { method, close, pieces }))) return false
        if (!whole.head || !whole.framing) return true
        const lengths = valuesOf(whole.head.fields, 'content-length')
        const codings = valuesOf(whole.head.fields, 'transfer-encoding')
        // One framing, and the content that it tells.
        if (lengths.length + codings.length > 1) return false
        if (whole.framing.body === 'length' && whole.ended) return whole.content.length === Number(lengths[0])
        return whole.framing.body !== 'none' || whole.content === ''
      }),
      { numRuns: 5000 },
    )
  },
)

/** A refusal may come before or after the first bytes of the content, which then is of no use. */
function isSame(a: Read, b: Read): boolean {
  if (a.refused !== undefined) return b.refused === a.refused && !a.ended && !b.ended
  return JSON.stringify(a) === JSON.stringify(b)
}

function valuesOf(fields: readonly string[], name: string): string[] {
  return fields.filter((_, i, all) => i % 2 === 1 && all[i - 1].toLowerCase() === name)
}
