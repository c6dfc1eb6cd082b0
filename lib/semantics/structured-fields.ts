/**
 * Structured fields (RFC 9651): what caches are told in them, dictionaries and lists of items. Parameters and
 * inner lists are checked and left out, since no field that we read gives them a meaning.
 */

/** `other`: a well-formed value of a type that means nothing here (byte sequence, date, display string, inner list). */
export type Item =
  | { type: 'integer' | 'decimal'; value: number }
  | { type: 'string' | 'token'; value: string }
  | { type: 'boolean'; value: boolean }
  | { type: 'other'; value: null }

/** Where the next piece must begin, and what was read before. */
interface Cursor {
  readonly text: string
  at: number
}

const OTHER: Item = { type: 'other', value: null }
const KEY = /[a-z*][a-z0-9_.*-]*/y
const NUMBER = /(-?)(\d+)(?:\.(\d{1,3})(?!\d))?/y
const STRING = /"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"/y
const TOKEN = /[a-z*][a-z0-9!#$%&'*+.^_`|~:/-]*/iy
const BYTES = /:[a-z0-9+/=]*:/iy
const BOOLEAN = /\?([01])/y
const DATE = /@-?\d{1,15}/y
const DISPLAY = /%"(?:[\x20\x21\x23\x24\x26-\x7e]|%[0-9a-f]{2})*"/y
const SPACES = / */y
const WHITESPACE = /[\t ]*/y

/** A dictionary (RFC 9651 section 4.2.2); of a key that comes twice the last value counts. Undefined when malformed. */
export function parseDictionary(text: string): Map<string, Item> | undefined {
  const members = new Map<string, Item>()
  const well = readMembers(text, (cursor) => {
    const key = read(cursor, KEY)?.[0]
    if (key === undefined) return false
    const isFlag = cursor.text[cursor.at] !== '='
    if (!isFlag) cursor.at++
    const item: Item | undefined = isFlag ? { type: 'boolean', value: true } : readMember(cursor)
    if (item === undefined || !readParameters(cursor)) return false
    members.set(key, item)
    return true
  })
  return well ? members : undefined
}

/** A list (RFC 9651 section 4.2.1). Undefined when malformed. */
export function parseList(text: string): Item[] | undefined {
  const items: Item[] = []
  const well = readMembers(text, (cursor) => {
    const item = readMember(cursor)
    if (item === undefined || !readParameters(cursor)) return false
    items.push(item)
    return true
  })
  return well ? items : undefined
}

/** Members between commas; an empty field has none, and no comma may stand at the end. */
function readMembers(text: string, readOne: (cursor: Cursor) => boolean): boolean {
  const cursor: Cursor = { text, at: 0 }
  read(cursor, SPACES)
  while (cursor.at < text.length) {
    if (!readOne(cursor)) return false
    read(cursor, WHITESPACE)
    if (cursor.at === text.length) return true
    if (text[cursor.at] !== ',') return false
    cursor.at++
    read(cursor, WHITESPACE)
    if (cursor.at === text.length) return false
  }
  return true
}

function readMember(cursor: Cursor): Item | undefined {
  return cursor.text[cursor.at] === '(' ? readInnerList(cursor) : readItem(cursor)
}

function readInnerList(cursor: Cursor): Item | undefined {
  cursor.at++
  for (;;) {
    read(cursor, SPACES)
    if (cursor.text[cursor.at] === ')') {
      cursor.at++
      return OTHER
    }
    if (readItem(cursor) === undefined || !readParameters(cursor)) return undefined
    const next = cursor.text[cursor.at]
    if (next !== ' ' && next !== ')') return undefined
  }
}

function readItem(cursor: Cursor): Item | undefined {
  switch (cursor.text[cursor.at]) {
    case '"': {
      const text = read(cursor, STRING)?.[1]
      return text === undefined ? undefined : { type: 'string', value: text.replace(/\\(.)/g, '$1') }
    }
    case '?': {
      const flag = read(cursor, BOOLEAN)?.[1]
      return flag === undefined ? undefined : { type: 'boolean', value: flag === '1' }
    }
    case ':':
      return read(cursor, BYTES) && OTHER
    case '@':
      return read(cursor, DATE) && OTHER
    case '%':
      return read(cursor, DISPLAY) && OTHER
    default:
      return readNumber(cursor) ?? readToken(cursor)
  }
}

/** At most 15 digits, of a decimal at most 12 before the point. */
function readNumber(cursor: Cursor): Item | undefined {
  const start = cursor.at
  const match = read(cursor, NUMBER)
  if (match === undefined) return undefined
  const [, sign, whole, fraction] = match
  const next = cursor.text[cursor.at]
  if (whole.length > (fraction === undefined ? 15 : 12) || next === '.') {
    cursor.at = start
    return undefined
  }
  const value = Number(`${sign}${whole}.${fraction ?? 0}`)
  return { type: fraction === undefined ? 'integer' : 'decimal', value: value === 0 ? 0 : value }
}

function readToken(cursor: Cursor): Item | undefined {
  const token = read(cursor, TOKEN)?.[0]
  return token === undefined ? undefined : { type: 'token', value: token }
}

function readParameters(cursor: Cursor): boolean {
  while (cursor.text[cursor.at] === ';') {
    cursor.at++
    read(cursor, SPACES)
    if (read(cursor, KEY) === undefined) return false
    if (cursor.text[cursor.at] !== '=') continue
    cursor.at++
    if (readItem(cursor) === undefined) return false
  }
  return true
}

function read(cursor: Cursor, pattern: RegExp): RegExpExecArray | undefined {
  pattern.lastIndex = cursor.at
  const match = pattern.exec(cursor.text)
  if (match === null) return undefined
  cursor.at = pattern.lastIndex
  return match
}
