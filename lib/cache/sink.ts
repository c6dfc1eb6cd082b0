import type { ServerResponse } from 'node:http'
import type { Sink } from '../slices/reader.ts'
import type { Counters } from './counters.ts'

/** Bytes that may wait in a client's socket queue before its reader waits: a stalled client costs this and no more. */
const QUEUE_LIMIT = 96 * 1024

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
      return res.write(bytes) || res.writableLength <= QUEUE_LIMIT
    },
    drained() {
      if (gone || !res.writableNeedDrain) return Promise.resolve()
      return new Promise((resolve) => {
        const done = () => {
          res.off('drain', done)
          callbacks.delete(done)
          resolve()
        }
        res.once('drain', done)
        callbacks.add(done)
      })
    },
    onGone(callback) {
      callbacks.add(callback)
      return () => callbacks.delete(callback)
    },
  }
}
