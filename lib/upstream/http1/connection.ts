import { maxHeaderSize } from 'node:http'
import type { Socket } from 'node:net'
import type { FieldList } from '../../semantics/types.ts'
import type { Connector } from './connect.ts'
import { OriginError, type OriginErrorCode } from './errors.ts'
import { type Carrier, type Exchange, failExchange } from './exchange.ts'
import type { Framing } from './framing.ts'
import type { ResponseHead } from './head.ts'
import type { Patience } from './patience.ts'
import { createReadBuffer } from './read-buffer.ts'
import { requestHead } from './request.ts'
import { createResponseReader } from './response.ts'
import { startUpload, type Upload } from './upload.ts'

/** One connection to the origin. It carries one request at a time. */
export interface Connection {
  /** The name that its certificate was checked for. */
  readonly name: string
  /** Sends a request; only while it is idle. */
  carry(exchange: Exchange): void
  /** Closes it; its request fails with `reason`. */
  close(reason: Error): void
  /** A step of the pool's clock. */
  tick(): void
}

export interface Owner {
  patience: Patience
  /** It is idle and may carry another request. @returns false: close it */
  freed(connection: Connection): boolean
  /** It may carry nothing more, although it may not be closed yet. */
  spent(connection: Connection): void
  closed(connection: Connection): void
}

/** Opens a connection for a request. */
export function openConnection(
  connector: Connector,
  name: string,
  first: Exchange,
  owner: Owner,
): Connection {
  const { patience } = owner
  const buffer = createReadBuffer()
  const reader = createResponseReader({ interim, head, content, end }, maxHeaderSize)
  let exchange: Exchange | null = null
  let upload: Upload | null = null
  let established = false
  let reusable = false
  /** Steps since something happened, and how many may pass. */
  let ticks = 0
  let mostTicks = patience.connect
  let late: OriginErrorCode = 'ORIGIN_CONNECT_TIMEOUT'
  let idleTicks = patience.idle
  // A pause takes effect when those who were told of new bytes have had their turn: most have taken them by then.
  let reading = false
  let paused = false
  let stopped = false

  const socket: Socket = connector.open(name, { buffer: () => buffer.next, callback: onRead }, () => {
    established = true
    if (exchange) write(exchange)
  })
  socket.on('error', fail)
  socket.on('end', onEnd)
  socket.on('close', onClose)
  socket.on('drain', () => upload?.drain())

  const carrier: Carrier = {
    pause() {
      paused = true
      if (!reading) applyPause()
    },
    resume() {
      paused = false
      if (stopped) startReading()
    },
    drop() {
      exchange = null
      destroy()
    },
  }

  function applyPause(): void {
    if (!paused || stopped || exchange === null) return
    stopped = true
    socket.pause()
  }

  function startReading(): void {
    stopped = false
    ticks = 0
    socket.resume()
  }

  function waitFor(code: OriginErrorCode, most: number): void {
    late = code
    mostTicks = most
    ticks = 0
  }

  function write(carried: Exchange): void {
    const { method, path, fields, body } = carried.request
    try {
      const { text, length, reusable: may } = requestHead(method, path, fields, body !== null)
      reusable = may
      reader.begin(method)
      waitFor('ORIGIN_HEADERS_TIMEOUT', patience.headers)
      if (body === null) {
        socket.write(text, 'latin1')
        return
      }
      // The head and what there is of the content leave together.
      socket.cork()
      socket.write(text, 'latin1')
      upload = startUpload(socket, body, length, () => (ticks = 0), fail)
      process.nextTick(() => socket.uncork())
    } catch (error) {
      fail(error as Error)
    }
  }

  function interim({ status, fields }: ResponseHead): void {
    ticks = 0
    // We never wait for 100: one that comes all the same means nothing (RFC 9110 section 15.2.1).
    if (status !== 100) exchange?.handler.interim?.(status, fields)
  }

  function head({ status, fields }: ResponseHead, framing: Framing): void {
    const { handler, requestTime, order, transfer } = exchange!
    reusable &&= framing.reusable
    idleTicks = patience.idle
    if (framing.idleSeconds !== null) {
      const steps = (framing.idleSeconds - patience.marginSeconds) * patience.second
      if (steps <= 0) reusable = false
      else idleTicks = Math.min(steps, patience.mostIdle)
    }
    waitFor('ORIGIN_BODY_TIMEOUT', patience.body)
    const answered = exchange!
    answered.body = handler.response(
      { status, fields, requestTime, responseTime: Date.now(), order },
      transfer,
    )
    buffer.begin(answered.body.keepsNothing === true)
  }

  function content(_bytes: Buffer, from: number, to: number): void {
    if (exchange?.body) exchange.body.data(buffer.take(from, to, reader.rest()), buffer.taken)
  }

  function end(trailers: FieldList): void {
    const { body } = exchange!
    exchange!.over = true
    exchange!.carrier = null
    exchange = null
    body!.finished(trailers)
  }

  function onRead(read: number, bytes: Uint8Array): boolean {
    ticks = 0
    // Nobody has asked: it may be the answer to a question that we would ask next.
    if (exchange === null) destroy()
    else {
      reading = true
      try {
        const used = reader.push(bytes as Buffer, 0, read)
        if (exchange === null) settle(used === read)
      } catch (error) {
        fail(error as Error)
      }
      reading = false
      if (paused) queueMicrotask(applyPause)
    }
    // Nobody knows when a paused one reads on.
    buffer.advance(read, exchange === null || paused ? 0 : reader.rest())
    return true
  }

  /** The answer has ended. @param clean nothing came behind it */
  function settle(clean: boolean): void {
    paused = false
    if (stopped) startReading()
    // An answer may come before all of the request has gone; the rest of that would be in front of the next one.
    if (upload?.isDone() === false) reusable = false
    upload?.stop()
    upload = null
    waitFor('ORIGIN_CLOSED', idleTicks)
    if (!clean || !reusable || socket.destroyed || !owner.freed(connection)) destroy()
  }

  function onEnd(): void {
    if (exchange !== null && !reader.close())
      fail(new OriginError('ORIGIN_CLOSED', 'the origin closed the connection'))
    destroy()
  }

  function onClose(): void {
    fail(new OriginError('ORIGIN_CLOSED', 'the connection to the origin is closed'))
    buffer.advance(0, 0) // gives back what it would have read into
    owner.closed(connection)
  }

  function fail(error: Error): void {
    const failed = exchange
    exchange = null
    destroy()
    if (failed) failExchange(failed, error)
  }

  function destroy(): void {
    reusable = false
    reader.stop()
    upload?.stop()
    upload = null
    owner.spent(connection)
    socket.destroy()
  }

  const connection: Connection = {
    name,
    carry(next) {
      exchange = next
      next.carrier = carrier
      if (established) write(next)
    },
    close: fail,
    tick() {
      // The client's pace is no fault of the origin's.
      if (
        stopped ||
        (upload !== null && !upload.isDone() && !upload.isHeld() && late === 'ORIGIN_HEADERS_TIMEOUT')
      )
        return
      if (++ticks <= mostTicks) return
      fail(new OriginError(late, LATE[late] ?? 'idle'))
    },
  }
  connection.carry(first)
  return connection
}

const LATE: Partial<Record<OriginErrorCode, string>> = {
  ORIGIN_CONNECT_TIMEOUT: 'the origin could not be connected to in time',
  ORIGIN_HEADERS_TIMEOUT: 'the origin did not answer in time',
  ORIGIN_BODY_TIMEOUT: 'the origin sent nothing for too long',
}
