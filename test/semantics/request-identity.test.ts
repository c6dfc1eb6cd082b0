import t from 'tap'
import { hasField } from '../../lib/semantics/fields.ts'
import { upstreamFields } from '../../lib/semantics/request-fields.ts'
import { sentRequestId, sentTraceparent, traceFields } from '../../lib/semantics/request-identity.ts'
import { varyNames } from '../../lib/semantics/vary.ts'

const ID = '0af7651916cd43dd8448eb211c80319c'
const PARENT = 'b7ad6b7169203331'

t.test('a request id is kept when it is sane and the only one', async (t) => {
  for (const id of ['a', '7f0c-4e', '~!@', 'x'.repeat(128)]) {
    t.equal(sentRequestId(['x-REQUEST-id', ` ${id} `]), id)
  }
  for (const id of ['', 'x'.repeat(129), 'a b', 'caf\xe9', 'a\tb']) {
    t.equal(sentRequestId(['X-Request-Id', id]), null, JSON.stringify(id))
  }
  t.equal(sentRequestId([]), null)
  t.equal(sentRequestId(['X-Request-Id', 'a', 'X-Request-Id', 'a']), null)
})

t.test('traceparent is what W3C Trace Context says it is', async (t) => {
  for (const value of [
    `00-${ID}-${PARENT}-01`,
    `00-${ID}-${PARENT}-00`,
    `cc-${ID}-${PARENT}-01-more`,
    `01-${ID}-${PARENT}-09`,
  ]) {
    t.equal(sentTraceparent(['TraceParent', value]), value)
  }
  const invalid = [
    '',
    `ff-${ID}-${PARENT}-01`,
    `00-${'0'.repeat(32)}-${PARENT}-01`,
    `00-${ID}-${'0'.repeat(16)}-01`,
    `00-${ID.toUpperCase()}-${PARENT}-01`,
    `00-${ID}-${PARENT}-01-more`,
    `01-${ID}-${PARENT}-01more`,
    `00-${ID}-${PARENT}`,
    `00-${ID}-${PARENT}-1`,
  ]
  for (const value of invalid) t.equal(sentTraceparent(['traceparent', value]), null, value)
  const twice = ['traceparent', `00-${ID}-${PARENT}-01`, 'traceparent', `00-${ID}-${PARENT}-01`]
  t.equal(sentTraceparent(twice), null, 'several')
})

t.test('tracestate goes on with a valid traceparent only, line by line', async (t) => {
  const parent = ['traceparent', `00-${ID}-${PARENT}-01`]
  const states = ['tracestate', 'a=1', 'tracestate', 'b=2,c=3']
  t.same(traceFields([...states, 'X', 'y', ...parent]), [...parent, ...states])
  t.same(traceFields(states), [])
  t.same(traceFields(['traceparent', 'no', ...states]), [])
  t.same(traceFields([...parent, 'Connection', 'keep-alive, traceparent']), [], 'it was for us alone')
})

t.test('they are not among the fields by which responses are selected', async (t) => {
  const request = [
    'X-Request-Id',
    'a',
    'x_request_id',
    'b',
    'traceparent',
    'c',
    'tracestate',
    'd',
    'X-Other',
    'e',
  ]
  const sent = upstreamFields(request, {
    httpVersion: '1.1',
    hostHeader: 'origin',
    clientAddress: '192.0.2.1',
    trusted: true,
    scheme: 'http',
    host: 'site',
    instance: 'i1',
    drop: new Set(),
  })
  for (const name of ['x-request-id', 'x_request_id', 'traceparent', 'tracestate'])
    t.notOk(hasField(sent, name), name)
  t.ok(hasField(sent, 'x-other'))
  for (const name of ['X-Request-ID', 'traceparent', 'tracestate'])
    t.equal(varyNames(['Vary', `A, ${name}`]), '*', name)
})
