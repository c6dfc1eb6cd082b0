import type { Message } from '../exchange.ts'
import {
  bothRequests,
  eachMember,
  given,
  probe,
  response,
  says,
  states,
  withField,
  withoutDirective,
  withoutField,
} from '../message.ts'
import type { Rule } from '../rule.ts'
import { theirs } from '../theirs.ts'

export const REUSE: Rule[] = [
  {
    difference: 'max-stale gets no response that must be revalidated',
    because: 'RFC 9111 sections 5.2.2.2, 5.2.2.4, 5.2.2.8 and 5.2.2.10',
    example: given({ response: says(['s-maxage=60'], 'ETag', '"a"'), probe: says(['max-stale']), later: 90 }),
    reads: (exchange) =>
      states(exchange.response, 'must-revalidate', 'proxy-revalidate', 'no-cache', 's-maxage')
        ? probe(exchange, (message) => withoutDirective(message, 'max-stale'))
        : exchange,
  },
  {
    difference: 'stale-while-revalidate gives way to no-cache, must-revalidate and proxy-revalidate',
    because: 'RFC 9111 section 4.2.4',
    example: given({
      response: says(['max-age=5', 'no-cache', 'stale-while-revalidate=60'], 'ETag', '"a"'),
      later: 30,
    }),
    reads: (exchange) =>
      states(exchange.response, 'must-revalidate', 'proxy-revalidate', 'no-cache')
        ? response(exchange, (message) =>
            withoutDirective(message, 'stale-while-revalidate', 'stale-if-error'),
          )
        : exchange,
  },
  {
    difference: 'must-revalidate speaks of stale responses only',
    because: 'RFC 9111 section 5.2.2.2',
    example: given({ response: says(['max-age=60', 'must-revalidate']) }),
    reads: (exchange) =>
      !states(exchange.response, 'must-revalidate')
        ? exchange
        : {
            ...response(exchange, (message) => withoutDirective(message, 'must-revalidate')),
            // It also allows to store what came for a request with Authorization (section 3.5).
            request: withoutField(exchange.request, 'authorization'),
          },
  },
  {
    difference: 'proxy-revalidate speaks of stale responses only',
    because: 'RFC 9111 section 5.2.2.8',
    example: given({ response: says(['max-age=60', 'proxy-revalidate']) }),
    reads: (exchange) => response(exchange, (message) => withoutDirective(message, 'proxy-revalidate')),
  },
  {
    difference: 'of fields named in Vary neither whitespace counts nor, of preferences, case and order',
    because: 'RFC 9111 section 4.1',
    example: given({
      request: says([], 'Accept-Encoding', 'br, gzip'),
      response: says(['max-age=60'], 'Vary', 'Accept-Encoding'),
      probe: says([], 'Accept-Encoding', 'GZIP,br'),
    }),
    reads: (exchange) =>
      bothRequests(exchange, (message) =>
        ['accept-encoding', 'accept-language', 'x-a'].reduce(selecting, message),
      ),
  },
  {
    difference: 'immutable adds nothing to the lifetime; while that lasts, no reload by max-age validates',
    because: 'RFC 8246 section 2',
    example: given({ response: says(['immutable'], 'ETag', '"a"') }),
    reads: (exchange) => {
      if (!states(exchange.response, 'immutable')) return exchange
      const plain = response(exchange, (message) => withoutDirective(message, 'immutable'))
      const fresh = theirs(
        probe(plain, (message) => withoutField({ ...message, cacheControl: [] }, 'pragma')),
      )
      return fresh.use === 'reuse' ? probe(plain, (message) => withoutDirective(message, 'max-age')) : plain
    },
  },
  {
    difference: 'max-stale takes what is stale by exactly so much',
    because: 'RFC 9111 section 5.2.1.2: no more than',
    example: given({ response: says(['max-age=5']), probe: says(['max-stale=25']), later: 30 }),
    reads: (exchange) =>
      probe(exchange, (message) =>
        eachMember(message, (member) => [/^max-stale=\d+$/.test(member) ? `${member}.4` : member]),
      ),
  },
  {
    difference:
      'within stale-while-revalidate a client with max-stale gets a refresh behind its response too',
    because: 'RFC 5861 section 3',
    example: given({
      response: says(['max-age=5', 'stale-while-revalidate=60']),
      probe: says(['max-stale']),
      later: 30,
    }),
    reads: (exchange) => {
      const without = probe(exchange, (message) => withoutDirective(message, 'max-stale'))
      return theirs(without).use === 'stale-while-revalidate' ? without : exchange
    },
  },
]

function selecting(message: Message, name: string): Message {
  const lines = message.fields.filter((_, i) => i % 2 === 1 && message.fields[i - 1].toLowerCase() === name)
  if (lines.length === 0) return message
  const members = lines
    .join(',')
    .split(',')
    .map((member) => member.trim())
  if (name === 'x-a') return withField(message, name, members.filter(Boolean).join(','))
  const preferences = members.map((member) =>
    member
      .toLowerCase()
      .replace(/\s/g, '')
      .replace(/;q=1(\.0*)?$/, ''),
  )
  return withField(message, name, preferences.filter(Boolean).sort().join(','))
}
