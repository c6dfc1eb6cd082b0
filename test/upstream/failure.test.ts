import { Socket } from 'node:net'
import t from 'tap'
import { describeFailure, WrongAnswer } from '../../lib/upstream/failure.ts'

const withCode = (code: string) => Object.assign(new Error('x'), { code })

t.test('every failure has a status, an error type of RFC 9209 and a verdict on retrying', async (t) => {
  for (const [code, status, type, retryable] of [
    ['ECONNREFUSED', 502, 'connection_refused', true],
    ['ECONNRESET', 502, 'connection_terminated', true],
    ['ORIGIN_CLOSED', 502, 'connection_terminated', true],
    ['ORIGIN_CONNECT_TIMEOUT', 504, 'connection_timeout', true],
    ['ENOTFOUND', 502, 'dns_error', true],
    ['ORIGIN_HEADERS_TIMEOUT', 504, 'http_response_timeout', false],
    ['ORIGIN_PROTOCOL', 502, 'http_protocol_error', false],
    ['ORIGIN_HEAD_TOO_LARGE', 502, 'http_protocol_error', false],
    ['ORIGIN_BODY_TIMEOUT', 504, 'http_response_timeout', false],
    ['HPE_INVALID_CONSTANT', 502, 'http_protocol_error', false],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 502, 'tls_certificate_error', false],
    ['CERT_HAS_EXPIRED', 502, 'tls_certificate_error', false],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 502, 'tls_certificate_error', false],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 502, 'tls_certificate_error', false],
    ['ERR_SSL_WRONG_VERSION_NUMBER', 502, 'tls_protocol_error', false],
    ['EPROTO', 502, 'tls_protocol_error', false],
    ['SOMETHING_NEW', 502, 'destination_unavailable', false],
  ] as const) {
    t.same(describeFailure(withCode(code)), { status, type, retryable }, code)
  }
})

t.test('a wrong answer is one of the protocol, never asked for again', async (t) => {
  t.match(describeFailure(new WrongAnswer('another range')), {
    type: 'http_protocol_error',
    retryable: false,
  })
})

t.test('of several addresses the first one’s reason counts; else the cause behind the error', async (t) => {
  const several = new AggregateError([withCode('ECONNREFUSED'), withCode('ENETUNREACH')])
  t.match(describeFailure(several), { type: 'connection_refused' })
  const wrapped = new Error('fetch failed', { cause: withCode('EAI_AGAIN') })
  t.match(describeFailure(wrapped), { type: 'dns_error' })
})

t.test('what Node itself says of a refused connection is understood', async (t) => {
  const error = await new Promise<Error>((resolve) => {
    new Socket().once('error', resolve).connect(1, '127.0.0.1')
  })
  t.match(describeFailure(error), { type: 'connection_refused', retryable: true })
})
