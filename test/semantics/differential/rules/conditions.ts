import { dateAt } from '../../heads.ts'
import { fieldOf, given, probe, says, withField, withoutField } from '../message.ts'
import type { Rule } from '../rule.ts'

export const CONDITIONS: Rule[] = [
  {
    difference:
      'the date of the condition is our Last-Modified, not what the client sent; * is no entity-tag',
    because: 'RFC 9111 section 4.3.1, RFC 9110 section 13.1.2',
    example: given({
      response: says([], 'Last-Modified', dateAt(-100)),
      probe: says([], 'If-Modified-Since', dateAt(-10)),
      later: 90,
    }),
    reads: (exchange) =>
      probe(exchange, (message) => {
        const dateless = withoutField(message, 'if-modified-since')
        return fieldOf(message, 'if-none-match') === '*' ? withoutField(dateless, 'if-none-match') : dateless
      }),
  },
  {
    difference:
      'where nothing that is stored can be validated the whole is fetched, not what the client lacks',
    because: 'RFC 9111 section 4.3.2 allows to answer the condition of the client from that',
    example: given({ response: says(['max-age=5']), probe: says([], 'If-None-Match', '"c"'), later: 90 }),
    reads: (exchange) =>
      ['etag', 'last-modified'].some((name) => fieldOf(exchange.response, name) !== undefined)
        ? exchange
        : probe(exchange, (message) => withoutField(message, 'if-none-match')),
  },
  {
    difference: 'an entity-tag of the client that matches ours weakly is not asked for beside it',
    because: 'RFC 9110 section 13.1.2: If-None-Match compares weakly',
    example: given({ response: says([], 'ETag', 'W/"a"'), probe: says([], 'If-None-Match', '"a"') }),
    reads: (exchange) =>
      probe(exchange, (message) => {
        const theirs = fieldOf(message, 'if-none-match')?.split(/,\s*/)
        const opaque = fieldOf(exchange.response, 'etag')?.replace('W/', '')
        if (theirs === undefined || opaque === undefined) return message
        const others = theirs.filter((etag) => etag.replace('W/', '') !== opaque)
        const plain = withoutField(message, 'if-none-match')
        return others.length === 0 ? plain : withField(plain, 'If-None-Match', others.join(', '))
      }),
  },
]
