import type { Message } from '../exchange.ts'
import {
  allMessages,
  bothRequests,
  directive,
  eachMember,
  fieldOf,
  given,
  response,
  says,
  states,
  withDirective,
  withField,
  withoutDirective,
  withoutField,
} from '../message.ts'
import type { Rule } from '../rule.ts'

const DURATIONS = [
  'max-age',
  's-maxage',
  'min-fresh',
  'max-stale',
  'stale-while-revalidate',
  'stale-if-error',
]
const KNOWN = [
  ...DURATIONS,
  ...['no-store', 'no-cache', 'private', 'public', 'must-revalidate', 'proxy-revalidate'],
  ...['must-understand', 'no-transform', 'immutable', 'only-if-cached'],
]

/** Statuses that http-cache-semantics stores. */
const THEIR_STATUSES = [200, 203, 204, 300, 301, 302, 303, 307, 308, 404, 405, 410, 414, 501]
/** Those of RFC 9110 and RFC 7725 that a cache can know (RFC 9111 section 5.2.2.3). */
const UNDERSTOOD = [...THEIR_STATUSES, 400, 401, 403, 451, 500, 502, 503, 504]

export const DIRECTIVES: Rule[] = [
  {
    difference: 'Pragma in a request does not count beside Cache-Control, and is matched in any case',
    because: 'RFC 9111 section 5.4',
    example: given({ response: says(['max-age=60']), probe: says(['max-age=60'], 'Pragma', 'no-cache') }),
    reads: (exchange) =>
      bothRequests(exchange, (message) => {
        const pragma = fieldOf(message, 'pragma')
        if (pragma === undefined) return message
        // An unknown directive is a Cache-Control all the same.
        if (message.cacheControl.length > 0) return withoutField(message, 'pragma')
        return withField(message, 'Pragma', pragma.toLowerCase())
      }),
  },
  {
    difference: 'names of directives are matched in any case',
    because: 'RFC 9111 section 5.2',
    example: given({ response: says(['NO-STORE', 'max-age=60']) }),
    reads: (exchange) =>
      allMessages(exchange, (message) =>
        eachMember(message, (member) => [member.replace(/^[^=]*/, (name) => name.toLowerCase())]),
      ),
  },
  {
    difference: 'a directive that nobody knows is skipped with all of its quoted string',
    because: 'RFC 9111 sections 5.2 and 5.2.3',
    example: given({ response: says(['ext="a, no-store, b"', 'max-age=60']) }),
    reads: (exchange) =>
      allMessages(exchange, (message) =>
        eachMember(message, (member) => (KNOWN.includes(directive(member).name) ? [member] : [])),
      ),
  },
  {
    difference:
      'a duration that is no number means stale; min-fresh, of which 0 would ask for nothing, is skipped',
    because: 'RFC 9111 section 4.2.1',
    example: given({ response: says(['max-age=9.5'], 'ETag', '"a"') }),
    reads: (exchange) =>
      allMessages(exchange, (message) =>
        eachMember(message, (member) => {
          const { name, argument } = directive(member)
          if (!DURATIONS.includes(name) || (name === 'max-stale' && argument === undefined)) return [member]
          if (/^\d+$/.test(argument ?? '')) return [`${name}=${argument}`]
          return name === 'min-fresh' ? [] : [`${name}=0`]
        }),
      ),
  },
  {
    difference: 'durations are at most 2^31 seconds, max-stale without a number too',
    because: 'RFC 9111 section 1.2.2',
    example: given({ response: says(['max-age=99999999999']) }),
    reads: (exchange) =>
      allMessages(exchange, (message) =>
        eachMember(message, (member) => {
          const { name, argument } = directive(member)
          return member === 'max-stale' || Number(argument) > 2 ** 31 ? [`${name}=${2 ** 31}`] : [member]
        }),
      ),
  },
  {
    difference: 'of a duration that is stated twice the strictest counts',
    because: 'RFC 9111 section 4.2.1',
    example: given({ response: says(['max-age=5', 'max-age=60']) }),
    reads: (exchange) => allMessages(exchange, (message) => DURATIONS.reduce(strictest, message)),
  },
  {
    difference: 'private and no-cache restrict the fields that they list, and the whole where they list none',
    because: 'RFC 9111 sections 5.2.2.4 and 5.2.2.7',
    example: given({ response: says(['max-age=60', 'private="x-b"']) }),
    reads: (exchange) => response(exchange, (message) => ['private', 'no-cache'].reduce(scoped, message)),
  },
  {
    difference: 'a request with no-cache="field" is one with no-cache',
    because: 'RFC 9111 section 5.2.1.4: it has no argument',
    example: given({ response: says(['max-age=60']), probe: says(['no-cache=""']) }),
    reads: (exchange) =>
      bothRequests(exchange, (message) =>
        eachMember(message, (member) => (directive(member).name === 'no-cache' ? ['no-cache'] : [member])),
      ),
  },
  {
    difference:
      'must-understand lifts no-store where the status is understood, and is no-store where it is not',
    because: 'RFC 9111 section 5.2.2.3',
    example: given({ response: says(['max-age=60', 'no-store', 'must-understand']) }),
    reads: (exchange) =>
      !states(exchange.response, 'must-understand')
        ? exchange
        : response(exchange, (message) =>
            UNDERSTOOD.includes(exchange.status)
              ? withoutDirective(message, 'must-understand', 'no-store')
              : withDirective(withoutDirective(message, 'must-understand'), 'no-store'),
          ),
  },
]

function strictest(message: Message, name: string): Message {
  const all = message.cacheControl.filter((member) => directive(member).name === name)
  if (all.length < 2) return message
  const seconds = all.map((member) => Number(directive(member).argument ?? 2 ** 31))
  const one = name === 'min-fresh' ? Math.max(...seconds) : Math.min(...seconds)
  return withDirective(withoutDirective(message, name), `${name}=${one}`)
}

function scoped(message: Message, name: string): Message {
  const all = message.cacheControl.filter((member) => directive(member).name === name)
  if (all.length === 0) return message
  const plain = withoutDirective(message, name)
  const listed = all.map((member) => (directive(member).argument ?? '').toLowerCase().match(/[^\s,]+/g) ?? [])
  if (listed.some((names) => names.length === 0)) return withDirective(plain, name)
  return withoutField(plain, ...listed.flat())
}
