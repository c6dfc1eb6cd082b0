import type { Socket } from 'node:net'
import type { Sink } from '../slices/reader.ts'
import type { ClientResponse } from './context.ts'
import type { Counters } from './counters.ts'
import { type Few, NONE, withOne, without } from './few.ts'

/** A client's response as a sink. Buffers only: a string would make Node encode the header block as UTF-8. */
export function createSink(res: ClientResponse, socket: Socket, counters: Counters): Sink {
  return new ClientSink(res, socket, counters)
}

const NOTHING: Set<() => void> = new Set()

/** A class: as closures its parts would be half a kilobyte of garbage for each request. */
class ClientSink implements Sink {
  gone = false
  readonly #res: ClientResponse
  readonly #socket: Socket
  readonly #counters: Counters
  #callbacks: Few<() => void> = NONE
  /** Of writes whose bytes may still be read. Most responses have none: they need no set of their own. */
  #beingTaken = NOTHING

  constructor(res: ClientResponse, socket: Socket, counters: Counters) {
    this.#res = res
    this.#socket = socket
    this.#counters = counters
    res.once('close', () => this.#onClose())
  }

  #onClose(): void {
    this.gone = true
    // One may take back another.
    while (this.#callbacks.length > 0) {
      const callback = this.#callbacks[0]
      this.#callbacks = without(this.#callbacks, callback)
      callback()
    }
    if (this.#beingTaken.size === 0) return
    // Of a pipelined response Node may forget that it was destroyed, and send what was written when its turn comes.
    if (this.#socket.destroyed) this.#forgetWrites()
    else this.#socket.once('close', () => this.#forgetWrites())
  }

  /** Not every write that a closed connection leaves behind is called back. */
  #forgetWrites(): void {
    for (const taken of this.#beingTaken) taken()
    this.#beingTaken = NOTHING
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
    let isTaken = false
    const take = () => {
      if (isTaken) return
      isTaken = true
      this.#beingTaken.delete(take)
      taken()
    }
    const more = this.#res.write(bytes, take) || this.#flush()
    if (!isTaken) {
      if (this.#beingTaken === NOTHING) this.#beingTaken = new Set()
      this.#beingTaken.add(take)
    }
    return more
  }

  drained(within?: number): Promise<boolean> {
    const res = this.#res
    if (this.gone || !res.writableNeedDrain) return Promise.resolve(true)
    return new Promise((resolve) => {
      const settle = (drained: boolean) => {
        clearTimeout(timer)
        res.off('drain', done)
        this.#remove(done)
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
    return () => this.#remove(callback)
  }

  #add(callback: () => void): void {
    this.#callbacks = withOne(this.#callbacks, callback)
  }

  #remove(callback: () => void): void {
    this.#callbacks = without(this.#callbacks, callback)
  }
}
