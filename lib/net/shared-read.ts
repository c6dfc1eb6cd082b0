import type { Socket } from 'node:net'

/** Memory that all sockets read into, seen in two ways. What a read brings is there until its callback returns. */
export interface SharedMemory {
  readonly bytes: Buffer
  readonly words: Int32Array
}

/** As much as node reads at once. */
const LENGTH = 64 * 1024
const memory = new ArrayBuffer(LENGTH)

export const sharedMemory: SharedMemory = { bytes: Buffer.from(memory), words: new Int32Array(memory) }

/** What `onread` of net.connect sets; sockets of a server cannot be given it. */
interface Reading {
  buffer: symbol
  callback: symbol
}

interface WithHandle {
  _handle?: { useUserBuffer?(memory: Uint8Array): void } | null
}

/**
 * Lets a socket of a server read as `onread` of net.connect does: into memory that is there, in place of a Buffer for each read
 * and a stream around it. From now on the callback gets all that is read, and hands to `socket.push` what the stream shall have;
 * `pause` and `resume` work as ever.
 *
 * @param onRead gets the number of bytes; false = no more for now, as `push` says it
 * @returns false when this version of node does it otherwise: then nothing has changed
 */
export function readShared(socket: Socket, onRead: (length: number) => boolean): boolean {
  const handle = (socket as WithHandle)._handle
  const reading = readingOf(socket)
  if (reading === null || typeof handle?.useUserBuffer !== 'function') return false
  handle.useUserBuffer(sharedMemory.bytes)
  Object.assign(socket, { [reading.buffer]: sharedMemory.bytes, [reading.callback]: onRead })
  return true
}

/** The names are node's own, but each socket has them. */
function readingOf(socket: Socket): Reading | null {
  const own = Object.getOwnPropertySymbols(socket)
  const buffer = own.find(({ description }) => description === 'kBuffer')
  const callback = own.find(({ description }) => description === 'kBufferCb')
  if (buffer === undefined || callback === undefined) return null
  const isFree = Reflect.get(socket, buffer) === null && Reflect.get(socket, callback) === null
  return isFree ? { buffer, callback } : null
}
