import { remembered } from './remembered.ts'
import type { FieldList } from './types.ts'
import { trimWhitespace } from './whitespace.ts'

/** What is asked for of the fields of an answer. */
const PLACES: ReadonlyMap<string, number> = new Map(
  [
    'accept-ranges',
    'age',
    'cache-control',
    'cache-groups',
    'cdn-cache-control',
    'connection',
    'content-encoding',
    'content-language',
    'content-length',
    'content-range',
    'content-type',
    'date',
    'etag',
    'expires',
    'last-modified',
    'pragma',
    'set-cookie',
    'transfer-encoding',
    'vary',
  ].map((name, place) => [name, place]),
)
const NOWHERE = -1
const placeOf = remembered((name) => PLACES.get(name.toLowerCase()) ?? NOWHERE)

let noted: FieldList | null = null
let notedLength = 0
/** By their {@link notedPlace}; lines of one name are combined. */
export const notedValues: (string | undefined)[] = [...PLACES.keys()].fill(undefined as never)
/** A bit for each length that a name has, modulo 32: most names that are asked for are of none of these. */
let notedLengths = 0

/**
 * Reads all that is asked for of an answer's fields in one walk: two dozen questions follow, each a walk of its own otherwise.
 * Nothing else changes: until others are noted the questions about this very list are answered from what was found. Nobody may
 * write into it any more.
 */
export function noteFields(fields: FieldList): void {
  notedValues.fill(undefined)
  notedLengths = 0
  for (let i = 0; i < fields.length; i += 2) {
    notedLengths |= 1 << fields[i].length
    const place = placeOf(fields[i])
    if (place === NOWHERE) continue
    const value = trimWhitespace(fields[i + 1])
    const before = notedValues[place]
    notedValues[place] = before === undefined ? value : `${before}, ${value}`
  }
  noted = fields
  notedLength = fields.length
}

/** Whether these are what was noted last. */
export function isNoted(fields: FieldList): boolean {
  return fields === noted && fields.length === notedLength
}

/** @returns false when the noted fields have none of this name */
export function mayHaveNoted(name: string): boolean {
  return (notedLengths & (1 << name.length)) !== 0
}

/** Where the value of a field is among those noted; undefined: fields of this name are not noted. @param name lower case */
export function notedPlace(name: string): number | undefined {
  return PLACES.get(name)
}
