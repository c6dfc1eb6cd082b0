import type { Socket } from 'node:net'
import type { Sink } from '../slices/reader.ts'
import type { ClientResponse } from './context.ts'
import type { Counters } from './counters.ts'

/** A client's response as a sink. Buffers only: a string would make Node encode the header block as UTF-8. */
export function createSink(res: ClientResponse, socket: Socket, counters: Counters): Sink {
  return new ClientSink(res, socket, counters)
}

const NONE: Set<() => void> = new Set()

/** A class: as closures its parts would be half a kilobyte of garbage for each request. */
class ClientSink implements Sink {
  gone = false
  readonly #res: ClientResponse
  readonly #socket: Socket
  readonly #counters: Counters
  // Most responses ask for neither of these: they need no sets of their own.
  #callbacks = NONE
  /** Of writes whose bytes may still be read. */
  #beingTaken = NONE

  constructor(res: ClientResponse, socket: Socket, counters: Counters) {
    this.#res = res
    this.#socket = socket
    this.#counters = counters
    res.once('close', () => this.#onClose())
  }

  #onClose(): void {
    this.gone = true
    for (const callback of this.#callbacks) callback()
    this.#callbacks = NONE
    if (this.#beingTaken.size === 0) return
    // Of a pipelined response Node may forget that it was destroyed, and send what was written when its turn comes.
    if (this.#socket.destroyed) this.#forgetWrites()
    else this.#socket.once('close', () => this.#forgetWrites())
  }

  /** Not every write that a closed connection leaves behind is called back. */
  #forgetWrites(): void {
    for (const taken of this.#beingTaken) taken()
    this.#beingTaken = NONE
  }

  /** node:http keeps what is written back until the end of the turn. Most often the kernel takes all of it: then nobody need wait. */
  #flush(): boolean {
    const res = this.#res
    if (res.writableCorked > 0) res.uncork?.()
    return res.writableLength === 0
  }

  write(bytes: Buffer, taken?: () => void): boolean {
    if (this.gone) {
      taken?.()
      return true
    }
    this.#counters.bytesToClients += bytes.length
    if (taken === undefined) return this.#res.write(bytes) || this.#flush()
    if (this.#beingTaken === NONE) this.#beingTaken = new Set()
    const beingTaken = this.#beingTaken
    beingTaken.add(taken)
    return this.#res.write(bytes, () => beingTaken.delete(taken) && taken()) || this.#flush()
  }

  drained(within?: number): Promise<boolean> {
    const res = this.#res
    if (this.gone || !res.writableNeedDrain) return Promise.resolve(true)
    return new Promise((resolve) => {
      const settle = (drained: boolean) => {
        clearTimeout(timer)
        res.off('drain', done)
        this.#callbacks.delete(done)
        resolve(drained)
      }
      const timer = within === undefined ? undefined : setTimeout(settle, within, false)
      const done = () => settle(true)
      res.once('drain', done)
      this.#add(done)
    })
  }

  onGone(callback: () => void): () => void {
    // Who registers late, after reading from disk, must hear of it too: nothing else would stop its transfer.
    if (this.gone) queueMicrotask(callback)
    else this.#add(callback)
    return () => this.#callbacks.delete(callback)
  }

  #add(callback: () => void): void {
    if (this.#callbacks === NONE) this.#callbacks = new Set()
    this.#callbacks.add(callback)
  }
}
