import { constants, fstatSync, openSync, writeSync } from 'node:fs'
import { isatty } from 'node:tty'

/** Where log lines go, as pino wants it. */
export interface LogStream {
  write(line: string): void
}

export interface LogStreamOptions {
  /** File descriptor. Default 1. */
  fd?: number
  /** Writes what fits and says how much that was, or throws the system's error. */
  write?: (fd: number, bytes: Uint8Array) => number
}

/** What a reader that does not keep up may leave to be written, in bytes. */
const MAX_PENDING = 1024 * 1024
/** How soon that is tried again, in milliseconds: soon after something was taken, then less and less often. */
const FIRST_RETRY = 2
const MAX_RETRY = 50
/** For so many milliseconds the end of the process waits for a reader that takes nothing. */
const LAST_WAIT = 500

/**
 * A descriptor of the same file whose writes fail with EAGAIN where they would wait for the reader: an inherited pipe is a blocking
 * one, and a reader that stands still would stop the whole process. Threads of Node that wait in a write are no way out: they hold
 * up the end of the process.
 */
export function withoutWaiting(fd: number): number {
  const isSocket = fstatSync(fd).isSocket()
  if (!isSocket && !fstatSync(fd).isFIFO() && !isatty(fd)) return fd
  try {
    // Opened again, so that other processes which have the same pipe as theirs notice nothing. A socket cannot be.
    const { O_WRONLY, O_NONBLOCK, O_NOCTTY } = constants
    if (!isSocket) return openSync(`/proc/self/fd/${fd}`, O_WRONLY | O_NONBLOCK | O_NOCTTY)
  } catch {
    // No /proc, or the pipe is another user's.
  }
  // As a side effect of making its stream, Node switches the descriptor over, and back again when the process ends.
  if (fd === 1) void process.stdout
  return fd
}

/**
 * Log lines to standard output. Where they cannot be written (a full disk, a reader that has gone) they are lost, and how
 * many is told when lines can be written again: pino's own stream would end the process with the system's error.
 */
export function createLogStream({ fd = 1, write = writeSync }: LogStreamOptions = {}): LogStream {
  const to = write === writeSync ? withoutWaiting(fd) : fd
  let pending: Buffer<ArrayBufferLike>[] = []
  let pendingBytes = 0
  let lost = 0
  let timer: NodeJS.Timeout | undefined
  let delay = FIRST_RETRY

  function add(line: string): void {
    const bytes = Buffer.from(line)
    pending.push(bytes)
    pendingBytes += bytes.length
  }

  function flush(): void {
    clearTimeout(timer)
    timer = undefined
    try {
      while (pending.length > 0) {
        const written = write(to, pending[0])
        delay = FIRST_RETRY
        pendingBytes -= written
        if (written === pending[0].length) pending.shift()
        else pending[0] = pending[0].subarray(written)
      }
    } catch (error) {
      // A pipe that is full for now.
      if ((error as NodeJS.ErrnoException).code === 'EAGAIN') {
        timer = setTimeout(flush, delay).unref()
        delay = Math.min(2 * delay, MAX_RETRY)
        return
      }
      lost += pending.length
      pending = []
      pendingBytes = 0
    }
  }

  /** Nothing comes after it, so it may wait, for as long as the reader goes on. */
  function finish(): void {
    const nap = new Int32Array(new SharedArrayBuffer(4))
    let left = pendingBytes
    for (let waited = 0; waited < LAST_WAIT; waited += FIRST_RETRY) {
      flush()
      if (pendingBytes === 0) return
      if (pendingBytes < left) waited = 0
      left = pendingBytes
      Atomics.wait(nap, 0, 0, FIRST_RETRY)
    }
  }

  process.once('exit', finish)
  return {
    write(line) {
      if (pendingBytes > MAX_PENDING) {
        lost++
        return
      }
      if (lost > 0 && pendingBytes === 0) {
        const told = lost
        lost = 0
        add(`${JSON.stringify({ level: 40, time: Date.now(), msg: 'log lines were lost', lines: told })}\n`)
        flush()
        // It still does not work: the line that tells of it is no loss of its own.
        if (lost > 0) lost = told
      }
      add(line)
      if (timer === undefined) flush()
    },
  }
}
