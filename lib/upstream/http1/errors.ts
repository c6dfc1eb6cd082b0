/** What can go wrong with a connection to the origin, besides what the system says of it. `failure.ts` knows what each means. */
export type OriginErrorCode =
  /** TCP or TLS was not established in time. */
  | 'ORIGIN_CONNECT_TIMEOUT'
  | 'ORIGIN_HEADERS_TIMEOUT'
  | 'ORIGIN_BODY_TIMEOUT'
  /** The connection ended before the answer did. */
  | 'ORIGIN_CLOSED'
  /** What came is not HTTP/1.1, or can be read in more than one way. */
  | 'ORIGIN_PROTOCOL'
  | 'ORIGIN_HEAD_TOO_LARGE'
  /** The request cannot be written as HTTP/1.1, or its body is not as long as it says. */
  | 'ORIGIN_BAD_REQUEST'
  /** Nothing is sent any more: the origin was closed by us. */
  | 'ORIGIN_SHUT'

export class OriginError extends Error {
  override name = 'OriginError'
  readonly code: OriginErrorCode

  constructor(code: OriginErrorCode, message: string) {
    super(message)
    this.code = code
  }
}

export function protocolError(message: string): OriginError {
  return new OriginError('ORIGIN_PROTOCOL', `the answer is not HTTP/1.1: ${message}`)
}
