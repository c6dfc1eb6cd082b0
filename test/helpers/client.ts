import { connect as connectSocket, type Socket } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { createWire, type Framing, fieldValue, parseHead, readBody, type Wire } from './wire.ts'

/** A response as it came over the wire. */
export interface Answer {
  /** 0 when the connection ended before a response head. */
  status: number
  statusText: string
  /** Flat list, order, case and number kept. */
  fields: string[]
  /** All values of one field joined by ', '. */
  header(name: string): string | undefined
  /** Empty when `onData` took it. */
  body: Buffer
  /** Body bytes received. */
  length: number
  trailers: string[]
  /** Status codes of the 1xx responses that came first. */
  interim: number[]
  framing: Framing['kind']
  /** False when the connection ended before the framing said that the body is whole, or the client gave up. */
  complete: boolean
  /** How the connection ended, if it did: 'fin', 'ECONNRESET', …; null while it is open. */
  ended: string | null
  /** Milliseconds from sending the request to the first byte of the head, and of the body (NaN without one). */
  ttfb: number
  firstBodyByte: number
}

export interface RequestOptions {
  method?: string
  /** Sent as given, after Host. A flat list allows duplicates; a `host` entry replaces the default Host. */
  headers?: Record<string, string> | string[]
  /** Shorthand for a Range field: 'bytes=0-99'. */
  range?: string
  /** With Content-Length, unless the headers have a framing of their own. */
  body?: string | Buffer
  /** Reads at most that many bytes a second. The kernel's buffers take some hundred KiB before the server notices. */
  bytesPerSecond?: number
  /** Destroys the connection once that many body bytes were read. */
  abortAfter?: number
  /** Takes the body instead of collecting it; a promise holds the connection back. */
  onData?: (piece: Buffer) => void | Promise<void>
  /** Milliseconds until the connection is destroyed and the request rejected; default 60 000. */
  timeout?: number
}

/** One client connection, for keep-alive, pipelining and raw bytes. */
export interface Connection {
  readonly socket: Socket
  readonly wire: Wire
  /** Sends bytes as they are. */
  write(bytes: string | Buffer): void
  /** Sends one request and reads its answer; the connection stays open. */
  request(target: string, options?: RequestOptions): Promise<Answer>
  /** Reads one answer to a request that `write` sent. */
  answer(options?: RequestOptions): Promise<Answer>
  close(): void
}

export async function connect(url: string): Promise<Connection> {
  const { hostname, port, host } = new URL(url)
  // Half open: a test may end its side and still read.
  const socket = connectSocket({ host: hostname, port: Number(port), allowHalfOpen: true, noDelay: true })
  const wire = createWire(socket)
  await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject))
  const connection: Connection = {
    socket,
    wire,
    write: (bytes) => void socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes),
    request(target, options = {}) {
      connection.write(serialise(target, host, options))
      return connection.answer(options)
    },
    answer: (options = {}) => readAnswer(socket, wire, options),
    close: () => void socket.destroy(),
  }
  return connection
}

/** One request on a connection of its own, which is destroyed when the answer is there. */
export async function get(url: string, options: RequestOptions = {}): Promise<Answer> {
  const connection = await connect(url)
  try {
    return await connection.request(targetOf(url), options)
  } finally {
    connection.close()
  }
}

/** Reads at `bytesPerSecond`. */
export function slowClient(url: string, bytesPerSecond: number, options: RequestOptions = {}) {
  return get(url, { timeout: 120_000, ...options, bytesPerSecond })
}

/** Sends a request and never reads a byte of the answer. */
export async function stalledClient(url: string, options: RequestOptions = {}): Promise<Socket> {
  const { hostname, port, host } = new URL(url)
  const socket = connectSocket({ host: hostname, port: Number(port) })
  socket.on('error', () => {})
  await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject))
  socket.write(serialise(targetOf(url), host, options))
  return socket
}

/** Sends bytes as they are and collects all that comes back until the server ends, or for `ms` milliseconds. */
export async function sendRaw(url: string, bytes: string | Buffer, ms = 20_000): Promise<Buffer> {
  const connection = await connect(url)
  connection.write(bytes)
  const timer = setTimeout(() => connection.close(), ms)
  const pieces: Buffer[] = []
  await readBody(connection.wire, { kind: 'close' }, (piece) => void pieces.push(piece))
  clearTimeout(timer)
  connection.close()
  return Buffer.concat(pieces)
}

/** The bytes of a request, nothing normalised. */
export function serialise(target: string, host: string, options: RequestOptions): Buffer {
  const { headers = [], method = 'GET', range, body } = options
  const fields = Array.isArray(headers) ? headers.slice() : Object.entries(headers).flat()
  if (fieldValue(fields, 'host') === undefined) fields.unshift('Host', host)
  if (range !== undefined) fields.push('Range', range)
  const framed = fieldValue(fields, 'content-length') ?? fieldValue(fields, 'transfer-encoding')
  if (body !== undefined && framed === undefined) {
    fields.push('Content-Length', String(Buffer.byteLength(body)))
  }
  let head = `${method} ${target} HTTP/1.1\r\n`
  for (let i = 0; i < fields.length; i += 2) head += `${fields[i]}: ${fields[i + 1]}\r\n`
  return Buffer.concat([Buffer.from(`${head}\r\n`, 'latin1'), Buffer.from(body ?? '')])
}

// Not URL.pathname: that would normalise dot segments and percent-encoding.
function targetOf(url: string): string {
  return /^https?:\/\/[^/?#]*(.*)$/.exec(url)![1] || '/'
}

async function readAnswer(socket: Socket, wire: Wire, options: RequestOptions): Promise<Answer> {
  const { timeout = 60_000 } = options
  let timedOut = false
  const timer = setTimeout(() => {
    timedOut = true
    socket.destroy()
  }, timeout)
  try {
    const answer = await readMessage(socket, wire, options)
    if (timedOut) throw new Error(`no whole answer after ${timeout} ms (${answer.length} body bytes)`)
    return answer
  } finally {
    clearTimeout(timer)
  }
}

async function readMessage(socket: Socket, wire: Wire, options: RequestOptions): Promise<Answer> {
  const started = performance.now()
  const answer = emptyAnswer()
  let ttfb = Number.NaN
  for (;;) {
    const bytes = await wire.until('\r\n\r\n')
    if (bytes === undefined) return { ...answer, ended: wire.ended }
    if (Number.isNaN(ttfb)) ttfb = performance.now() - started
    const head = parseHead(bytes)
    const [, status, statusText] = /^HTTP\/1\.[01] (\d{3}) ?(.*)$/.exec(head.startLine) ?? []
    if (status === undefined) throw new Error(`not a status line: ${JSON.stringify(head.startLine)}`)
    answer.status = Number(status)
    answer.statusText = statusText
    answer.fields = head.fields
    if (answer.status >= 200 || answer.status === 101) break
    answer.interim.push(answer.status)
  }
  answer.ttfb = ttfb
  const framing = framingOf(answer.status, answer.fields, options.method ?? 'GET')
  answer.framing = framing.kind

  const { abortAfter = Number.POSITIVE_INFINITY, bytesPerSecond, onData } = options
  const pieces: Buffer[] = []
  const pieceSize = bytesPerSecond === undefined ? 64 * 1024 : Math.max(1, Math.ceil(bytesPerSecond / 20))
  const { end, trailers } = await readBody(
    wire,
    framing,
    async (piece) => {
      if (answer.length === 0) answer.firstBodyByte = performance.now() - started
      answer.length += piece.length
      if (onData) await onData(piece)
      else pieces.push(piece)
      if (answer.length >= abortAfter) socket.destroy()
      else if (bytesPerSecond !== undefined) await wait((piece.length / bytesPerSecond) * 1000)
    },
    pieceSize,
  )
  answer.trailers = trailers
  answer.complete = end === 'complete' && answer.length < abortAfter
  answer.ended = wire.ended
  answer.body = pieces.length === 1 ? pieces[0] : Buffer.concat(pieces)
  return answer
}

function emptyAnswer(): Answer {
  return {
    status: 0,
    statusText: '',
    fields: [],
    header(name) {
      return fieldValue(this.fields, name)
    },
    body: Buffer.alloc(0),
    length: 0,
    trailers: [],
    interim: [],
    framing: 'none',
    complete: false,
    ended: null,
    ttfb: Number.NaN,
    firstBodyByte: Number.NaN,
  }
}

/** RFC 9112 section 6.3. */
function framingOf(status: number, fields: string[], method: string): Framing {
  if (method === 'HEAD' || status === 204 || status === 304 || status < 200) return { kind: 'none' }
  if (/chunked\s*$/i.test(fieldValue(fields, 'transfer-encoding') ?? '')) return { kind: 'chunked' }
  const length = fieldValue(fields, 'content-length')
  return length === undefined ? { kind: 'close' } : { kind: 'length', length: Number(length) }
}
