import { fieldValue } from './fields.ts'
import { parseList } from './structured-fields.ts'
import type { FieldList } from './types.ts'

/** Groups of one response that count; RFC 9875 section 2 asks for at least 32. */
const MAX_GROUPS = 128
/** One for all heads without any. */
const NO_GROUPS: readonly string[] = []

/** The groups that a stored response belongs to (RFC 9875 section 2); none when the field is malformed. */
export function cacheGroups(fields: FieldList): readonly string[] {
  return groupsIn(fieldValue(fields, 'cache-groups'))
}

/** The groups that the answer to an unsafe request invalidates (RFC 9875 section 3). */
export function invalidatedGroups(fields: FieldList): readonly string[] {
  return groupsIn(fieldValue(fields, 'cache-group-invalidation'))
}

/** Members are strings, compared character by character; of other types they mean nothing. */
function groupsIn(value: string | undefined): readonly string[] {
  if (value === undefined) return NO_GROUPS
  const names = new Set<string>()
  for (const item of parseList(value) ?? []) if (item.type === 'string') names.add(item.value)
  return [...names].slice(0, MAX_GROUPS)
}
