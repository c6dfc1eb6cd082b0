import { fieldValue, isFieldName, listMembers, trimWhitespace } from './fields.ts'
import { remembered } from './remembered.ts'
import { IDENTITY } from './request-identity.ts'
import type { FieldList, Head } from './types.ts'

const NO_NAMES: readonly string[] = []
/** One for all heads that vary on nothing. */
const NO_VALUES: readonly (string | null)[] = []

/** Lists of preferences: their order means nothing (their weights do) and neither does case. */
const PREFERENCES: ReadonlySet<string> = new Set(['accept-encoding', 'accept-language'])

const LANGUAGE = 'accept-language'

/** `;q=1` is what a member without a weight has (RFC 9110 section 12.4.2). */
const FULL_WEIGHT = /;q=1(?:\.0{0,3})?$/

/** What a response varies on, and what it was selected with. */
export type Selection = Pick<Head, 'vary' | 'varyValues' | 'language'>

/**
 * What a response varies on: the nominated names in lower case, sorted, each once; or `*` when no other
 * request can be known to match (RFC 9110 section 12.5.5). A member that is no field name counts as `*`: its
 * author meant something that we do not understand. So do X-Forwarded-For, which we write anew for each
 * client, and what names one request: no other matches.
 */
export function varyNames(fields: FieldList): readonly string[] | '*' {
  const value = fieldValue(fields, 'vary')
  return value === undefined ? NO_NAMES : readNames(value)
}

/** Remembered, so that variants of one resource share the list: to compare it is then to compare two references. */
const readNames = remembered((value: string): readonly string[] | '*' => {
  const names = new Set<string>()
  for (const member of listMembers(value)) {
    const name = member.toLowerCase()
    if (name === '*' || name === 'x-forwarded-for' || IDENTITY.has(name) || !isFieldName(name)) return '*'
    names.add(name)
  }
  return [...names].sort()
})

/** The selection of a response that came for a request; without Vary every request selects it. */
export function selectionOf(response: FieldList, request: FieldList): Selection {
  const names = varyNames(response)
  const vary = names === '*' ? NO_NAMES : names
  const languages = vary.includes(LANGUAGE)
    ? listMembers((fieldValue(response, 'content-language') ?? '').toLowerCase())
    : []
  return {
    vary,
    varyValues: selectingValues(vary, request),
    language: languages.length === 1 ? languages[0] : '',
  }
}

/**
 * The values of the nominated fields in a request, to be compared (RFC 9111 section 4.1): lines combined,
 * whitespace around commas removed, preferences sorted. Null for an absent field, which differs from an empty one.
 * @param names as {@link varyNames} gave them
 */
export function selectingValues(names: readonly string[], request: FieldList): readonly (string | null)[] {
  if (names.length === 0) return NO_VALUES
  const values: (string | null)[] = []
  for (const name of names) {
    const value = fieldValue(request, name)
    values.push(value === undefined ? null : normalised(name, value))
  }
  return values
}

/** Names a selection: equal for two only if they are of the same variant. */
export function variantKey({ vary, varyValues }: Pick<Head, 'vary' | 'varyValues'>): string {
  return vary.length === 0 ? '' : JSON.stringify([vary, varyValues])
}

/**
 * The stored response that a request selects: the latest of those that it matches (RFC 9111 section 4.1). One that is
 * only in the language that the request prefers comes after those that were selected with the same values: it may be
 * what the origin had instead of another language.
 */
export function selectHead(heads: readonly Head[], request: FieldList): Head | undefined {
  let selected: Head | undefined
  let isExact = false
  // Variants of one resource nearly always vary on the same fields: these are read once.
  let names: readonly string[] = []
  let values: readonly (string | null)[] = []
  let wanted: string | undefined
  for (const head of heads) {
    let exact = true
    if (head.vary.length > 0) {
      if (!sameList(head.vary, names)) {
        names = head.vary
        values = selectingValues(names, request)
        wanted = undefined
      }
      exact = sameList(head.varyValues, values)
      if (!exact && (isExact || head.language === '')) continue
      if (!exact && !matches(head, values, (wanted ??= bestLanguage(values[names.indexOf(LANGUAGE)]))))
        continue
    }
    if (selected !== undefined && exact === isExact && !isLater(head, selected)) continue
    selected = head
    isExact = exact
  }
  return selected
}

/** Whether the values of a request select a head but for the language, and it is in the one that is wanted. */
function matches(head: Head, values: readonly (string | null)[], wanted: string): boolean {
  if (head.language !== wanted) return false
  for (let i = 0; i < values.length; i++) {
    if (values[i] !== head.varyValues[i] && head.vary[i] !== LANGUAGE) return false
  }
  return true
}

/** Whether two lists of names or of values are one. */
export function sameList(a: readonly (string | null)[], b: readonly (string | null)[]): boolean {
  if (a === b) return true
  if (a.length !== b.length) return false
  // From the end: variants mostly differ in their language, which comes late in the order of names.
  for (let i = a.length - 1; i >= 0; i--) if (a[i] !== b[i]) return false
  return true
}

/**
 * The language that a request wants most, and it alone; '' when there is none. A stored response in this language is
 * then what the origin would select: RFC 9111 section 4.1 lets a cache use what it knows of a field's meaning.
 *
 * @param acceptLanguage normalised
 */
function bestLanguage(acceptLanguage: string | null): string {
  let best = 0
  let bestRange = ''
  for (const member of acceptLanguage?.split(',') ?? []) {
    const [range, ...parameters] = member.split(';')
    const weight = weightOf(parameters)
    if (weight < best || weight === 0) continue
    bestRange = weight > best ? range : '' // of two that are wanted as much, neither is it alone
    best = weight
  }
  return bestRange
}

/** A weight that is not well-formed counts as 1: what cannot be understood makes nothing less wanted. */
function weightOf(parameters: readonly string[]): number {
  for (const parameter of parameters) {
    if (/^q=(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/.test(parameter)) return Number(parameter.slice(2))
  }
  return 1
}

function normalised(name: string, value: string): string {
  if (!PREFERENCES.has(name)) return listMembers(value).join(',')
  return preferences(value)
}

const preferences = remembered((value: string) =>
  listMembers(value.toLowerCase()).map(preference).sort().join(','),
)

/** Whitespace means nothing around a semicolon only: `d e` is no `de`. */
function preference(member: string): string {
  return member.split(';').map(trimWhitespace).join(';').replace(FULL_WEIGHT, '')
}

function isLater(a: Head, b: Head): boolean {
  if (a.date !== b.date) return a.date > b.date
  // Two that came within one millisecond were not asked for at once.
  return a.responseTime === b.responseTime ? a.order > b.order : a.responseTime > b.responseTime
}
