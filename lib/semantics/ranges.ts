import { trimWhitespace } from './fields.ts'

/**
 * Range requests in bytes (RFC 9110 section 14). All positions are inclusive and count from 0.
 */

export interface ByteRange {
  first: number
  last: number
}

/** One range-spec as it was asked for, before the length is known (RFC 9110 section 14.1.1). */
export type RangeSpec = { first: number; last: number | null } | { suffix: number }

/** `none`: no Range, or another unit. `invalid`: not the grammar; a server may ignore it, and we do. */
export type RangeSpecs = { kind: 'none' | 'invalid' } | { kind: 'specs'; specs: RangeSpec[] }

/** `none` means: answer with the whole representation. */
export type RangeDecision =
  | { kind: 'none' }
  | { kind: 'unsatisfiable' }
  | { kind: 'ranges'; ranges: ByteRange[] }

/** What a Content-Range says: the range that came (length null for `*`), or the length that a 416 tells. */
export type ContentRange = { first: number; last: number; length: number | null } | { unsatisfied: number }

const UNIT = /^bytes=/i
const RANGE_SPEC = /^(\d+)-(\d*)$|^-(\d+)$/
const CONTENT_RANGE = /^bytes (?:(\d+)-(\d+)\/(\d+|\*)|\*\/(\d+))$/i

/**
 * The ranges to send of a representation of `length` bytes.
 *
 * Ranges are clamped to the length, and merged where they overlap or touch, so that nothing is sent twice
 * (RFC 9110 section 14.2); the order is that of their first mention. Syntax errors are ignored, and so are
 * more than `maxRanges` ranges: the whole representation costs less than so many parts. `bytes=` names no
 * range at all and is refused as unsatisfiable, which section 15.5.17 allows; nginx does the same.
 */
export function parseRange(value: string | undefined, length: number, maxRanges = 16): RangeDecision {
  const parsed = parseRangeSpec(value)
  return parsed.kind === 'specs' ? resolveRanges(parsed.specs, length, maxRanges) : { kind: 'none' }
}

/** Parses a Range field for an object whose length is not yet known. `bytes=` gives an empty list. */
export function parseRangeSpec(value: string | undefined): RangeSpecs {
  if (value === undefined || !UNIT.test(value)) return { kind: 'none' }
  const specs: RangeSpec[] = []
  for (const member of value.slice('bytes='.length).split(',')) {
    const text = trimWhitespace(member)
    if (text === '') continue // empty list members count for nothing (RFC 9110 section 5.6.1.2)
    const spec = parseSpec(text)
    if (spec === undefined) return { kind: 'invalid' }
    specs.push(spec)
  }
  return { kind: 'specs', specs }
}

/** {@link parseRange} for a field that was parsed before its length was known. */
export function resolveRanges(specs: readonly RangeSpec[], length: number, maxRanges = 16): RangeDecision {
  // Nothing of an empty representation can be named in a Content-Range, yet a suffix of it is
  // satisfiable (RFC 9110 section 14.1.2): all of it, by a 200.
  if (length === 0 && specs.some((spec) => 'suffix' in spec && spec.suffix > 0)) return { kind: 'none' }

  const satisfiable: ByteRange[] = []
  for (const spec of specs) {
    const range = clamp(spec, length)
    if (range !== undefined) satisfiable.push(range)
  }
  if (satisfiable.length === 0) return { kind: 'unsatisfiable' }
  const ranges = satisfiable.length === 1 ? satisfiable : merge(satisfiable)
  return ranges.length > maxRanges ? { kind: 'none' } : { kind: 'ranges', ranges }
}

/** Parses a Content-Range strictly (RFC 9110 section 14.4): anything doubtful is undefined, never a guess. */
export function parseContentRange(value: string | undefined): ContentRange | undefined {
  const match = value === undefined ? null : CONTENT_RANGE.exec(value)
  if (match === null) return undefined
  if (match[4] !== undefined) {
    const unsatisfied = Number(match[4])
    return Number.isSafeInteger(unsatisfied) ? { unsatisfied } : undefined
  }
  const first = Number(match[1])
  const last = Number(match[2])
  const length = match[3] === '*' ? null : Number(match[3])
  if (!Number.isSafeInteger(last) || last < first) return undefined
  if (length !== null && (!Number.isSafeInteger(length) || length <= last)) return undefined
  return { first, last, length }
}

/** Content-Range of a 206. @param length of the complete representation, null when not known */
export function contentRange(first: number, last: number, length: number | null): string {
  return `bytes ${first}-${last}/${length ?? '*'}`
}

/** Content-Range of a 416 (RFC 9110 section 15.5.17). */
export function unsatisfiedRange(length: number): string {
  return `bytes */${length}`
}

// Framing of `multipart/byteranges` (RFC 9110 section 14.6): for each range its `partHeader` and its bytes,
// then `closing`. A boundary is 1 to 70 letters and digits; the caller draws it at random.

/** What stands before the bytes of one part. @param contentType of the representation, if it has one */
export function partHeader(
  boundary: string,
  contentType: string | undefined,
  range: ByteRange,
  length: number,
): Buffer {
  return Buffer.from(partHeaderText(boundary, contentType, range, length), 'latin1')
}

/** What stands behind the last part. */
export function closing(boundary: string): Buffer {
  return Buffer.from(closingText(boundary), 'latin1')
}

/** Exact Content-Length of the whole body, in bytes. */
export function multipartLength(
  boundary: string,
  contentType: string | undefined,
  ranges: readonly ByteRange[],
  length: number,
): number {
  let bytes = closingText(boundary).length
  for (const range of ranges) {
    bytes += partHeaderText(boundary, contentType, range, length).length + range.last - range.first + 1
  }
  return bytes
}

function parseSpec(text: string): RangeSpec | undefined {
  const match = RANGE_SPEC.exec(text)
  if (match === null) return undefined
  if (match[3] !== undefined) return { suffix: toPosition(match[3]) }
  const first = toPosition(match[1])
  const last = match[2] === '' ? null : toPosition(match[2])
  return last !== null && last < first ? undefined : { first, last }
}

/**
 * Positions beyond what a number holds exactly are beyond every representation: one of them is as good as
 * another.
 */
function toPosition(digits: string): number {
  return Math.min(Number(digits), Number.MAX_SAFE_INTEGER)
}

function clamp(spec: RangeSpec, length: number): ByteRange | undefined {
  if ('suffix' in spec) {
    const first = Math.max(0, length - spec.suffix)
    return first < length ? { first, last: length - 1 } : undefined
  }
  if (spec.first >= length) return undefined
  return { first: spec.first, last: spec.last === null ? length - 1 : Math.min(spec.last, length - 1) }
}

function merge(ranges: ByteRange[]): ByteRange[] {
  const byPosition = ranges.map((range, mention) => ({ ...range, mention })).sort((a, b) => a.first - b.first)
  const merged: typeof byPosition = []
  for (const range of byPosition) {
    const previous = merged.at(-1)
    if (previous === undefined || range.first > previous.last + 1) {
      merged.push(range)
    } else {
      previous.last = Math.max(previous.last, range.last)
      previous.mention = Math.min(previous.mention, range.mention)
    }
  }
  return merged.sort((a, b) => a.mention - b.mention).map(({ first, last }) => ({ first, last }))
}

// The line break in front belongs to the boundary; before the first part it is an empty preamble (RFC 2046
// section 5.1.1).
function partHeaderText(
  boundary: string,
  contentType: string | undefined,
  range: ByteRange,
  length: number,
): string {
  const type = contentType === undefined ? '' : `Content-Type: ${contentType}\r\n`
  return `\r\n--${boundary}\r\n${type}Content-Range: ${contentRange(range.first, range.last, length)}\r\n\r\n`
}

function closingText(boundary: string): string {
  return `\r\n--${boundary}--\r\n`
}
