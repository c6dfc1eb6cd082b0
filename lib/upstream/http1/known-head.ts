import type { FieldList } from '../../semantics/types.ts'
import { parseFields, parseHead, type ResponseHead } from './head.ts'
import { CR, LF } from './syntax.ts'

/**
 * Heads read line by line, each compared with the lines of those that came before: the answers of an origin have the same
 * fields in the same order, and mostly with the same values. A line that is the same byte for byte means the same, so its name
 * and its value are found without making any text, and all stored heads share the two.
 */
export interface HeadReader {
  /**
   * The head that begins at `from`, where it is whole before `to` and nothing is wrong with it; undefined = whoever asks has to
   * look at it himself.
   */
  read(bytes: Buffer, from: number, to: number): ResponseHead | undefined
  /** The place after the head that was read last, its empty line included. */
  end: number
}

/** Longer lines, and those that come after so many others, are read anew each time: who makes them up must not fill memory. */
const LONGEST_LINE = 256
const MOST_LINES = 64

/** A line without its CRLF; what it was read as. */
interface KnownLine {
  readonly bytes: Uint8Array
  length: number
  name: string
  value: string
}

export function createHeadReader(): HeadReader {
  const status = { bytes: new Uint8Array(LONGEST_LINE), length: 0, status: 0, minor: 1 as 0 | 1 }
  /** In the order in which they came. */
  let lines: KnownLine[] = []

  function readStatus(bytes: Buffer, at: number, to: number): ResponseHead | undefined {
    if (status.length > 0 && isAt(status, bytes, at, to)) {
      reader.end = at + status.length + 2
      return { status: status.status, minor: status.minor, fields: [] }
    }
    const end = lineEnd(bytes, at, to)
    if (end === -1) return undefined
    const head = parseHead(bytes.toString('latin1', at, end + 2))
    if (keep(status, bytes, at, end)) {
      status.status = head.status
      status.minor = head.minor
    }
    reader.end = end + 2
    return head
  }

  /** @param expected place in `lines` @returns where the next line is expected; -1: this one is not whole */
  function readField(fields: FieldList, bytes: Buffer, at: number, to: number, expected: number): number {
    for (let i = expected; i < lines.length; i++) {
      const line = lines[i]
      if (!isAt(line, bytes, at, to)) continue
      fields.push(line.name, line.value)
      reader.end = at + line.length + 2
      return i + 1
    }
    const end = lineEnd(bytes, at, to)
    if (end === -1) return -1
    const [name, value] = parseFields(bytes.toString('latin1', at, end + 2), 0)
    fields.push(name, value)
    reader.end = end + 2
    return end - at > LONGEST_LINE ? expected : note(name, value, bytes, at, end, expected)
  }

  /** In place of the line that this field had before, if it had one. */
  function note(
    name: string,
    value: string,
    bytes: Buffer,
    at: number,
    end: number,
    expected: number,
  ): number {
    let place = expected
    while (place < lines.length && lines[place].name !== name) place++
    if (place === lines.length) {
      if (lines.length === MOST_LINES) lines = []
      place = Math.min(expected, lines.length)
      lines.splice(place, 0, { bytes: new Uint8Array(LONGEST_LINE), length: 0, name, value })
    }
    const line = lines[place]
    line.value = value
    keep(line, bytes, at, end)
    return place + 1
  }

  const reader: HeadReader = {
    end: 0,

    read(bytes, from, to) {
      try {
        const head = readStatus(bytes, from, to)
        if (head === undefined) return undefined
        let expected = 0
        while (bytes[reader.end] !== CR) {
          expected = readField(head.fields, bytes, reader.end, to, expected)
          if (expected === -1) return undefined
        }
        const end = reader.end + 2
        if (end > to || bytes[end - 1] !== LF) return undefined
        reader.end = end
        return head
      } catch {
        // What is wrong is told by the one who reads it otherwise.
        return undefined
      }
    },
  }
  return reader
}

/** Whether a known line and its CRLF are at this place. */
function isAt(line: { bytes: Uint8Array; length: number }, bytes: Buffer, at: number, to: number): boolean {
  const { bytes: known, length } = line
  if (at + length + 2 > to || bytes[at + length] !== CR || bytes[at + length + 1] !== LF) return false
  for (let i = 0; i < length; i++) if (bytes[at + i] !== known[i]) return false
  return true
}

/** Keeps a line in place of the one before, if it is not too long. */
function keep(line: { bytes: Uint8Array; length: number }, bytes: Buffer, at: number, end: number): boolean {
  const length = end - at
  if (length > LONGEST_LINE) return false
  for (let i = 0; i < length; i++) line.bytes[i] = bytes[at + i]
  line.length = length
  return true
}

/** The place of the CR at the end of a line; -1: the line is not whole, or ends otherwise. */
function lineEnd(bytes: Buffer, at: number, to: number): number {
  let end = at
  while (end < to && bytes[end] !== LF) end++
  return end === to || bytes[end - 1] !== CR ? -1 : end - 1
}
