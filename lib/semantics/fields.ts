import { isNoted, mayHaveNoted, notedPlace, notedValues } from './noted-fields.ts'
import { remembered } from './remembered.ts'
import type { FieldList } from './types.ts'
import { trimWhitespace } from './whitespace.ts'

export { trimWhitespace }

/**
 * Fields that belong to one connection (RFC 9110 section 7.6.1), and the authentication of a proxy hop
 * (sections 11.7.1 to 11.7.3): we are the proxy, so they end here.
 */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-authentication-info',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/**
 * Fields that a `Connection` nomination cannot remove. RFC 9110 section 7.6.1 forbids to nominate what is
 * meant for all recipients; a peer that does so anyway tries to change what the next hop sees (who asks, for
 * which host, how long the content is) or what may be stored: CVE-2026-33805.
 */
const NEVER_NOMINATED: ReadonlySet<string> = new Set([
  'age',
  'authorization',
  'cache-control',
  'cdn-cache-control',
  'cdn-loop',
  'content-encoding',
  'content-length',
  'content-range',
  'content-type',
  'cookie',
  'date',
  'etag',
  'expires',
  'forwarded',
  'host',
  'last-modified',
  'location',
  'pragma',
  'range',
  'set-cookie',
  'vary',
  'via',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'x-real-ip',
])

const FIELD_NAME = /^[!#$%&'*+.^_`|~0-9a-z-]+$/i

/** Whether a text can be the name of a field (RFC 9110 section 5.1). */
export function isFieldName(text: string): boolean {
  return FIELD_NAME.test(text)
}

/** Values of every line of a field, in order, without surrounding whitespace. @param name lower case */
export function fieldValues(fields: FieldList, name: string): string[] {
  const values: string[] = []
  for (let i = 0; i < fields.length; i += 2) {
    if (isNamed(fields[i], name)) values.push(trimWhitespace(fields[i + 1]))
  }
  return values
}

/**
 * The combined value of a field: its lines joined with `, ` (RFC 9110 section 5.3); undefined when absent.
 * Allocates nothing for a field that came once. @param name lower case
 */
export function fieldValue(fields: FieldList, name: string): string | undefined {
  if (isNoted(fields)) {
    if (!mayHaveNoted(name)) return undefined
    const place = notedPlace(name)
    if (place !== undefined) return notedValues[place]
  }
  let combined: string | undefined
  for (let i = 0; i < fields.length; i += 2) {
    if (!isNamed(fields[i], name)) continue
    const value = trimWhitespace(fields[i + 1])
    combined = combined === undefined ? value : `${combined}, ${value}`
  }
  return combined
}

/** The number that a text of nothing but digits is; NaN for any other, the empty one too. */
export function digitsValue(text: string): number {
  let value = 0
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 0x30
    if (digit < 0 || digit > 9) return Number.NaN
    value = value * 10 + digit
  }
  return text === '' ? Number.NaN : value
}

/** @param name lower case */
export function hasField(fields: FieldList, name: string): boolean {
  if (isNoted(fields) && !mayHaveNoted(name)) return false
  for (let i = 0; i < fields.length; i += 2) if (isNamed(fields[i], name)) return true
  return false
}

/**
 * What may be passed on or stored: the fields without those of the connection and those that the peer
 * nominated in `Connection` (RFC 9110 section 7.6.1). Run it on what the peer sent, *before* the proxy adds
 * fields of its own: those can then never be nominated away.
 *
 * @param drop further names to leave out, lower case
 */
export function endToEnd(fields: FieldList, drop: ReadonlySet<string> = NOTHING): FieldList {
  const ended = connectionFields(fields)
  const kept: FieldList = []
  for (let i = 0; i < fields.length; i += 2) {
    const name = lowerCase(fields[i])
    if (!ended.has(name) && !drop.has(name)) kept.push(fields[i], fields[i + 1])
  }
  return kept
}

/**
 * {@link endToEnd} for the same names each time, which are looked at once: what becomes of a field is remembered by its name as
 * it was sent.
 */
export function endToEndWithout(drop: ReadonlySet<string>): (fields: FieldList) => FieldList {
  const isKept = remembered((name) => {
    const inLowerCase = name.toLowerCase()
    return !HOP_BY_HOP.has(inLowerCase) && !drop.has(inLowerCase)
  })
  return (fields) => {
    if (connectionFields(fields) !== HOP_BY_HOP) return endToEnd(fields, drop)
    const kept: FieldList = []
    for (let i = 0; i < fields.length; i += 2) if (isKept(fields[i])) kept.push(fields[i], fields[i + 1])
    return kept
  }
}

const NOTHING: ReadonlySet<string> = new Set()

/** A copy without the named fields. @param names lower case */
export function without(fields: FieldList, names: ReadonlySet<string>): FieldList {
  const kept: FieldList = []
  for (let i = 0; i < fields.length; i += 2) {
    if (!names.has(lowerCase(fields[i]))) kept.push(fields[i], fields[i + 1])
  }
  return kept
}

/** The name of a field in lower case: there are few of them, and each message has ten. */
export const lowerCase = remembered((name: string) => name.toLowerCase())

/**
 * Members of a comma-separated list, trimmed, empty ones skipped (RFC 9110 section 5.6.1.2). A comma inside a
 * quoted string does not separate; a quote that is never closed is an ordinary character, and so are those
 * after it.
 */
export function listMembers(value: string): string[] {
  const members: string[] = []
  let start = 0
  let mayQuote = true
  for (let i = 0; i <= value.length; i++) {
    if (mayQuote && value[i] === '"') {
      const close = closingQuote(value, i)
      if (close === -1) mayQuote = false
      else i = close
    } else if (i === value.length || value[i] === ',') {
      const member = trimWhitespace(value.slice(start, i))
      if (member !== '') members.push(member)
      start = i + 1
    }
  }
  return members
}

function connectionFields(fields: FieldList): ReadonlySet<string> {
  const connection = fieldValue(fields, 'connection')
  if (connection === undefined || connection === 'keep-alive') return HOP_BY_HOP
  const names = new Set(HOP_BY_HOP)
  for (const option of connection.split(',')) {
    const name = trimWhitespace(option).toLowerCase()
    if (!NEVER_NOMINATED.has(name)) names.add(name)
  }
  return names
}

/** Index of the quote that closes the quoted string opened at `open`, -1 without one. */
function closingQuote(value: string, open: number): number {
  for (let i = open + 1; i < value.length; i++) {
    if (value[i] === '\\') i++
    else if (value[i] === '"') return i
  }
  return -1
}

function isNamed(name: string, lowerCase: string): boolean {
  const last = name.length - 1
  if (last + 1 !== lowerCase.length) return false
  // Most names of the same length end otherwise: only the right one is worth a copy in lower case.
  if ((name.charCodeAt(last) | 0x20) !== (lowerCase.charCodeAt(last) | 0x20)) return false
  return name === lowerCase || name.toLowerCase() === lowerCase
}
