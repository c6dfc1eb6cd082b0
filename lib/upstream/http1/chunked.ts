import type { FieldList } from '../../semantics/types.ts'
import { OriginError, protocolError } from './errors.ts'
import { parseFields } from './head.ts'
import { CR, HEX, LF, SEMICOLON, TEXT } from './syntax.ts'

/** Hexadecimal digits of a chunk's size: 2^52 and more bytes are nobody's chunk. */
const MOST_DIGITS = 13
/** Characters of a chunk's extensions, which mean nothing to us. */
const MOST_EXTENSION = 4096

export interface ContentEvents {
  /** Content is in `bytes[from]` to `bytes[to - 1]`. */
  content(bytes: Buffer, from: number, to: number): void
  end(trailers: FieldList): void
}

/** Takes the chunked coding off (RFC 9112 section 7.1), one message after the other. */
export interface ChunkedDecoder {
  begin(): void
  /**
   * Reads what came; events may call `stop`.
   *
   * @returns the place after the last byte that belongs to the message
   * @throws OriginError
   */
  push(bytes: Buffer, from: number, to: number): number
  /** No event follows. */
  stop(): void
  /** Bytes that are still to come of the chunk that is being read. */
  rest(): number
}

type State = 'size' | 'extension' | 'size-lf' | 'data' | 'data-cr' | 'data-lf' | 'trailers' | 'over'

/** @param mostTrailers bytes of the trailer section */
export function createChunkedDecoder(events: ContentEvents, mostTrailers: number): ChunkedDecoder {
  let state: State = 'over'
  let rest = 0
  let digits = 0
  let extension = 0
  let trailers = ''

  function beginChunk(): void {
    state = 'size'
    rest = 0
    digits = 0
    extension = 0
  }

  function size(code: number): void {
    const digit = HEX[code]
    if (digit !== 255) {
      if (++digits > MOST_DIGITS) throw protocolError('a chunk of impossible size')
      rest = rest * 16 + digit
    } else if (digits > 0 && code === CR) state = 'size-lf'
    else if (digits > 0 && code === SEMICOLON) state = 'extension'
    else throw protocolError('a broken chunk size')
  }

  function inExtension(code: number): void {
    if (code === CR) state = 'size-lf'
    else if (TEXT[code] !== 1 || ++extension > MOST_EXTENSION) throw protocolError('a broken chunk extension')
  }

  /** Trailers are few and short: they are looked at anew with each piece. */
  function inTrailers(bytes: Buffer, from: number, to: number): number {
    const before = trailers.length
    const more = bytes.toString('latin1', from, Math.min(to, from + mostTrailers + 4))
    trailers += more
    const end = trailers.startsWith('\r\n') ? 0 : trailers.indexOf('\r\n\r\n') + 2
    if ((end === 1 ? trailers.length : end + 2) > mostTrailers)
      throw new OriginError('ORIGIN_HEAD_TOO_LARGE', 'the trailers are too large')
    if (end === 1) return from + more.length
    state = 'over'
    events.end(end === 0 ? [] : parseFields(trailers.slice(0, end), 0))
    return from + end + 2 - before
  }

  return {
    rest: () => (state === 'data' ? rest : 0),
    begin() {
      trailers = ''
      beginChunk()
    },
    stop: () => void (state = 'over'),

    push(bytes, from, to) {
      let at = from
      while (at < to) {
        switch (state) {
          case 'data': {
            const end = Math.min(to, at + rest)
            const start = at
            rest -= end - at
            at = end
            if (rest === 0) state = 'data-cr'
            events.content(bytes, start, end)
            break
          }
          case 'size':
            size(bytes[at++])
            break
          case 'extension':
            inExtension(bytes[at++])
            break
          case 'size-lf':
            if (bytes[at++] !== LF) throw protocolError('a broken end of a chunk size')
            state = rest === 0 ? 'trailers' : 'data'
            break
          case 'data-cr':
            if (bytes[at++] !== CR) throw protocolError('a chunk longer than it says')
            state = 'data-lf'
            break
          case 'data-lf':
            if (bytes[at++] !== LF) throw protocolError('a chunk longer than it says')
            beginChunk()
            break
          case 'trailers':
            at = inTrailers(bytes, at, to)
            break
          default:
            return at
        }
      }
      return at
    },
  }
}
