import { writeSync } from 'node:fs'

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

/** What a reader that does not keep up may leave to be written, in bytes; and how often that is tried, in milliseconds. */
const MAX_PENDING = 1024 * 1024
const RETRY = 50

/**
 * Log lines to standard output. Where they cannot be written (a full disk, a reader that has gone) they are lost, and how
 * many is told when lines can be written again: pino's own stream would end the process with the system's error.
 */
export function createLogStream({ fd = 1, write = writeSync }: LogStreamOptions = {}): LogStream {
  let pending: Buffer<ArrayBufferLike>[] = []
  let pendingBytes = 0
  let lost = 0
  let timer: NodeJS.Timeout | undefined

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
        const written = write(fd, pending[0])
        pendingBytes -= written
        if (written === pending[0].length) pending.shift()
        else pending[0] = pending[0].subarray(written)
      }
    } catch (error) {
      // A pipe that is full for now.
      if ((error as NodeJS.ErrnoException).code === 'EAGAIN') {
        timer = setTimeout(flush, RETRY).unref()
        return
      }
      lost += pending.length
      pending = []
      pendingBytes = 0
    }
  }

  process.once('exit', flush)
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
