import { dateAt } from '../heads.ts'
import type { Message } from './exchange.ts'
import { fieldOf, says, withField, withoutField } from './message.ts'
import type { Rule } from './rule.ts'

/** A stored 200 that came at NOW, and a 304 to its validation, which comes at NOW too. */
export interface Update {
  response: Message
  notModified: Message
}

/**
 * What is stored after it, null when the 304 is not believed. Names in lower case; without Date and Age,
 * and without Cache-Control, of which `freshFor` tells.
 */
export type Updated = { freshFor: number; fields: Record<string, string | string[] | undefined> } | null

const update = (response: Message, notModified: Message): Update => ({ response, notModified })

/** Why http-cache-semantics updates otherwise than we do. In this order, as in rules.ts. */
export const UPDATE_RULES: readonly Rule<Update>[] = [
  {
    difference: 'what the connection of the 304 is told is not of the stored response',
    because: 'RFC 9111 section 3.1',
    example: update(
      says(['max-age=5'], 'ETag', '"a"', 'X-B', '1'),
      says([], 'ETag', '"a"', 'Connection', 'x-b', 'X-B', '2'),
    ),
    reads: ({ response, notModified }) => {
      const nominated = fieldOf(notModified, 'connection')?.toLowerCase().split(/,\s*/) ?? []
      return { response, notModified: withoutField(notModified, 'connection', ...nominated) }
    },
  },
  {
    difference:
      'a 304 without a validator answers the condition that was sent, which named one representation',
    because: 'RFC 9110 section 15.4.5',
    example: update(says(['max-age=5'], 'ETag', '"a"'), says(['max-age=60'])),
    reads: ({ response, notModified }) => {
      const validators = ['etag', 'last-modified']
      if (validators.some((name) => fieldOf(notModified, name) !== undefined))
        return { response, notModified }
      const filled = validators.reduce((message, name) => {
        const value = fieldOf(response, name)
        return value === undefined ? message : withField(message, name, value)
      }, notModified)
      return { response, notModified: filled }
    },
  },
  {
    difference: 'a 304 with an entity-tag does not speak of a response without one',
    because: 'RFC 9111 section 4.3.4; our choice for weak ones: only a transfer is lost',
    example: update(
      says(['max-age=5'], 'Last-Modified', dateAt(-100)),
      says(['max-age=60'], 'ETag', 'W/"a"', 'Last-Modified', dateAt(-100)),
    ),
    reads: ({ response, notModified }) => {
      const unknown = fieldOf(response, 'etag') === undefined && fieldOf(notModified, 'etag') !== undefined
      return { response, notModified: unknown ? withField(notModified, 'ETag', '"unknown"') : notModified }
    },
  },
  {
    difference:
      'another entity-tag in the answer to a condition with one is a name of the same; the stored one stays',
    because:
      "lib/semantics/head.ts: Apache's suffix -gzip; RFC 9111 section 3.2: validators tell what is updated",
    example: update(says(['max-age=5'], 'ETag', '"a"'), says(['max-age=60'], 'ETag', '"a-gzip"')),
    reads: ({ response, notModified }) => {
      const etag = fieldOf(response, 'etag')
      if (etag === undefined || fieldOf(notModified, 'etag') === undefined) return { response, notModified }
      return { response, notModified: withField(withoutField(notModified, 'last-modified'), 'ETag', etag) }
    },
  },
  {
    difference: 'digests in a 304 are of its own empty content',
    because: 'RFC 9530 section 2',
    example: update(
      says(['max-age=5'], 'ETag', '"a"', 'Content-Digest', 'md5=:a:'),
      says([], 'ETag', '"a"', 'Content-Digest', 'md5=:b:'),
    ),
    reads: ({ response, notModified }) => ({
      response,
      notModified: withoutField(notModified, 'content-digest', 'repr-digest', 'content-md5'),
    }),
  },
  {
    difference: 'a field that the 304 lists in private or no-cache is no longer kept',
    because: 'RFC 9111 sections 5.2.2.4 and 5.2.2.7',
    example: update(
      says(['max-age=5'], 'ETag', '"a"', 'X-B', '1'),
      says(['max-age=60', 'private="x-b"'], 'ETag', '"a"'),
    ),
    reads: ({ response, notModified }) => {
      const listed = notModified.cacheControl.join().match(/(?<=(private|no-cache)=")[^"]*/g) ?? []
      const change = (message: Message) =>
        withoutField(
          { ...message, cacheControl: message.cacheControl.filter((member) => !/=".*"/.test(member)) },
          ...listed,
        )
      return listed.length === 0
        ? { response, notModified }
        : { response: change(response), notModified: change(notModified) }
    },
  },
  {
    difference: 'fields of the 304 that were not stored are added',
    because: 'RFC 9111 section 3.2',
    example: update(says(['max-age=5'], 'ETag', '"a"'), says([], 'ETag', '"a"', 'X-B', '2')),
    reads: ({ response, notModified }) => {
      let all = response
      for (let i = 0; i < notModified.fields.length; i += 2) {
        const [name, value] = notModified.fields.slice(i, i + 2)
        const known = fieldOf(response, name.toLowerCase()) !== undefined
        if (!known && !/^(etag|last-modified|content-encoding|age|date)$/i.test(name))
          all = withField(all, name, value)
      }
      const { cacheControl } = notModified
      const silent = response.cacheControl.length === 0
      return { response: silent ? { ...all, cacheControl } : all, notModified }
    },
  },
  {
    difference: 'the response is as old as the 304 says: what was said when it was stored is over',
    because: 'RFC 9111 section 4.2.3: the age counts from the last validation',
    example: update(says(['max-age=60'], 'ETag', '"a"', 'Age', '50'), says([], 'ETag', '"a"')),
    reads: ({ response, notModified }) => {
      const age = fieldOf(notModified, 'age')
      const plain = withoutField(response, 'age')
      return { response: age === undefined ? plain : withField(plain, 'Age', age), notModified }
    },
  },
  {
    difference: 'a 304 without Date was made when it came',
    because: 'RFC 9110 section 6.6.1',
    example: update(
      says([], 'ETag', '"a"', 'Date', dateAt(-100), 'Expires', dateAt(100)),
      says([], 'ETag', '"a"'),
    ),
    reads: ({ response, notModified }) => {
      const date = fieldOf(notModified, 'date') ?? dateAt(0)
      return {
        response: withField(response, 'Date', date),
        notModified: withField(notModified, 'Date', date),
      }
    },
  },
]
