import fc from 'fast-check'
import t from 'tap'
import {
  digitsValue,
  endToEnd,
  endToEndWithout,
  fieldValue,
  fieldValues,
  hasField,
  listMembers,
  without,
} from '../../lib/semantics/fields.ts'
import { noteFields } from '../../lib/semantics/noted-fields.ts'

t.test('a field is found in any case and its lines are combined in order', async (t) => {
  const fields = ['Accept', ' a ', 'X', '1', 'ACCEPT', 'b\t']
  t.same(fieldValues(fields, 'accept'), ['a', 'b'])
  t.equal(fieldValue(fields, 'accept'), 'a, b')
  t.equal(fieldValue(fields, 'x'), '1')
  t.equal(fieldValue(fields, 'y'), undefined)
  t.ok(hasField(fields, 'accept'))
  t.notOk(hasField(['a', 'accept'], 'accept'), 'values are not names')
  t.same(without(fields, new Set(['accept'])), ['X', '1'])
})

t.test('fields of the connection and those it nominates end here', async (t) => {
  const received = [
    ...['Connection', 'close, X-Debug', 'Keep-Alive', '5', 'Transfer-Encoding', 'chunked', 'TE', 'trailers'],
    ...['Upgrade', 'h2c', 'Trailer', 'x', 'Proxy-Authorization', 'Basic x', 'Proxy-Connection', 'close'],
    ...['x-debug', '1', 'Accept', '*/*', 'connection', 'other', 'Other', '2'],
  ]
  t.same(endToEnd(received), ['Accept', '*/*'])
})

t.test('a nomination cannot remove what the next hop relies on', async (t) => {
  const received = [
    'Connection',
    'cookie, authorization, x-forwarded-for, host, cache-control, content-length',
  ]
  const kept = [
    'Cookie',
    'a',
    'Authorization',
    'b',
    'X-Forwarded-For',
    'c',
    'Host',
    'd',
    'Cache-Control',
    'no-store',
  ]
  t.same(endToEnd([...received, ...kept]), kept)
})

t.test('what is remembered of names takes the same fields away', async (t) => {
  const drop = new Set(['age', 'x-cache'])
  const withoutDropped = endToEndWithout(drop)
  const name = fc.constantFrom(
    'Age',
    'age',
    'X-Cache',
    'A',
    'TE',
    'te',
    'Close',
    'Trailer',
    'Date',
    'Upgrade',
  )
  const options = fc.constantFrom(
    'keep-alive',
    'Keep-Alive',
    'close',
    'A',
    'a, date',
    'age',
    'keep-alive, A',
    '',
  )
  const line = fc.oneof(
    { weight: 4, arbitrary: fc.tuple(name, fc.constant('1')) },
    { weight: 1, arbitrary: fc.tuple(fc.constantFrom('Connection', 'connection'), options) },
  )
  fc.assert(
    fc.property(fc.array(line, { maxLength: 8 }), (lines) => {
      t.strictSame(withoutDropped(lines.flat()), endToEnd(lines.flat(), drop))
    }),
  )
  t.same(withoutDropped(['Connection', 'keep-alive', 'Keep-Alive', 'timeout=5', 'A', '1']), ['A', '1'])
})

t.test('nothing but digits is a number', async (t) => {
  for (const text of ['', '-1', '+1', '1.0', '1e3', ' 1', '1 ', '0x1', '\u0661', '1\n'])
    t.ok(Number.isNaN(digitsValue(text)), text)
  fc.assert(
    fc.property(
      fc.maxSafeNat(),
      fc.nat(30),
      (number, zeros) => digitsValue('0'.repeat(zeros) + number) === number,
    ),
  )
  for (const text of ['9007199254740992', '9007199254740993', '9'.repeat(400)])
    t.notOk(Number.isSafeInteger(digitsValue(text)), text)
})

t.test('a list is split at commas outside quoted strings, empty members skipped', async (t) => {
  t.same(listMembers(' a, ,b="x, \\" y" ,, c'), ['a', 'b="x, \\" y"', 'c'])
  t.same(
    listMembers('a="x, no-store, b'),
    ['a="x', 'no-store', 'b'],
    'a quote that is never closed hides nothing',
  )
  t.same(listMembers(''), [])
})

t.test('splitting is linear and loses nothing but separators', async (t) => {
  t.equal(listMembers('"\\'.repeat(500_000)).length, 1)
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('a', ',', '"', '\\', ' ', '=') }), (value) => {
      t.equal(listMembers(value).join('').replace(/[, ]/g, ''), value.replace(/[, ]/g, ''))
    }),
  )
})

t.test('fields that were noted are answered as others are', async (t) => {
  const names = [
    ...['age', 'cache-control', 'cdn-cache-control', 'content-length', 'date', 'etag', 'set-cookie', 'vary'],
    ...['x-cache', 'link', 'a', 'expires', 'transfer-encoding', 'x'.repeat(36), 'y'.repeat(4)],
  ]
  const spelled = fc.constantFrom(...names, 'Date', 'DATE', 'ETag', 'Vary', 'Link', 'Set-Cookie', 'eTAG')
  const line = fc.tuple(spelled, fc.constantFrom('', '1', ' 2\t', '"a, b"'))
  fc.assert(
    fc.property(fc.array(line, { maxLength: 8 }), fc.array(line, { maxLength: 3 }), (lines, others) => {
      const fields = lines.flat()
      noteFields(fields)
      for (const name of names) {
        for (const asked of [fields, others.flat()]) {
          const copy = asked.slice() // nobody has noted this one
          t.equal(fieldValue(asked, name), fieldValue(copy, name), name)
          t.equal(hasField(asked, name), hasField(copy, name), name)
        }
      }
      fields.push('Date', '3', 'New', '1')
      t.equal(fieldValue(fields, 'date'), fieldValue(fields.slice(), 'date'), 'they have grown since')
      t.ok(hasField(fields, 'new'))
    }),
  )
})
