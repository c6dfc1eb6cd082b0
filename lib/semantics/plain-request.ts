import { remembered } from './remembered.ts'
import type { FieldList } from './types.ts'

/** A request of which nothing can be read in two ways: one GET of a path, by HTTP/1.1, without a body. */
export interface PlainRequest {
  /** Path and query, byte for byte. */
  path: string
  /** Never two of them. */
  host: string
  /** Names and values in turn, as node:http would give them. Shared with other requests: never change it. */
  fields: FieldList
}

interface Block {
  host: string
  fields: FieldList
}

const METHOD = 'GET '
const VERSION = ' HTTP/1.1'
/** What RFC 3986 allows in a path and a query, `[`, `]` and `|` besides, as browsers send them. */
const PATH = /^\/[\w.~!$&'()*+,;=:@/?%[\]|-]*$/
/** RFC 9110 section 5.5, without what a line may not begin or end with. */
const FIELD =
  /^([!#$%&'*+.^_`|~\w-]+):[ \t]*([\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)[ \t]*$/
/** They change how the connection or the message is read, or wait for an answer before there is a body. */
const NOT_PLAIN: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'expect',
  'http2-settings',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/**
 * Reads the bytes of a request that are there so far, if they are just one plain request and its end. What is not, however
 * little, is a matter for a whole parser: that the two never read one text differently is what keeps requests from being
 * smuggled past the one of them (RFC 9112 section 11.2).
 *
 * @param text one character for each byte
 * @returns null when it is anything else, or not all of it
 */
export function readPlainRequest(text: string): PlainRequest | null {
  if (!text.startsWith(METHOD)) return null
  const end = text.indexOf('\r\n')
  if (end === -1 || !text.startsWith(VERSION, end - VERSION.length)) return null
  const path = text.slice(METHOD.length, end - VERSION.length)
  if (!PATH.test(path)) return null
  const block = readBlock(text.slice(end + 2))
  return block === null ? null : { path, host: block.host, fields: block.fields }
}

/** Clients send the same fields again and again: reading them anew would cost more than the rest of a hit. */
const readBlock = remembered(
  (text: string): Block | null => {
    if (!text.endsWith('\r\n\r\n')) return null
    const lines = text.slice(0, -4).split('\r\n')
    const fields: FieldList = []
    let host: string | undefined
    for (const line of lines) {
      const match = FIELD.exec(line)
      if (match === null) return null
      const name = match[1].toLowerCase()
      if (NOT_PLAIN.has(name) && !(name === 'connection' && match[2].toLowerCase() === 'keep-alive'))
        return null
      if (name === 'host') {
        if (host !== undefined) return null
        host = match[2]
      }
      fields.push(match[1], match[2])
    }
    return host === undefined ? null : { host, fields }
  },
  { texts: 500, length: 2000 },
)
