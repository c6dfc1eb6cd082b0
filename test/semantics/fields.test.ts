import fc from 'fast-check'
import t from 'tap'
import {
  endToEnd,
  fieldValue,
  fieldValues,
  hasField,
  listMembers,
  without,
} from '../../lib/semantics/fields.ts'

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
