import type { FieldList } from '../../semantics/types.ts'
import { type ContentEvents, createChunkedDecoder } from './chunked.ts'
import { OriginError, protocolError } from './errors.ts'
import { type Framing, framingOf } from './framing.ts'
import { parseHead, type ResponseHead } from './head.ts'
import { createHeadReader } from './known-head.ts'

export interface ResponseEvents extends ContentEvents {
  /** 100, 102, 103 and those that nobody knows yet; any number before the final head. */
  interim(head: ResponseHead): void
  head(head: ResponseHead, framing: Framing): void
}

/** Reads the responses of one connection, one after the other. Events may call `stop`. */
export interface ResponseReader {
  /** A request was sent: its response is what comes next. */
  begin(method: string): void
  /**
   * @returns the place after the last byte that belongs to the response
   * @throws OriginError when what came is no response, or one that could be read in two ways
   */
  push(bytes: Buffer, from: number, to: number): number
  /** The peer sends no more. @returns whether that ended the response, as it does one without any framing */
  close(): boolean
  /** No event follows. */
  stop(): void
  /** Bytes that surely come: of the content, or of one of its chunks. Infinite where only the connection's end tells. */
  rest(): number
}

type State = 'head' | 'length' | 'chunked' | 'close' | 'over'

/** Between lines there is nothing but CRLF. */
const BARE_LF = /(?:^|[^\r])\n/
const BEGINNING = 'HTTP/1.'
const END = '\r\n\r\n'

/** One for all connections: what one has read the others know, and the strings of stored heads are fewer. */
const heads = createHeadReader()

/** @param mostHead bytes of a head, and of a trailer section */
export function createResponseReader(events: ResponseEvents, mostHead: number): ResponseReader {
  let state: State = 'over'
  let method = ''
  let rest = 0
  /** Of a head that has not come whole yet. */
  let begun = ''
  const chunks = createChunkedDecoder(
    {
      content: events.content,
      end(trailers) {
        state = 'over'
        events.end(trailers)
      },
    },
    mostHead,
  )

  function end(trailers: FieldList): void {
    state = 'over'
    events.end(trailers)
  }

  /** Not where an event has stopped it: then it has no end. */
  function endIfWhole(): void {
    if (state === 'length' && rest === 0) end([])
  }

  function pushHead(bytes: Buffer, from: number, to: number): number {
    if (begun !== '') return continueHead(bytes, from, to)
    const whole = heads.read(bytes, from, Math.min(to, from + mostHead))
    if (whole !== undefined) {
      const { end } = heads // an event may bring another head
      take(whole)
      return end
    }
    const at = bytes.indexOf(END, from, 'latin1')
    if (at === -1 || at >= to - 3) return continueHead(bytes, from, to)
    if (at + END.length - from > mostHead) throw tooLarge()
    take(parseHead(bytes.toString('latin1', from, at + 2)))
    return at + END.length
  }

  function continueHead(bytes: Buffer, from: number, to: number): number {
    const before = begun.length
    const text = begun + bytes.toString('latin1', from, Math.min(to, from + mostHead + 1 - before))
    const at = text.indexOf(END, Math.max(0, before - 3))
    if (at === -1) {
      // What cannot become a head is not waited for: the peer may speak another protocol and wait for us.
      if (!BEGINNING.startsWith(text.slice(0, BEGINNING.length))) throw protocolError('no status line')
      if (BARE_LF.test(text)) throw protocolError('a bare LF')
      if (text.length > mostHead) throw tooLarge()
      begun = text
      return to
    }
    if (at + END.length > mostHead) throw tooLarge()
    begun = ''
    take(parseHead(text.slice(0, at + 2)))
    return from + at + END.length - before
  }

  function take(head: ResponseHead): void {
    if (head.status === 101) throw protocolError('another protocol, which nobody asked for')
    if (head.status < 200) {
      events.interim(head)
      return
    }
    const framing = framingOf(head, method)
    rest = framing.length
    if (framing.body === 'chunked') chunks.begin()
    state = framing.body === 'none' ? 'length' : framing.body
    events.head(head, framing)
    endIfWhole()
  }

  return {
    rest() {
      if (state === 'close') return Number.POSITIVE_INFINITY
      return state === 'length' ? rest : state === 'chunked' ? chunks.rest() : 0
    },

    begin(asked) {
      method = asked
      state = 'head'
      begun = ''
    },

    push(bytes, from, to) {
      let at = from
      while (at < to) {
        switch (state) {
          case 'head':
            at = pushHead(bytes, at, to)
            break
          case 'length': {
            const start = at
            at = Math.min(to, start + rest)
            rest -= at - start
            events.content(bytes, start, at)
            endIfWhole()
            break
          }
          case 'chunked':
            at = chunks.push(bytes, at, to)
            if (at < to) return at
            break
          case 'close':
            events.content(bytes, at, to)
            return to
          default:
            return at
        }
      }
      return at
    },

    close() {
      if (state !== 'close') return false
      end([])
      return true
    },

    stop() {
      state = 'over'
      chunks.stop()
    },
  }
}

function tooLarge(): OriginError {
  return new OriginError('ORIGIN_HEAD_TOO_LARGE', 'the head of the answer is too large')
}
