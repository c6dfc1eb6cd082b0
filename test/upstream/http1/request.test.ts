import fc from 'fast-check'
import t from 'tap'
import { requestHead } from '../../../lib/upstream/http1/request.ts'

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/
const OF_CONNECTION = ['connection', 'keep-alive', 'transfer-encoding', 'upgrade']

/** What is to be written for a GET without content, told without memory; undefined where it is refused. */
function plainly(fields: readonly string[]): string | undefined {
  let text = 'GET /a HTTP/1.1\r\n'
  let length: number | undefined
  for (let i = 0; i < fields.length; i += 2) {
    const [name, value] = [fields[i], fields[i + 1]]
    if (!TOKEN.test(name) || !VALUE.test(value) || OF_CONNECTION.includes(name.toLowerCase()))
      return undefined
    if (name.toLowerCase() === 'content-length') {
      if (length !== undefined || !/^\d+$/.test(value)) return undefined
      length = Number(value)
    } else text += `${name}: ${value}\r\n`
  }
  if (length !== undefined && length > 0) return undefined
  return `${text}Connection: keep-alive\r\n${length === 0 ? 'Content-Length: 0\r\n' : ''}\r\n`
}

function written(fields: string[]): string | undefined {
  try {
    return requestHead('GET', '/a', fields, false).text
  } catch (error) {
    if ((error as { code?: string }).code === 'ORIGIN_BAD_REQUEST') return undefined
    throw error
  }
}

/** Names and values that are easily mistaken for one another, and what must not be sent. */
const name = fc.constantFrom('A', 'a', 'AB', 'Host', 'Content-Length', 'content-length', 'Upgrade', 'A b', '')
const value = fc.constantFrom(
  '',
  'b',
  '0',
  '00',
  '7',
  ' b',
  'B: b',
  'caf\xe9',
  'b\r\nC: d',
  'b\n',
  '\0',
  '\u0162',
)
const good = fc.tuple(fc.constantFrom('A', 'a', 'AB'), fc.constantFrom('', 'b', 'B: b'))
const field = fc.oneof({ weight: 6, arbitrary: good }, { weight: 1, arbitrary: fc.tuple(name, value) })

t.test('what was sent before changes nothing of what is written and refused', async (t) => {
  fc.assert(
    fc.property(fc.array(fc.array(field, { maxLength: 6 }), { maxLength: 10 }), (requests) => {
      const lists = requests.map((fields) => fields.flat())
      t.strictSame(lists.map(written), lists.map(plainly))
    }),
    { numRuns: 2000 },
  )
})

t.test('more and longer fields than are remembered are written all the same', async (t) => {
  const lists = [1, 1, 300, 300].map((longer) =>
    Array.from({ length: 60 }, (_, i) => [`X-${i}`, 'v'.repeat(i * longer)]).flat(),
  )
  t.strictSame(lists.map(written), lists.map(plainly))
})

t.test('a Content-Length counts each time it comes', async (t) => {
  const fields = ['Host', 'a', 'Content-Length', '3']
  for (let i = 0; i < 3; i++) {
    t.equal(requestHead('PUT', '/', fields, true).length, 3)
    t.throws(() => requestHead('GET', '/', fields, false), { code: 'ORIGIN_BAD_REQUEST' })
  }
})
