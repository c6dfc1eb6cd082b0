import type { ServerResponse } from 'node:http'
import type { Sink } from '../slices/reader.ts'
import type { Counters } from './counters.ts'

/** A client's response as a sink. Buffers only: a string would make Node encode the header block as UTF-8. */
export function createSink(res: ServerResponse, counters: Counters): Sink {
  const callbacks = new Set<() => void>()
  let gone = false

  res.once('close', () => {
    gone = true
    for (const callback of callbacks) callback()
    callbacks.clear()
  })

  return {
    get gone() {
      return gone
    },
    write(bytes) {
      if (gone) return true
      counters.bytesToClients += bytes.length
      return res.write(bytes)
    },
    drained(within) {
      if (gone || !res.writableNeedDrain) return Promise.resolve(true)
      return new Promise((resolve) => {
        const timer = within === undefined ? undefined : setTimeout(settle, within, false)
        const done = () => settle(true)
        res.once('drain', done)
        callbacks.add(done)
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
      if (gone) queueMicrotask(callback)
      else callbacks.add(callback)
      return () => callbacks.delete(callback)
    },
  }
}
