import type { ProxyError } from '../semantics/response-fields.ts'

/**
 * What can go wrong between the proxy and the origin, as an answer for the client: a status of RFC 9110
 * section 15.6 and an error type of RFC 9209 section 2.3.
 */
export interface Failure {
  status: 502 | 504
  /** RFC 9209 error type, for Proxy-Status. */
  type: ProxyError
  /** Nothing of the request can have had an effect or an answer: an idempotent one may be sent again. */
  retryable: boolean
}

const BY_CODE: Record<string, Failure> = {
  ECONNREFUSED: { status: 502, type: 'connection_refused', retryable: true },
  ECONNRESET: { status: 502, type: 'connection_terminated', retryable: true },
  EPIPE: { status: 502, type: 'connection_terminated', retryable: true },
  ORIGIN_CLOSED: { status: 502, type: 'connection_terminated', retryable: true },
  ORIGIN_CONNECT_TIMEOUT: { status: 504, type: 'connection_timeout', retryable: true },
  ETIMEDOUT: { status: 504, type: 'connection_timeout', retryable: true },
  ENOTFOUND: { status: 502, type: 'dns_error', retryable: true },
  EAI_AGAIN: { status: 502, type: 'dns_error', retryable: true },
  EHOSTUNREACH: { status: 502, type: 'destination_ip_unroutable', retryable: true },
  ENETUNREACH: { status: 502, type: 'destination_ip_unroutable', retryable: true },
  ORIGIN_HEADERS_TIMEOUT: { status: 504, type: 'http_response_timeout', retryable: false },
  ORIGIN_BODY_TIMEOUT: { status: 504, type: 'http_response_timeout', retryable: false },
  ORIGIN_HEAD_TOO_LARGE: { status: 502, type: 'http_protocol_error', retryable: false },
  ORIGIN_PROTOCOL: { status: 502, type: 'http_protocol_error', retryable: false },
}

const CERTIFICATE = /CERT|SELF_SIGNED|UNABLE_TO_VERIFY|ISSUER/
const TLS = /SSL|TLS|EPROTO/

/** The origin answered, but not what it was asked for: another range, validator or length. */
export class WrongAnswer extends Error {
  override name = 'WrongAnswer'
}

export function describeFailure(error: Error & { code?: string }): Failure {
  if (error instanceof WrongAnswer) return { status: 502, type: 'http_protocol_error', retryable: false }
  const cause = (error.cause as { code?: string } | undefined)?.code
  // Several addresses tried: the first one's reason stands for all.
  const first =
    error instanceof AggregateError ? (error.errors[0] as { code?: string } | undefined)?.code : undefined
  for (const code of [error.code, first, cause]) {
    if (!code) continue
    if (BY_CODE[code]) return BY_CODE[code]
    if (code.startsWith('HPE_')) return { status: 502, type: 'http_protocol_error', retryable: false }
    if (CERTIFICATE.test(code)) return { status: 502, type: 'tls_certificate_error', retryable: false }
    if (TLS.test(code)) return { status: 502, type: 'tls_protocol_error', retryable: false }
  }
  return { status: 502, type: 'destination_unavailable', retryable: false }
}
