import type { Socket } from 'node:net'
import type { Mutable } from '../semantics/types.ts'
import type { Sink } from '../slices/reader.ts'
import type { ClientResponse } from './context.ts'
import type { Counters } from './counters.ts'

/** A client's response as a sink. Buffers only: a string would make Node encode the header block as UTF-8. */
export function createSink(res: ClientResponse, socket: Socket, counters: Counters): Sink {
  // Most responses ask for neither of these: they need no sets of their own.
  let callbacks = NONE
  // Of writes whose bytes may still be read.
  let beingTaken = NONE

  res.once('close', () => {
    sink.gone = true
    for (const callback of callbacks) callback()
    callbacks = NONE
    if (beingTaken.size === 0) return
    // Of a pipelined response Node may forget that it was destroyed, and send what was written when its turn comes.
    if (socket.destroyed) forgetWrites()
    else socket.once('close', forgetWrites)
  })

  /** Not every write that a closed connection leaves behind is called back. */
  function forgetWrites(): void {
    for (const taken of beingTaken) taken()
    beingTaken = NONE
  }

  /** node:http keeps what is written back until the end of the turn. Most often the kernel takes all of it: then nobody need wait. */
  function flush(): boolean {
    if (res.writableCorked > 0) res.uncork?.()
    return res.writableLength === 0
  }

  function add(callback: () => void): void {
    if (callbacks === NONE) callbacks = new Set()
    callbacks.add(callback)
  }

  const sink: Mutable<Sink> = {
    gone: false,
    write(bytes, taken) {
      if (sink.gone) {
        taken?.()
        return true
      }
      counters.bytesToClients += bytes.length
      if (taken === undefined) return res.write(bytes) || flush()
      if (beingTaken === NONE) beingTaken = new Set()
      beingTaken.add(taken)
      return res.write(bytes, () => beingTaken.delete(taken) && taken()) || flush()
    },
    drained(within) {
      if (sink.gone || !res.writableNeedDrain) return Promise.resolve(true)
      return new Promise((resolve) => {
        const timer = within === undefined ? undefined : setTimeout(settle, within, false)
        const done = () => settle(true)
        res.once('drain', done)
        add(done)
        function settle(drained: boolean): void {
          clearTimeout(timer)
          res.off('drain', done)
          callbacks.delete(done)
          resolve(drained)
        }
      })
    },
    onGone(callback) {
      // Who registers late, after reading from disk, must hear of it too: nothing else would stop its transfer.
      if (sink.gone) queueMicrotask(callback)
      else add(callback)
      return () => callbacks.delete(callback)
    },
  }
  return sink
}

const NONE: Set<() => void> = new Set()
