import type { FieldList } from '../../semantics/types.ts'
import { protocolError } from './errors.ts'
import { COLON, CR, LF, SPACE, TAB, TEXT, TOKEN } from './syntax.ts'

/** What a response says before its content. */
export interface ResponseHead {
  /** 100 to 999. */
  status: number
  /** Of HTTP/1.x. */
  minor: 0 | 1
  fields: FieldList
}

const VERSION = 'HTTP/1.'
/** Place of the status, and what is behind it: `HTTP/1.1 200 OK`. */
const STATUS_AT = 9
const REASON_AT = 12
const STATUS = /^[1-9]\d\d$/

/**
 * Reads a status line and its fields (RFC 9112 section 4). Strict: what another recipient could read otherwise is
 * refused, so no bare LF, no folded line, no space before a colon.
 *
 * @param text bytes as latin1, through the end of the last field line, without the empty line
 * @throws OriginError
 */
export function parseHead(text: string): ResponseHead {
  const minor = text.charCodeAt(VERSION.length) - 0x30
  const status = text.slice(STATUS_AT, REASON_AT)
  if (!text.startsWith(VERSION) || (minor !== 0 && minor !== 1) || text.charCodeAt(STATUS_AT - 1) !== SPACE)
    throw protocolError('no status line')
  if (!STATUS.test(status)) throw protocolError('no status')
  let at = REASON_AT
  if (text.charCodeAt(at) === SPACE) while (TEXT[text.charCodeAt(at)] === 1) at++
  if (text.charCodeAt(at) !== CR || text.charCodeAt(at + 1) !== LF)
    throw protocolError('a broken status line')
  return { status: Number(status), minor, fields: parseFields(text, at + 2) }
}

/**
 * Field lines, each with its CRLF, from a place to the end of a text.
 *
 * @throws OriginError
 */
export function parseFields(text: string, from: number): FieldList {
  const fields: FieldList = []
  const end = text.length
  let at = from
  while (at < end) {
    const nameAt = at
    let code = text.charCodeAt(at)
    while (TOKEN[code] === 1) code = text.charCodeAt(++at)
    if (code !== COLON || at === nameAt) throw protocolError('a broken field name')
    const name = knownName(text.slice(nameAt, at))
    do code = text.charCodeAt(++at)
    while (code === SPACE || code === TAB)
    const valueAt = at
    let valueEnd = at
    while (TEXT[code] === 1) {
      at++
      if (code !== SPACE && code !== TAB) valueEnd = at
      code = text.charCodeAt(at)
    }
    if (code !== CR || text.charCodeAt(at + 1) !== LF) throw protocolError(`a broken value of ${name}`)
    at += 2
    fields.push(name, text.slice(valueAt, valueEnd))
  }
  return fields
}

/** Names that are remembered, and how long they may be: whoever makes names up must not fill memory. */
const MOST_NAMES = 1000
const LONGEST_NAME = 64
const names = new Map<string, string>()

/** One string for all fields of a name: what is stored keeps it. */
function knownName(name: string): string {
  const known = names.get(name)
  if (known !== undefined) return known
  if (names.size < MOST_NAMES && name.length <= LONGEST_NAME) names.set(name, name)
  return name
}
