import fc from 'fast-check'
import t from 'tap'
import { parseHead, type ResponseHead } from '../../../lib/upstream/http1/head.ts'
import { createHeadReader } from '../../../lib/upstream/http1/known-head.ts'

const END = '\r\n\r\n'

/** What the plain parser makes of it: undefined where the head is not whole or is refused. */
function plainly(text: string): { head: ResponseHead; end: number } | undefined {
  const at = text.indexOf(END)
  if (at === -1) return undefined
  try {
    return { head: parseHead(text.slice(0, at + 2)), end: at + END.length }
  } catch {
    return undefined
  }
}

/** Reads them one after the other, each with other bytes in front and behind. */
function readAll(texts: readonly string[]) {
  const reader = createHeadReader()
  return texts.map((text) => {
    const bytes = Buffer.from(`\r\n${text}\r\n\r\nA: b\r\n\r\n`, 'latin1')
    const head = reader.read(bytes, 2, 2 + text.length)
    return head && { head, end: reader.end - 2 }
  })
}

/** Lines that differ in little: the next one may be the same, longer, shorter, broken or in another place. */
const line = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.constantFrom('A: b', 'A: c', 'a: b', 'A:b', 'A: bb', 'Date: 1', 'Date: 2', 'B:', 'Ä'),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom('A : b', ' A: b', 'A: b\rc', 'A: b\nB: c', 'A: \0', ': b', '', '\r'),
  },
  {
    weight: 1,
    arbitrary: fc.string({ unit: fc.constantFrom('A', ':', ' ', '\r', '\n', '\t', '\xe9', '\x7f') }),
  },
)
const statusLine = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.constantFrom('HTTP/1.1 200 OK', 'HTTP/1.1 304 Not Modified', 'HTTP/1.0 200 OK'),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom('HTTP/2.0 200 OK', 'HTTP/1.1 2000', 'HTTP/1.1 200\tOK', 'A: b', ''),
  },
)
const message = fc
  .tuple(statusLine, fc.array(line, { maxLength: 6 }), fc.constantFrom(END, '\r\n', '\r\n\r', '\n\n', ''))
  .map(([first, lines, end]) => [first, ...lines].join('\r\n') + end)

t.test('what was read before changes nothing of what is read and refused', async (t) => {
  fc.assert(
    fc.property(fc.array(message, { maxLength: 12 }), (texts) => {
      t.strictSame(readAll(texts), texts.map(plainly))
    }),
    { numRuns: 2000 },
  )
  t.pass()
})

t.test('a head that was cut anywhere is not whole, though it is known', async (t) => {
  const text = 'HTTP/1.1 200 OK\r\nA: b\r\nDate: 1\r\n\r\n'
  const cut = Array.from(text, (_, length) => text.slice(0, length))
  t.strictSame(readAll([text, ...cut, text]), [plainly(text), ...cut.map(() => undefined), plainly(text)])
})

t.test('heads of more and of longer lines than are remembered are read all the same', async (t) => {
  const lines = (from: number, count: number) =>
    Array.from({ length: count }, (_, i) => `X-${from + i}: ${'v'.repeat((from + i) % 400)}\r\n`).join('')
  const heads = [0, 0, 40, 300, 300].map(
    (from) => `HTTP/1.1 200 ${'r'.repeat(from)}\r\n${lines(from, 100)}\r\n`,
  )
  t.strictSame(readAll(heads), heads.map(plainly))
})

t.test('fields that come and go, or change, leave the others known', async (t) => {
  const reader = createHeadReader()
  const read = (text: string) => {
    const bytes = Buffer.from(`HTTP/1.1 200 OK\r\n${text}\r\n`, 'latin1')
    return reader.read(bytes, 0, bytes.length)!.fields
  }
  t.same(read('Date: 1\r\nETag: "x"\r\nA: b\r\n'), ['Date', '1', 'ETag', '"x"', 'A', 'b'])
  t.same(read('Date: 2\r\nA: b\r\n'), ['Date', '2', 'A', 'b'])
  t.same(read('Date: 2\r\nVary: A\r\nETag: "x"\r\nA: b\r\n'), [
    'Date',
    '2',
    'Vary',
    'A',
    'ETag',
    '"x"',
    'A',
    'b',
  ])
  t.same(read('A: b\r\nDate: 2\r\nA: b\r\n'), ['A', 'b', 'Date', '2', 'A', 'b'])
})
