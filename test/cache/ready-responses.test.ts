import t from 'tap'
import { createReadyResponses, type ReadyResponse } from '../../lib/cache/ready-responses.ts'
import type { Head } from '../../lib/semantics/types.ts'

const NOW = 1_700_000_000_000
const LONG = Buffer.alloc(100_000, 'l')

/** Just what is read of one: it became fresh at NOW, for a minute. */
const headOf = (fields: string[]): Head =>
  ({ status: 200, fields, initialAge: 0, responseTime: NOW, freshUntil: NOW + 60_000 }) as unknown as Head

const head = headOf(['Date', 'today'])
const found = (now: number, segments: Buffer[], of = head) => ({
  head: of,
  segments,
  length: segments.reduce((sum, { length }) => sum + length, 0),
  now,
  range: null,
})
const textOf = ({ first, rest }: ReadyResponse) => Buffer.concat([first, ...rest]).toString('latin1')

t.test('for a second the very same bytes are sent', async (t) => {
  const responses = createReadyResponses()
  const segments = [Buffer.from('a '), Buffer.from('body')]
  const first = responses.of(found(NOW + 1, segments), undefined, 5000)!
  t.equal(
    textOf(first),
    [
      'HTTP/1.1 200 OK',
      'Date: today',
      'Age: 0',
      'Via: 1.1 slicestream',
      'X-Cache: HIT',
      'Cache-Status: slicestream; hit; ttl=59; detail=l1',
      'Content-Length: 6',
      'Connection: keep-alive',
      'Keep-Alive: timeout=5',
      '',
      'a body',
    ].join('\r\n'),
  )
  t.same(first.rest, [], 'one write')
  t.equal(responses.of(found(NOW + 999, segments), undefined, 5000)!.first, first.first)
})

t.test('with each second, and with whatever else it says, it is made anew', async (t) => {
  const responses = createReadyResponses()
  const segments = [Buffer.from('a body')]
  const before = responses.of(found(NOW, segments), undefined, 5000)!
  const copy = textOf(before)
  const at = (now: number, key?: string, keepAlive = 5000, body = segments) =>
    textOf(responses.of(found(now, body), key, keepAlive)!)
  t.match(at(NOW), 'ttl=60;')
  t.match(at(NOW + 1), 'ttl=59;', 'the time that is left is rounded down')
  t.match(at(NOW + 1000), 'Age: 1\r\n')
  t.match(at(NOW), 'Age: 0\r\n', 'also when the clock is set back')
  t.match(at(NOW, 'the key'), 'key="the key"')
  t.notMatch(at(NOW), 'key=')
  t.match(at(NOW, undefined, 7999), 'Keep-Alive: timeout=7\r\n')
  t.notMatch(at(NOW, undefined, 0), 'Keep-Alive')
  t.match(at(NOW), /\r\n\r\na body$/)
  t.match(at(NOW, undefined, 5000, [Buffer.from('b body')]), /\r\n\r\nb body$/)
  t.equal(textOf(before), copy, 'what may wait for a client was not written to')
})

t.test('a long body is not copied', async (t) => {
  const responses = createReadyResponses()
  const response = responses.of(found(NOW, [LONG, LONG]), undefined, 0)!
  t.same(response.rest, [LONG, LONG])
  t.equal(response.rest[0], LONG)
  t.equal(response.length, 200_000)
  t.match(response.first.toString('latin1'), /Content-Length: 200000\r\n.*\r\n\r\n$/s)
  const other = Buffer.alloc(100_000, 'o')
  t.equal(responses.of(found(NOW, [other, LONG]), undefined, 0)!.rest[0], other)
})

t.test('what node:http would write otherwise is left to it', async (t) => {
  const responses = createReadyResponses()
  for (const fields of [[], ['Date', 'x', 'Connection', 'x'], ['Date', 'x', 'Upgrade', 'x'], ['Date', '\n']])
    for (let i = 0; i < 2; i++)
      t.equal(responses.of(found(NOW, [], headOf(fields)), undefined, 0), null, fields.join())
})

t.test('of many heads the ones that are used stay ready, and all are right', async (t) => {
  const responses = createReadyResponses()
  const hot = found(NOW, [Buffer.alloc(4000, 'h')], headOf(['Date', 'today', 'X-Of', 'hot']))
  const { first } = responses.of(hot, undefined, 0)!
  let cold = 0
  for (let i = 0; i < 5000; i++) {
    const one = found(NOW, [Buffer.alloc(4000, `${i}`)], headOf(['Date', 'today', 'X-Of', `${i}`]))
    const response = responses.of(one, undefined, 0)!
    if (!textOf(response).includes(`X-Of: ${i}\r\n`)) return t.fail(`${i}`)
    if (i === 0) cold = response.first.length
    if (i % 100 === 0 && responses.of(hot, undefined, 0)!.first !== first) return t.fail('it was forgotten')
  }
  t.ok(cold > 4000)
})
