import fc from 'fast-check'
import t from 'tap'
import { fieldValue, fieldValues, hasField } from '../../lib/semantics/fields.ts'
import {
  arePassedAsSent,
  FILL_FIELDS,
  loops,
  type UpstreamRequest,
  upstreamFields,
} from '../../lib/semantics/request-fields.ts'
import type { FieldList } from '../../lib/semantics/types.ts'

function send(request: FieldList, upstream: Partial<UpstreamRequest> = {}): FieldList {
  const defaults = {
    httpVersion: '1.1',
    hostHeader: 'origin:8080',
    clientAddress: '192.0.2.1',
    trusted: false,
    scheme: 'https',
    host: 'site',
    instance: 'i1',
  }
  return upstreamFields(request, { ...defaults, drop: new Set(), ...upstream })
}

t.test('the request goes on with our Host, Via and X-Forwarded fields', async (t) => {
  t.same(send(['Host', 'site', 'Accept', '*/*', 'Cookie', 'a', 'Cookie', 'b', 'Via', '1.1 front']), [
    ...['Host', 'origin:8080', 'Accept', '*/*', 'Cookie', 'a', 'Cookie', 'b', 'Via', '1.1 front'],
    ...[
      'X-Forwarded-For',
      '192.0.2.1',
      'X-Forwarded-Host',
      'site',
      'X-Forwarded-Proto',
      'https',
      'Via',
      '1.1 slicestream',
      'CDN-Loop',
      'slicestream; id=i1',
    ],
  ])
  t.notOk(hasField(send([], { host: '' }), 'x-forwarded-host'))
})

t.test('a request that comes round again is known by our own CDN-Loop member, and no other', async (t) => {
  const sent = send(['CDN-Loop', 'other; id=i3'])
  t.ok(loops(sent, 'i1'))
  t.notOk(loops(sent, 'i2'), 'another proxy of our kind: a hierarchy')
  t.notOk(loops(['Via', '1.1 slicestream, 1.1 slicestream', 'CDN-Loop', 'other; id=i3'], 'i1'))
  t.ok(loops(['cdn-loop', 'a, slicestream; id=i1, b'], 'i1'))
})

t.test('Connection strips what the client sent, never what we add', async (t) => {
  const fields = send(['Connection', 'x-forwarded-for, x-forwarded-proto, via, host, x-mine', 'X-Mine', '1'])
  t.notOk(hasField(fields, 'x-mine'))
  t.notOk(hasField(fields, 'connection'))
  for (const name of ['host', 'x-forwarded-for', 'x-forwarded-proto', 'via'])
    t.ok(hasField(fields, name), name)
})

t.test('a stranger cannot say who it is or move the origin by unkeyed fields', async (t) => {
  const names = [
    ...[
      'X-Forwarded-For',
      'X-Forwarded-Host',
      'X-Forwarded-Proto',
      'X-Forwarded-Scheme',
      'X-Forwarded-Prefix',
    ],
    ...['Forwarded', 'X-Original-URL', 'X-Rewrite-URL', 'X-HTTP-Method-Override', 'X-Host', 'X-Real-IP'],
    ...['X_Forwarded_Host', 'X_Original-URL', 'x-forwarded_prefix'],
  ]
  const fields = send(names.flatMap((name) => [name, 'evil']))
  t.notOk(fields.includes('evil'))
  t.same(fieldValues(fields, 'x-forwarded-for'), ['192.0.2.1'])
})

t.test('a trusted peer is believed and continued', async (t) => {
  const request = ['X-Forwarded-For', '198.51.100.7', 'Forwarded', 'for=x', 'X-Forwarded-Host', 'inner']
  const fields = send(request, { trusted: true })
  t.same(fieldValues(fields, 'x-forwarded-for'), ['198.51.100.7, 192.0.2.1'])
  t.same(fieldValues(fields, 'x-forwarded-host'), ['site'])
  t.same(fieldValues(fields, 'forwarded'), ['for=x'])
})

t.test('a fill leaves out conditions, ranges and content', async (t) => {
  const request = [
    ...[
      'If-None-Match',
      '"a"',
      'Range',
      'bytes=0-1',
      'If-Range',
      '"a"',
      'Expect',
      '100-continue',
      'Content-Length',
      '3',
    ],
    ...['If-Match', '*', 'If-Modified-Since', 'x', 'If-Unmodified-Since', 'x', 'Accept-Encoding', 'gzip'],
  ]
  const fields = send(request, { drop: FILL_FIELDS })
  t.same(fields.slice(0, 4), ['Host', 'origin:8080', 'Accept-Encoding', 'gzip'])
  t.equal(fields[4], 'X-Forwarded-For')
})

t.test(
  'fields that are said to be passed on as sent are: selecting by them needs no other list',
  async (t) => {
    const name = fc.constantFrom(
      'Accept-Encoding',
      'accept-language',
      'Cookie',
      'X-A',
      'Connection',
      'Via',
      'X-Forwarded-For',
    )
    const value = fc.constantFrom('a', 'b', 'keep-alive', 'accept-language', 'close, cookie')
    const names = ['accept-encoding', 'accept-language', 'cookie']
    fc.assert(
      fc.property(fc.array(fc.tuple(name, value), { maxLength: 6 }), (lines) => {
        const request = lines.flat()
        if (!arePassedAsSent(names, request)) return
        const sent = send(request, { drop: FILL_FIELDS })
        for (const name of names) t.equal(fieldValue(sent, name), fieldValue(request, name))
      }),
    )
    t.notOk(arePassedAsSent(names, ['Connection', 'accept-language']))
    for (const name of ['x-forwarded-proto', 'via', 'host', 'x-anything', 'range'])
      t.notOk(arePassedAsSent([name], []), name)
  },
)
