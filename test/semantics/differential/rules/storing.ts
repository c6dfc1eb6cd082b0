import { dateAt } from '../../heads.ts'
import { httpDate, type Message } from '../exchange.ts'
import { fieldOf, given, response, says, states, withDirective, withoutField } from '../message.ts'
import type { Rule } from '../rule.ts'

/** Cacheable without explicit freshness (RFC 9110 section 15.1), without 206. */
const BY_DEFAULT = [200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501]
/** Statuses that http-cache-semantics stores. */
const THEIR_STATUSES = [200, 203, 204, 300, 301, 302, 303, 307, 308, 404, 405, 410, 414, 501]
/** What they answer is not in the cache key. */
const ANSWERS_THE_REQUEST = [304, 407, 412, 413, 416, 417, 421, 431]

export const STORING: Rule[] = [
  {
    difference: 'a response with Set-Cookie is stored if it states its freshness or public, and else is not',
    because: 'RFC 9111 section 7.3; option setCookie',
    example: given({ response: says(['max-age=60'], 'Set-Cookie', 'a=b') }),
    reads: (exchange) => {
      const { response: message } = exchange
      if (fieldOf(message, 'set-cookie') === undefined) return exchange
      return response(exchange, () =>
        statesLifetime(message) || states(message, 'public')
          ? withoutField(message, 'set-cookie')
          : withDirective(message, 'no-store'),
      )
    },
  },
  {
    difference:
      'Pragma in a response forbids to guess a lifetime, whatever Cache-Control says, and nothing else',
    because: 'RFC 9111 section 5.4: not specified in responses; lib/semantics/policy.ts',
    example: given({ response: says([], 'Expires', dateAt(100), 'Pragma', 'no-cache') }),
    reads: (exchange) => {
      const { response: message, status } = exchange
      if (!/no-cache/i.test(fieldOf(message, 'pragma') ?? '')) return exchange
      const guessed = !statesLifetime(message) && isGuessed(message, status)
      const plain = withoutField(message, 'pragma')
      return response(exchange, () => (guessed ? withDirective(plain, 'max-age=0') : plain))
    },
  },
  {
    difference: 'a lifetime is not guessed beyond a day',
    because: 'RFC 9111 section 4.2.2: not overly long; lib/semantics/freshness.ts',
    example: given({ response: says([], 'Last-Modified', dateAt(-8640000)) }),
    reads: (exchange) => {
      const { response: message, status } = exchange
      if (statesLifetime(message) || !isGuessed(message, status)) return exchange
      const modified = httpDate(fieldOf(message, 'last-modified')) ?? 0
      const date = httpDate(fieldOf(message, 'date')) ?? 0
      return date - modified > 10 * 86400
        ? response(exchange, (response) => withDirective(response, 'max-age=86400'))
        : exchange
    },
  },
  {
    difference: 'any final status is stored when its freshness is stated, or with public',
    because: 'RFC 9111 section 3',
    example: given({ status: 503, response: says(['max-age=60']) }),
    reads: (exchange) => {
      const { status } = exchange
      if (THEIR_STATUSES.includes(status) || ANSWERS_THE_REQUEST.includes(status)) return exchange
      // 302 is one that they know and that is not cacheable by default.
      return { ...exchange, status: 302 }
    },
  },
  {
    difference: 'a Vary that no request can be known to match: * in a list, what is no name, X-Forwarded-For',
    because: 'RFC 9110 section 12.5.5; lib/semantics/vary.ts',
    example: given({ response: says(['max-age=60'], 'Vary', 'X-A, *') }),
    reads: (exchange) => {
      const names = (fieldOf(exchange.response, 'vary') ?? '').toLowerCase().split(',')
      const matchless = names.some((name) => /^\s*(\*|x-forwarded-for|\w+ .*)\s*$/.test(name))
      return matchless ? response(exchange, (message) => withDirective(message, 'no-store')) : exchange
    },
  },
]

function statesLifetime(message: Message): boolean {
  return states(message, 'max-age', 's-maxage') || fieldOf(message, 'expires') !== undefined
}

/** Whether the lifetime of a response that states none may be guessed. */
function isGuessed(message: Message, status: number): boolean {
  return BY_DEFAULT.includes(status) || states(message, 'public')
}
