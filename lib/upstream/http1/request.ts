import type { FieldList } from '../../semantics/types.ts'
import { OriginError } from './errors.ts'
import { TOKEN } from './syntax.ts'

/** How a request is written, and what its answer leaves of the connection. */
export interface RequestHead {
  /** Everything before the content, as latin1. */
  text: string
  /** Bytes of the content; null = in chunks. Without content 0. */
  length: number | null
  /** Whether another request may follow on the connection, as far as this one decides. */
  reusable: boolean
}

/** Methods whose requests are expected to have content: without any they say so (RFC 9110 section 8.6). */
const WITH_CONTENT: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH', 'QUERY', 'PROPFIND', 'PROPPATCH'])

/** A field of a request before, which may be sent. */
interface SentField {
  name: string
  value: string
  line: string
}

/**
 * By their place among the fields: those of one request are mostly those of the one before, and what was looked at once is as
 * good the second time. More of them, and longer ones, are not remembered: whoever makes them up must not fill memory.
 */
const sent: SentField[] = []
const MOST_SENT = 32
const LONGEST_SENT = 512

const TARGET = /^[\x21-\xff]+$/
/** A line break in here would be a line of its own to the origin, and so are other characters cut down to latin1. */
const NOT_IN_VALUES = /[^\t\x20-\x7e\x80-\xff]/

/**
 * A request line and its fields (RFC 9112 section 3). Fields of the connection are ours: none of them may be given, so that
 * nobody but this function says where the content ends.
 *
 * @param content whether content follows
 * @throws OriginError
 */
export function requestHead(method: string, path: string, fields: FieldList, content: boolean): RequestHead {
  if (!isToken(method) || !TARGET.test(path)) throw refused('its request line')
  const expected = WITH_CONTENT.has(method)
  // Some servers send content with the answer to HEAD, and some do not read what GET carries: both would be taken for
  // the beginning of another message.
  const reusable = method !== 'HEAD' && (!content || expected)
  let text = `${method} ${path} HTTP/1.1\r\n`
  let length = -1
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i]
    const value = fields[i + 1]
    const known = sent[i / 2]
    if (known !== undefined && isSame(known.value, value) && known.name === name) {
      text += known.line
      continue
    }
    if (NOT_IN_VALUES.test(value) || !isToken(name)) throw refused(`its field ${JSON.stringify(name)}`)
    const line = `${name}: ${value}\r\n`
    if (name.length === 14 && name.toLowerCase() === 'content-length') {
      if (length !== -1 || !/^\d+$/.test(value)) throw refused('its Content-Length')
      length = Number(value)
      if (!content) continue
    } else if (isOfConnection(name)) throw refused(`its field ${name}`)
    else note(i / 2, name, value, line)
    text += line
  }
  // Servers of HTTP/1.0 keep a connection only when they are asked.
  text += reusable ? 'Connection: keep-alive\r\n' : 'Connection: close\r\n'
  if (!content) {
    if (length > 0) throw refused('its Content-Length without content')
    text += expected || length === 0 ? 'Content-Length: 0\r\n\r\n' : '\r\n'
    return { text, length: 0, reusable }
  }
  text += length === -1 ? 'Transfer-Encoding: chunked\r\n\r\n' : '\r\n'
  return { text, length: length === -1 ? null : length, reusable }
}

/** What differs each time mostly differs in its first character: that is seen without a comparison of all. */
function isSame(a: string, b: string): boolean {
  return a.length === b.length && a.charCodeAt(0) === b.charCodeAt(0) && a === b
}

function note(place: number, name: string, value: string, line: string): void {
  if (place > sent.length || place >= MOST_SENT || line.length > LONGEST_SENT) return
  if (place === sent.length) sent.push({ name, value, line })
  else {
    const known = sent[place]
    known.name = name
    known.value = value
    known.line = line
  }
}

function isOfConnection(name: string): boolean {
  const { length } = name
  if (length !== 17 && length !== 10 && length !== 7) return false
  const lowerCase = name.toLowerCase()
  return (
    lowerCase === 'transfer-encoding' ||
    lowerCase === 'connection' ||
    lowerCase === 'keep-alive' ||
    lowerCase === 'upgrade'
  )
}

function isToken(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (TOKEN[text.charCodeAt(i)] !== 1) return false
  return text !== ''
}

function refused(what: string): OriginError {
  return new OriginError('ORIGIN_BAD_REQUEST', `the request cannot be sent: ${what}`)
}
