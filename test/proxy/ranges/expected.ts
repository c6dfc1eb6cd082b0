import type { Answer } from '../../helpers/client.ts'

/** What the ranges of a request name, written down from RFC 9110 section 14.1.2 and nothing else. */
export interface Wanted {
  first: number
  /** Inclusive; null = to the end. */
  last: number | null
}

export type Spec = Wanted | { suffix: number }

export function rangeHeader(specs: readonly Spec[]): string {
  return `bytes=${specs.map((spec) => ('suffix' in spec ? `-${spec.suffix}` : `${spec.first}-${spec.last ?? ''}`)).join(', ')}`
}

/** For each offset of a file of `length` bytes, how often the ranges name it: 0 or 1. */
export function namedOffsets(specs: readonly Spec[], length: number): Uint8Array {
  const named = new Uint8Array(length)
  for (const spec of specs) {
    const first = 'suffix' in spec ? Math.max(0, length - spec.suffix) : spec.first
    const last = 'suffix' in spec ? length - 1 : (spec.last ?? length - 1)
    named.fill(1, first, last + 1)
  }
  return named
}

/** One part of a 206: where its bytes stand in the file. */
export interface Part {
  first: number
  last: number
  /** The file's length as the part states it. */
  total: number
  bytes: Buffer
}

/** The parts of a 206, a single one or multipart/byteranges. @throws when the framing is wrong */
export function partsOf(answer: Answer): Part[] {
  const single = answer.header('content-range')
  if (single !== undefined) return [{ ...parseContentRange(single), bytes: answer.body }]
  const boundary = /^multipart\/byteranges; boundary="?([^"]+)"?$/.exec(
    answer.header('content-type') ?? '',
  )?.[1]
  if (boundary === undefined) throw new Error(`no Content-Range and ${answer.header('content-type')}`)
  // RFC 2046 section 5.1.1: the line break in front of a delimiter belongs to it.
  const text = `\r\n${answer.body.toString('latin1')}`
  const pieces = text.split(`\r\n--${boundary}`)
  const epilogue = pieces.pop()
  if (epilogue === undefined || !/^--[\t ]*(\r\n)?$/.test(epilogue)) throw new Error('no close-delimiter')
  return pieces.slice(1).map((piece) => {
    const end = piece.indexOf('\r\n\r\n')
    const field = /^content-range: *(.*)$/im.exec(piece.slice(0, end))
    if (end < 0 || field === null) throw new Error(`not a part: ${piece.slice(0, 100)}`)
    return { ...parseContentRange(field[1]), bytes: Buffer.from(piece.slice(end + 4), 'latin1') }
  })
}

function parseContentRange(value: string): Omit<Part, 'bytes'> {
  const [, first, last, total] = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(value.trim()) ?? []
  if (total === undefined) throw new Error(`not a Content-Range: ${value}`)
  return { first: Number(first), last: Number(last), total: Number(total) }
}

/**
 * What is wrong with an answer to a request for these ranges; undefined when nothing is. A whole 200 is right for any
 * ranges that name something (RFC 9110 section 14.2 lets a server ignore them).
 */
export function faultOf(answer: Answer, file: Buffer, specs: readonly Spec[]): string | undefined {
  if (!answer.complete) return 'cut'
  const wanted = namedOffsets(specs, file.length)
  if (answer.status === 416) {
    if (wanted.includes(1)) return '416 for what is there'
    return answer.header('content-range') === `bytes */${file.length}` ? undefined : '416 without the length'
  }
  if (answer.status === 200) return answer.body.equals(file) ? undefined : '200 with other bytes'
  if (answer.status !== 206) return `status ${answer.status}`
  const sent = new Uint8Array(file.length)
  for (const { first, last, total, bytes } of partsOf(answer)) {
    if (total !== file.length) return `total ${total}`
    if (!bytes.equals(file.subarray(first, last + 1))) return `other bytes in ${first}-${last}`
    if (sent.subarray(first, last + 1).includes(1)) return `some of ${first}-${last} twice`
    sent.fill(1, first, last + 1)
  }
  return Buffer.compare(sent, wanted) === 0 ? undefined : 'not the bytes that were asked for'
}
