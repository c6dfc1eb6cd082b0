import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'

/** The connection of a response, as the response sees it. */
export interface ResponsePlace {
  readonly socket: Socket
  /** What Keep-Alive says, in milliseconds; 0 = it says nothing. */
  keepAlive(): number
  /** The system has all of it. @param last the response said that the connection ends with it */
  ended(last: boolean): void
}

/** Up to so many bytes are copied behind the head: one write of one Buffer costs less than one of two. */
const SHORT = 4096
const NOTHING = Buffer.alloc(0)

/**
 * The response to a plain GET by HTTP/1.1, in the place of node's ServerResponse and with the same bytes, for those parts of it that
 * the cache uses: that class and its streams cost more than all that a miss does besides. A class, as node:http and
 * our own plugins look at the fields of the response that a connection has under way.
 */
export class LaneResponse {
  statusCode = 200
  headersSent = false
  /** False before the head is written: the connection ends with this response. */
  shouldKeepAlive = true
  writableEnded = false
  writableFinished = false
  /** For node:http, which closes connections whose response is finished. */
  readonly finished = false
  readonly writableCorked = 0
  readonly #place: ResponsePlace
  /** Of the head what is not sent yet. */
  #head = ''
  #isChunked = false
  #hasBody = true
  #isLast = false
  #trailers = ''
  #isClosed = false
  #onClose: (() => void)[] = []
  #onDrain: (() => void)[] = []

  constructor(place: ResponsePlace) {
    this.#place = place
  }

  get destroyed(): boolean {
    return this.#isClosed
  }

  get socket(): Socket {
    return this.#place.socket
  }

  /** Whether node:http may still answer an error of the connection. */
  get _headerSent(): boolean {
    return this.headersSent
  }

  get writableLength(): number {
    return this.#place.socket.writableLength
  }

  /** Also where nothing can be written any more: what waits for room is told of the end. */
  get writableNeedDrain(): boolean {
    const { socket } = this.#place
    return socket.writableNeedDrain || !socket.writable
  }

  once(event: 'close' | 'drain', listener: () => void): this {
    if (event === 'close') this.#onClose.push(listener)
    else this.#onDrain.push(listener)
    return this
  }

  off(event: 'close' | 'drain', listener: () => void): this {
    const listeners = event === 'close' ? this.#onClose : this.#onDrain
    const at = listeners.indexOf(listener)
    if (at !== -1) listeners.splice(at, 1)
    return this
  }

  /** What node:http tells it. @returns true: the time for an idle connection has passed, but this one is not idle */
  emit(event: string): boolean {
    return event === 'timeout'
  }

  /** @param fields names and values in turn, as a parser has read them or we have made them */
  writeHead(status: number, fields: readonly string[]): this {
    this.statusCode = status
    this.headersSent = true
    this.#isLast = !this.shouldKeepAlive
    this.#hasBody = status !== 204 && status !== 304
    let text = statusLine(status)
    let isDated = false
    let hasLength = false
    for (let i = 0; i < fields.length; i += 2) {
      const name = fields[i]
      const { length } = name
      if (length === 4) isDated ||= name.toLowerCase() === 'date'
      else if (length === 14) hasLength ||= name.toLowerCase() === 'content-length'
      text += `${name}: ${fields[i + 1]}\r\n`
    }
    if (!isDated) text += `Date: ${new Date().toUTCString()}\r\n`
    text += this.#connectionFields()
    this.#isChunked = this.#hasBody && !hasLength
    this.#head = this.#isChunked ? `${text}Transfer-Encoding: chunked\r\n\r\n` : `${text}\r\n`
    return this
  }

  #connectionFields(): string {
    if (this.#isLast) return 'Connection: close\r\n'
    const keepAlive = this.#place.keepAlive()
    if (keepAlive === 0) return 'Connection: keep-alive\r\n'
    return `Connection: keep-alive\r\nKeep-Alive: timeout=${Math.floor(keepAlive / 1000)}\r\n`
  }

  writeInformation(status: number, fields: readonly string[]): void {
    let text = statusLine(status)
    for (let i = 0; i < fields.length; i += 2) text += `${fields[i]}: ${fields[i + 1]}\r\n`
    this.#send(`${text}\r\n`)
  }

  /**
   * Sends the head, too, if that has not been sent.
   *
   * @param taken called once, when the system has the bytes; of a connection that is closed before, maybe never
   * @returns false: wait for `drain`
   */
  write(bytes: Buffer, taken?: () => void): boolean {
    const { socket } = this.#place
    if (!this.#hasBody || !socket.writable || bytes.length === 0) {
      this.#send(this.#head)
      this.#head = ''
      taken?.()
      return !this.writableNeedDrain
    }
    let before = this.#head
    this.#head = ''
    if (this.#isChunked) before += `${bytes.length.toString(16)}\r\n`
    const after = this.#isChunked ? '\r\n' : ''
    if (before === '') socket.write(bytes)
    else if (bytes.length <= SHORT) socket.write(joined(before, bytes, after))
    else {
      socket.cork()
      socket.write(before, 'latin1')
      socket.write(bytes)
      if (after !== '') socket.write(after, 'latin1')
      socket.uncork()
    }
    if (taken === undefined) return !socket.writableNeedDrain
    // A callback for each write would cost a turn of the tick queue, and mostly the system has taken all of it by now.
    if (socket.writableLength === 0) taken()
    else socket.write(NOTHING, taken)
    return !socket.writableNeedDrain
  }

  /** Only chunked framing has room for them. */
  addTrailers(pairs: readonly (readonly [string, string])[]): void {
    for (const [name, value] of pairs) this.#trailers += `${name}: ${value}\r\n`
  }

  end(bytes?: Buffer): void {
    if (this.writableEnded) return
    if (bytes !== undefined) this.write(bytes)
    this.writableEnded = true
    const rest = this.#isChunked ? `${this.#head}0\r\n${this.#trailers}\r\n` : this.#head
    this.#head = ''
    this.#send(rest)
    const { socket } = this.#place
    // Of what can be written no more the client has no end.
    if (!socket.writable) return
    if (socket.writableLength === 0) this.#finish()
    else socket.write(NOTHING, (error) => error instanceof Error || socket.destroyed || this.#finish())
  }

  #send(text: string): void {
    const { socket } = this.#place
    if (text !== '' && socket.writable) socket.write(text, 'latin1')
  }

  #finish(): void {
    if (this.#isClosed) return
    this.writableFinished = true
    this.#place.ended(this.#isLast)
    this.closed()
  }

  /** There is room for more. */
  drained(): void {
    const listeners = this.#onDrain
    if (listeners.length === 0) return
    this.#onDrain = []
    for (const listener of listeners) listener()
  }

  /** It is over, whole or not. */
  closed(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    const listeners = this.#onClose
    this.#onClose = []
    for (const listener of listeners) listener()
  }
}

function statusLine(status: number): string {
  return status === 200
    ? 'HTTP/1.1 200 OK\r\n'
    : `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'unknown'}\r\n`
}

function joined(before: string, bytes: Buffer, after: string): Buffer {
  const whole = Buffer.allocUnsafe(before.length + bytes.length + after.length)
  whole.write(before, 0, 'latin1')
  whole.set(bytes, before.length)
  if (after !== '') whole.write(after, before.length + bytes.length, 'latin1')
  return whole
}
