import { dateAt, NOW } from '../../heads.ts'
import { AGES, httpDate, type Message } from '../exchange.ts'
import { fieldOf, given, response, says, withField, withoutField } from '../message.ts'
import type { Rule } from '../rule.ts'

/** A date, but no HTTP-date. */
const ISO = new Date(NOW + 100_000).toISOString()

export const TIMES: Rule[] = [
  {
    difference: 'Date is read in three formats, and counts as absent in all others',
    because: 'RFC 9110 sections 5.6.7 and 6.6.1',
    example: given({ response: says([], 'Date', ISO, 'Expires', dateAt(100)) }),
    reads: (exchange) => response(exchange, (message) => dated(message, 'Date', () => undefined)),
  },
  {
    difference: 'Expires is read in three formats, and lies in the past in all others, the empty one too',
    because: 'RFC 9111 section 5.3',
    example: given({ response: says([], 'Expires', ISO, 'ETag', '"a"') }),
    reads: (exchange) => response(exchange, (message) => dated(message, 'Expires', () => '0')),
  },
  {
    difference: 'Last-Modified and ETag that are not well-formed are no validators',
    because: 'RFC 9110 sections 8.8.2 and 8.8.3',
    example: given({ response: says([], 'ETag', 'a') }),
    reads: (exchange) =>
      response(exchange, (message) => {
        const etag = fieldOf(message, 'etag')
        const valid = etag === undefined || /^(W\/)?"[^"\s]*"$/.test(etag)
        return dated(valid ? message : withoutField(message, 'etag'), 'Last-Modified', () => undefined)
      }),
  },
  {
    difference: 'an Age that is no number is ignored, and of several the first counts',
    because: 'RFC 9111 section 5.1',
    example: given({ response: says(['max-age=60'], 'Age', '7.5') }),
    reads: (exchange) =>
      response(exchange, (message) => {
        const age = fieldOf(message, 'age')
        return age === undefined ? message : withField(message, 'Age', String(AGES.get(age)))
      }),
  },
  {
    difference: 'a Date in the past makes a response old when it arrives',
    because: 'RFC 9111 section 4.2.3: apparent_age',
    example: given({ response: says(['max-age=60'], 'Date', dateAt(-10)) }),
    reads: (exchange) =>
      response(exchange, (message) => {
        const apparent = -(httpDate(fieldOf(message, 'date')) ?? 0)
        return apparent > Number(fieldOf(message, 'age') ?? 0)
          ? withField(message, 'Age', String(apparent))
          : message
      }),
  },
]

/** A date in IMF-fixdate, and what `instead` gives for what is none. */
function dated(message: Message, name: string, instead: () => string | undefined): Message {
  const text = fieldOf(message, name.toLowerCase())
  if (text === undefined) return message
  const at = httpDate(text)
  const value = at === null ? instead() : dateAt(at)
  return value === undefined ? withoutField(message, name.toLowerCase()) : withField(message, name, value)
}
