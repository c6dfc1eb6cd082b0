import { OriginError } from '../../../lib/upstream/http1/errors.ts'
import type { Framing } from '../../../lib/upstream/http1/framing.ts'
import type { ResponseHead } from '../../../lib/upstream/http1/head.ts'
import { createResponseReader } from '../../../lib/upstream/http1/response.ts'

/** What a reader made of some bytes. */
export interface Read {
  interim: ResponseHead[]
  head?: ResponseHead
  framing?: Framing
  content: string
  trailers?: string[]
  /** Whether the response has ended, by itself or with the connection. */
  ended: boolean
  /** Bytes behind its end. */
  left: number
  /** The code of the error that refused it. */
  refused?: string
}

export const MOST_HEAD = 4096

export interface ReadOptions {
  method?: string
  /** Bytes of each piece that comes; what is left comes as one. */
  pieces?: readonly number[]
  /** Whether the peer closes the connection then. */
  close?: boolean
}

/** Has a new reader read one response. Anything but a refusal is thrown. */
export function read(text: string, { method = 'GET', pieces = [], close = false }: ReadOptions = {}): Read {
  const seen: Read = { interim: [], content: '', ended: false, left: 0 }
  const reader = createResponseReader(
    {
      interim: (head) => void seen.interim.push(head),
      head(head, framing) {
        if (seen.head) throw new Error('a second head')
        Object.assign(seen, { head, framing })
      },
      content(bytes, from, to) {
        if (!seen.head || seen.ended || from >= to) throw new Error('content where none can be')
        seen.content += bytes.toString('latin1', from, to)
      },
      end(trailers) {
        if (!seen.head || seen.ended) throw new Error('an end where none can be')
        Object.assign(seen, { trailers, ended: true })
      },
    },
    MOST_HEAD,
  )
  reader.begin(method)
  const bytes = Buffer.from(text, 'latin1')
  // Around what came lies other memory, as in a buffer that is read into again and again.
  const around = Buffer.concat([
    Buffer.from('HTTP/1.1 500 \r\n\r\n'),
    bytes,
    Buffer.from('\r\n\r\n0\r\n\r\n'),
  ])
  const begin = 17
  let at = 0
  try {
    for (const size of [...pieces, bytes.length]) {
      const to = Math.min(bytes.length, at + size)
      if (to === at) continue
      const used = reader.push(around, begin + at, begin + to) - begin
      at = to
      if (used < to || seen.ended) {
        seen.left = bytes.length - used
        break
      }
    }
    if (close) reader.close()
  } catch (error) {
    if (!(error instanceof OriginError)) throw error
    seen.refused = error.code
    reader.stop()
  }
  return seen
}
