import { parseHttpDate } from './dates.ts'
import { fieldValue, hasField, listMembers } from './fields.ts'
import type { FieldList, Head } from './types.ts'

const FIELD_NAME = /^[!#$%&'*+.^_`|~0-9a-z-]+$/

/** Lists of preferences: their order means nothing (their q-values do) and neither does case. */
const PREFERENCES: ReadonlySet<string> = new Set(['accept-encoding', 'accept-language'])

/**
 * What a response varies on: the nominated names in lower case, sorted, each once; or `*` when no other
 * request can be known to match (RFC 9110 section 12.5.5). A member that is no field name counts as `*`: its
 * author meant something that we do not understand. So does X-Forwarded-For, which we write anew for each
 * client.
 */
export function varyNames(fields: FieldList): string[] | '*' {
  const value = fieldValue(fields, 'vary')
  if (value === undefined) return []
  const names = new Set<string>()
  for (const member of listMembers(value)) {
    const name = member.toLowerCase()
    if (name === '*' || name === 'x-forwarded-for' || !FIELD_NAME.test(name)) return '*'
    names.add(name)
  }
  return [...names].sort()
}

/**
 * The values of the nominated fields in a request, as one string to compare (RFC 9111 section 4.1): lines
 * combined, whitespace around commas removed, preferences sorted. An absent field differs from an empty one.
 * @param names as {@link varyNames} gave them
 */
export function varyKey(names: readonly string[], request: FieldList): string {
  let key = ''
  for (const name of names) {
    if (!hasField(request, name)) {
      key += '-'
    } else {
      const value = normalised(name, fieldValue(request, name) ?? '')
      key += `${value.length}:${value}`
    }
  }
  return key
}

/** The stored response that a request selects: the latest of those that it matches (RFC 9111 section 4.1). */
export function selectHead(heads: readonly Head[], request: FieldList): Head | undefined {
  let selected: Head | undefined
  for (const head of heads) {
    if (head.vary.length > 0 && varyKey(head.vary, request) !== head.varyKey) continue
    if (selected === undefined || isLater(head, selected)) selected = head
  }
  return selected
}

function normalised(name: string, value: string): string {
  if (!PREFERENCES.has(name)) return listMembers(value).join(',')
  return listMembers(value.toLowerCase().replace(/[\t ]/g, '')).sort().join(',')
}

function isLater(a: Head, b: Head): boolean {
  const difference = dateOf(a) - dateOf(b)
  return difference > 0 || (difference === 0 && a.responseTime > b.responseTime)
}

function dateOf(head: Head): number {
  return parseHttpDate(fieldValue(head.fields, 'date') ?? '') ?? head.responseTime
}
