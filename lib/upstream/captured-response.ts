import {
  type ClientRequest,
  type IncomingMessage,
  type OutgoingHttpHeader,
  type OutgoingHttpHeaders,
  ServerResponse,
} from 'node:http'
import { hasField } from '../semantics/fields.ts'
import type { FieldList } from '../semantics/types.ts'
import { uniqueNow } from './clock.ts'
import type { BodyHandler, ResponseHandler, Transfer } from './origin.ts'

/** Bytes handed over at once, so that a large payload keeps to the pace of its readers. */
const PIECE = 64 * 1024

/** Bytes that wait for the cache to take more. */
interface Waiting {
  bytes: Buffer
  taken: (() => void) | undefined
}

type GivenFields = OutgoingHttpHeaders | OutgoingHttpHeader[] | undefined

/**
 * A response for a handler of this process to write to, as to any `ServerResponse`. Nothing of it goes to a client: what
 * is written becomes the events of an upstream response, and the pace and end of that transfer the handler's.
 *
 * @param req the request that the handler answers
 */
export function captureResponse(
  req: IncomingMessage,
  handler: ResponseHandler,
): { response: ServerResponse; transfer: Transfer } {
  const requestTime = Date.now()
  const order = uniqueNow()
  const response = new ServerResponse(req)
  const queue: Waiting[] = []
  let body: BodyHandler | null = null
  let trailers: FieldList = []
  let sent = false // the head
  let over = false // no event follows
  let whole = false // everything was taken
  let closed = false
  let paused = false
  let full = false // somebody waits for `drain`
  let flushing = false

  const transfer: Transfer = {
    pause: () => void (paused = true),
    resume() {
      paused = false
      process.nextTick(flush)
    },
    abort() {
      if (over) return
      over = true
      end()
    },
  }

  /** @param length of the whole body in bytes, when nothing but it was written */
  function begin(length?: number): void {
    if (sent || over) return
    sent = true
    const fields = fieldsOf(response)
    if (response.sendDate && !hasField(fields, 'date')) fields.push('Date', new Date().toUTCString())
    if (hasContent(req, response) && !hasField(fields, 'content-length')) {
      if (length !== undefined) fields.push('Content-Length', String(length))
      // Whether it is whole is known here without a length: like a chunked body, and unlike one that ends with its connection.
      else if (!hasField(fields, 'transfer-encoding')) fields.push('Transfer-Encoding', 'chunked')
    }
    const { statusCode: status } = response
    body = handler.response({ status, fields, requestTime, responseTime: Date.now(), order }, transfer)
  }

  function put(bytes: Buffer, taken: (() => void) | undefined): void {
    if (!hasContent(req, response) || bytes.length === 0) {
      if (taken) process.nextTick(taken)
      return
    }
    for (let at = 0; at < bytes.length; at += PIECE) {
      const last = at + PIECE >= bytes.length
      queue.push({ bytes: bytes.subarray(at, at + PIECE), taken: last ? taken : undefined })
    }
    flush()
  }

  function flush(): void {
    if (flushing) return
    flushing = true
    while (!paused && !over && queue.length > 0) {
      const { bytes, taken } = queue.shift()!
      // A copy: what is stored must not change when the handler uses its buffer again.
      body?.data(Buffer.from(bytes))
      if (taken) process.nextTick(taken)
    }
    flushing = false
    if (over || queue.length > 0) return
    if (response.writableEnded) {
      over = true
      whole = true
      body?.finished(trailers)
      process.nextTick(() => {
        response.emit('finish')
        close()
      })
    } else if (full && !paused) {
      full = false
      response.emit('drain')
    }
  }

  function fail(error: Error): void {
    if (over) return
    over = true
    if (body) body.failed(error)
    else handler.failed(error)
  }

  /** Whoever writes is told to stop. */
  function end(): void {
    queue.length = 0
    response.destroyed = true
    process.nextTick(close)
  }

  function close(): void {
    if (closed) return
    closed = true
    // Where `stream.finished` looks, for those who ask later.
    Object.assign(response, { destroyed: true, _closed: true })
    response.emit('close')
  }

  Object.defineProperties(response, {
    headersSent: { get: () => sent },
    writableNeedDrain: { get: () => full },
    writableFinished: { get: () => whole },
    socket: { value: req.socket, writable: true },
  })

  return {
    transfer,
    response: Object.assign(response, {
      writeHead(status: number, reason?: string | GivenFields, given?: GivenFields): ServerResponse {
        if (sent)
          throw Object.assign(new Error('the head was written already'), { code: 'ERR_HTTP_HEADERS_SENT' })
        response.statusCode = status
        setFields(response, typeof reason === 'string' ? given : (reason ?? given))
        begin()
        return response
      },

      write(chunk: string | Uint8Array, encoding?: unknown, callback?: unknown): boolean {
        const done = callbackOf(encoding, callback)
        if (over || response.writableEnded) {
          if (done) process.nextTick(done, new Error('the response has ended'))
          return false
        }
        begin()
        put(bytesOf(chunk, encoding), done)
        full = !over && (paused || queue.length > 0)
        return !full
      },

      end(chunk?: unknown, encoding?: unknown, callback?: unknown): ServerResponse {
        const done = callbackOf(chunk, encoding, callback)
        if (response.writableEnded) {
          if (done) process.nextTick(done)
          return response
        }
        const bytes =
          typeof chunk === 'string' || chunk instanceof Uint8Array ? bytesOf(chunk, encoding) : EMPTY
        if (done) response.once('finish', done)
        begin(bytes.length)
        Object.assign(response, { finished: true }) // what `writableEnded` tells
        put(bytes, undefined)
        flush()
        return response
      },

      flushHeaders: () => begin(),

      destroy(error?: Error): ServerResponse {
        if (response.destroyed) return response
        fail(error ?? new Error('the handler did not end its response'))
        end()
        return response
      },

      addTrailers(given: OutgoingHttpHeaders | readonly [string, string][]): void {
        trailers = (Array.isArray(given) ? given : Object.entries(given)).flat().map(String)
      },

      writeEarlyHints(hints: Record<string, string | string[]>, callback?: () => void): void {
        const fields = Object.entries(hints).flatMap(([name, value]) =>
          [value].flat().flatMap((one) => [name, one]),
        )
        if (!sent && !over) handler.interim?.(103, fields)
        callback?.()
      },

      writeProcessing(): void {
        if (!sent && !over) handler.interim?.(102, [])
      },
    }),
  }
}

const EMPTY = Buffer.alloc(0)

function hasContent(req: IncomingMessage, { statusCode }: ServerResponse): boolean {
  return req.method !== 'HEAD' && statusCode !== 204 && statusCode !== 304
}

function bytesOf(chunk: string | Uint8Array, encoding: unknown): Buffer {
  if (typeof chunk === 'string')
    return Buffer.from(chunk, typeof encoding === 'string' ? (encoding as BufferEncoding) : 'utf8')
  return Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
}

function callbackOf(...args: unknown[]): ((...args: unknown[]) => void) | undefined {
  return args.find((arg) => typeof arg === 'function') as (() => void) | undefined
}

function fieldsOf(response: ServerResponse): FieldList {
  const fields: FieldList = []
  // Names as they were written; `getHeaders` has them in lower case.
  for (const name of (response as unknown as ClientRequest).getRawHeaderNames()) {
    for (const one of [response.getHeader(name)!].flat()) fields.push(name, String(one))
  }
  return fields
}

/** As `writeHead` takes them: an object, or a flat list, or one of pairs, which may name a field more than once. */
function setFields(response: ServerResponse, given: GivenFields): void {
  if (given === undefined) return
  if (!Array.isArray(given)) {
    for (const [name, value] of Object.entries(given))
      if (value !== undefined) response.setHeader(name, value)
    return
  }
  const flat = given.flat().map(String)
  for (let i = 0; i < flat.length; i += 2) response.removeHeader(flat[i])
  for (let i = 0; i < flat.length; i += 2) response.appendHeader(flat[i], flat[i + 1])
}
