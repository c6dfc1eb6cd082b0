import fs from 'node:fs'

/** A file or block device. Buffers, lengths and positions are multiples of 4096 bytes, as O_DIRECT wants them. */
export interface Device {
  readonly path: string
  /** Bytes that the file or device has; at least those that are used. */
  readonly size: number
  /** Whether O_DIRECT is in use. */
  readonly direct: boolean
  /** Fills the buffer. Rejects with the system's error, or with code `SHORT` where the device ends within it. */
  read(buffer: Buffer, position: number): Promise<void>
  /** Writes all of the buffer, or rejects; then any part of it may be written. */
  write(buffer: Buffer, position: number): Promise<void>
  /** What was written before is durable when it resolves (fdatasync). */
  sync(): Promise<void>
  /** Lets go of the device once all operations under way have ended; later ones reject with code `EBADF`. */
  close(): Promise<void>
}

type Done = (error: NodeJS.ErrnoException | null) => void
type Transfer = (
  fd: number,
  buffer: Buffer,
  offset: number,
  length: number,
  position: number,
  done: (error: NodeJS.ErrnoException | null, count: number) => void,
) => void

/** O_DIRECT goes on at whole sectors only. */
const SECTOR = 512

/** A device on an open file, which it closes. (With callbacks: fs/promises costs several times as much a call.) */
export function createDevice(fd: number, about: { path: string; size: number; direct: boolean }): Device {
  const { path } = about
  let underWay = 0
  let closing: Promise<void> | undefined
  let whenIdle = () => {}

  function operation(start: (done: Done) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      // The number of a closed file may be that of another one by now.
      if (closing) return reject(failure('EBADF', `${path} was closed`))
      underWay++
      start((error) => {
        if (--underWay === 0) whenIdle()
        if (error) reject(error)
        else resolve()
      })
    })
  }

  /** The kernel may do less than it was asked for, so it is asked for the rest. */
  function transfer(how: Transfer, buffer: Buffer, position: number): Promise<void> {
    return operation((ended) => {
      let done = 0
      const goOn = () => how(fd, buffer, done, buffer.length - done, position + done, step)
      const step = (error: NodeJS.ErrnoException | null, count: number) => {
        done += count
        if (error || done === buffer.length) ended(error)
        else if (count > 0 && done % SECTOR === 0) goOn()
        else ended(failure('SHORT', `${path} ends within ${buffer.length} bytes at ${position}`))
      }
      goOn()
    })
  }

  return {
    ...about,
    read: (buffer, position) => transfer(fs.read, buffer, position),
    write: (buffer, position) => transfer(fs.write, buffer, position),
    sync: () => operation((done) => fs.fdatasync(fd, done)),
    close() {
      closing ??= new Promise((resolve, reject) => {
        whenIdle = () => fs.close(fd, (error) => (error ? reject(error) : resolve()))
        if (underWay === 0) whenIdle()
      })
      return closing
    },
  }
}

function failure(code: string, message: string): Error {
  return Object.assign(new Error(message), { code })
}
