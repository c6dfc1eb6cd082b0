import type { Socket } from 'node:net'
import type { Readable } from 'node:stream'
import { OriginError } from './errors.ts'

/** The content of a request on its way to the origin, at the origin's pace. */
export interface Upload {
  /** Everything was written. */
  isDone(): boolean
  /** The origin takes nothing at the moment. */
  isHeld(): boolean
  /** The socket takes more. */
  drain(): void
  /** Sends no more. What the client still sends is read and dropped, so that its next request is seen. */
  stop(): void
}

/**
 * @param length bytes that were promised; null = in chunks
 * @param onProgress a piece was written
 * @param onFailed the content ended early or is longer than promised: the connection is of no more use
 */
export function startUpload(
  socket: Socket,
  body: Readable,
  length: number | null,
  onProgress: () => void,
  onFailed: (error: Error) => void,
): Upload {
  let sent = 0
  let over = false
  let done = false

  function write(chunk: Buffer): void {
    if (chunk.length === 0) return
    sent += chunk.length
    if (length !== null && sent > length) {
      fail(wrongLength())
      return
    }
    onProgress()
    if (length === null) {
      socket.cork()
      socket.write(`${chunk.length.toString(16)}\r\n`, 'latin1')
      socket.write(chunk)
      socket.write('\r\n', 'latin1')
      socket.uncork()
    } else {
      socket.write(chunk)
    }
    if (socket.writableNeedDrain) body.pause()
  }

  function finish(): void {
    if (length !== null && sent !== length) {
      fail(wrongLength())
      return
    }
    if (length === null) socket.write('0\r\n\r\n', 'latin1')
    done = true
    onProgress()
    release()
  }

  function fail(error: Error): void {
    if (over) return
    release()
    onFailed(error)
  }

  function closed(): void {
    fail(new OriginError('ORIGIN_BAD_REQUEST', 'the client did not send the whole request'))
  }

  function release(): void {
    over = true
    body.off('data', write).off('end', finish).off('error', fail).off('close', closed)
    body.on('error', () => {})
    body.resume()
  }

  body.on('data', write).on('end', finish).on('error', fail).on('close', closed)
  body.resume()
  if (body.destroyed) process.nextTick(closed)

  return {
    isDone: () => done,
    isHeld: () => socket.writableNeedDrain,
    drain() {
      if (!over) body.resume()
    },
    stop() {
      if (!over) release()
    },
  }
}

function wrongLength(): OriginError {
  return new OriginError('ORIGIN_BAD_REQUEST', 'the content of the request is not as long as it says')
}
