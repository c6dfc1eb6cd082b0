import fc from 'fast-check'
import t from 'tap'
import {
  cacheStatus,
  notModifiedFields,
  proxyStatus,
  responseFields,
} from '../../lib/semantics/response-fields.ts'
import { dateAt, headOf } from './heads.ts'

const HIT = { age: 12, xCache: 'HIT', cacheStatus: 'slicestream; hit' }

t.test('our fields follow the stored ones, which stay as they are', async (t) => {
  const head = headOf([
    'Via',
    '1.1 front',
    'Cache-Status',
    'shield; hit',
    'Set-Cookie',
    'a',
    'Set-Cookie',
    'b',
  ])
  const stored = [...head.fields]
  t.same(responseFields(head, HIT), [
    ...[
      ...stored,
      'Age',
      '12',
      'Via',
      '1.1 slicestream',
      'X-Cache',
      'HIT',
      'Cache-Status',
      'slicestream; hit',
    ],
  ])
  t.same(head.fields, stored)
})

t.test('what was just received carries no Age', async (t) => {
  t.notOk(responseFields(headOf([]), { ...HIT, age: null }).includes('Age'))
})

t.test('a 304 does not describe content', async (t) => {
  const head = headOf([
    'ETag',
    '"a"',
    'Content-Type',
    'text/plain',
    'Content-Location',
    '/x',
    'content-encoding',
    'br',
  ])
  const fields = notModifiedFields(head, HIT)
  t.same(fields.slice(0, 6), ['Date', dateAt(0), 'ETag', '"a"', 'Content-Location', '/x'])
  t.equal(fields[6], 'Age')
})

t.test('Cache-Status tells what happened', async (t) => {
  t.equal(cacheStatus({ hit: true, ttl: 3588, detail: 'l1' }), 'slicestream; hit; ttl=3588; detail=l1')
  t.equal(cacheStatus({ hit: false, fwd: 'bypass' }), 'slicestream; fwd=bypass')
  t.equal(
    cacheStatus({ hit: false, fwd: 'stale', fwdStatus: 304, stored: true, collapsed: true, ttl: -1.5 }),
    'slicestream; fwd=stale; fwd-status=304; ttl=-1; stored; collapsed',
  )
})

t.test('text becomes a token or a string of the structured fields', async (t) => {
  t.equal(cacheStatus({ hit: true, detail: 'a "b\\' }), 'slicestream; hit; detail="a \\"b\\\\"')
  t.equal(proxyStatus('connection_refused'), 'slicestream; error=connection_refused')
  t.equal(
    proxyStatus('dns_error', 'no\r\nsuch: h\xf6st'),
    'slicestream; error=dns_error; details="no??such: h?st"',
  )
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      t.match(proxyStatus('dns_error', text), /; details="(?:[\x20-\x21\x23-\x5b\x5d-\x7e]|\\["\\])*"$/)
    }),
  )
})
