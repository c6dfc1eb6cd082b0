import { digitsValue, listMembers } from '../../semantics/fields.ts'
import { protocolError } from './errors.ts'
import type { ResponseHead } from './head.ts'

/** Where the content of a response ends, and what becomes of its connection then. */
export interface Framing {
  /** `close`: the connection's end is the content's end. */
  body: 'none' | 'length' | 'chunked' | 'close'
  /** Bytes of the content; 0 where the framing does not tell. */
  length: number
  /** Whether another request may follow on the connection. */
  reusable: boolean
  /** Seconds that the origin keeps an idle connection, where it tells. */
  idleSeconds: number | null
}

const KEEP_ALIVE_TIMEOUT = /(?:^|[\s,;])timeout\s*=\s*"?(\d+)/i

/**
 * RFC 9112 section 6.3, without the cases in which a recipient may choose: what frames a response twice or in a way
 * that we do not know is refused. Two recipients that choose differently are how responses are smuggled.
 *
 * @param method of the request
 * @throws OriginError
 */
export function framingOf({ status, minor, fields }: ResponseHead, method: string): Framing {
  let length = -1
  let chunked = false
  let connection = ''
  let idleSeconds: number | null = null
  for (let i = 0; i < fields.length; i += 2) {
    // Nearly all names are of another length: only these are worth a copy in lower case.
    switch (fields[i].length) {
      case 10: {
        const name = fields[i].toLowerCase()
        if (name === 'connection') connection += `,${fields[i + 1]}`
        else if (name === 'keep-alive') idleSeconds = idleTime(fields[i + 1])
        break
      }
      case 14:
        if (fields[i].toLowerCase() !== 'content-length') break
        if (length !== -1) throw protocolError('more than one Content-Length')
        length = parseLength(fields[i + 1])
        break
      case 17:
        if (fields[i].toLowerCase() !== 'transfer-encoding') break
        // Other codings were not asked for, and there is nobody here to decode them.
        if (chunked || fields[i + 1].toLowerCase() !== 'chunked')
          throw protocolError('an unknown Transfer-Encoding')
        chunked = true
    }
  }
  const keeps = keepsConnection(connection, minor)
  if (chunked && length !== -1) throw protocolError('both Content-Length and Transfer-Encoding')
  if (status < 200) return { body: 'none', length: 0, reusable: true, idleSeconds }
  if (method === 'HEAD') return { body: 'none', length: 0, reusable: keeps, idleSeconds }
  if (status === 204 || status === 304) {
    // A server that promises content here may also send it, where the next answer is to be.
    return { body: 'none', length: 0, reusable: keeps && !chunked && length <= 0, idleSeconds }
  }
  // HTTP/1.0 knows no chunks: whoever sent them so may have been understood otherwise on the way (section 6.1).
  if (chunked) return { body: 'chunked', length: 0, reusable: keeps && minor === 1, idleSeconds }
  if (length !== -1) return { body: length === 0 ? 'none' : 'length', length, reusable: keeps, idleSeconds }
  return { body: 'close', length: 0, reusable: false, idleSeconds: null }
}

/** @param connection the values of its fields, each with a comma in front */
function keepsConnection(connection: string, minor: number): boolean {
  if (connection === '' || connection === ',keep-alive') return minor === 1 || connection !== ''
  const options = listMembers(connection.toLowerCase())
  return !options.includes('close') && (minor === 1 || options.includes('keep-alive'))
}

function idleTime(value: string): number | null {
  const seconds = KEEP_ALIVE_TIMEOUT.exec(value)?.[1]
  return seconds === undefined ? null : Number(seconds)
}

function parseLength(value: string): number {
  const length = digitsValue(value)
  if (!Number.isSafeInteger(length)) throw protocolError('a Content-Length that is no length')
  return length
}
