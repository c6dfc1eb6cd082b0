// A worker that replays a part of a trace, as fast as the server answers. Each order is answered with what has come back.
import { type LeanConnection, openConnection, type Reply } from '../load/connection.ts'
import { answerOrders } from '../load/worker.ts'
import { createTrace, type Trace, type TraceOptions } from './trace.ts'

export interface Replay {
  url: string
  trace: TraceOptions
  /** Shares (0 to 1) of the trace. */
  from: number
  to: number
  connections: number
}

export interface Replayed {
  requests: number
  hits: number
  bytes: number
  hitBytes: number
  seconds: number
}

/** Objects are asked for in the order of the trace; each connection takes the next one when its answer is whole. */
async function replay(trace: Trace, { url, from, to, connections }: Replay): Promise<Replayed> {
  const place = new URL(url)
  const fields = ` HTTP/1.1\r\nHost: ${place.host}\r\n\r\n`
  const first = Math.round(trace.ids.length * from)
  const end = Math.round(trace.ids.length * to)
  const replayed = { requests: end - first, hits: 0, bytes: 0, hitBytes: 0, seconds: 0 }
  let next = first

  function take(id: number, reply: Reply): void {
    const size = trace.sizes[id]
    if (reply.status !== 200 || reply.length !== size)
      throw new Error(
        `object ${id} of ${size} bytes came as ${reply.status} with ${reply.length} from ${url}`,
      )
    replayed.bytes += size
    if (!isHit(reply.head)) return
    replayed.hits++
    replayed.hitBytes += size
  }

  function work(connection: LeanConnection): Promise<void> {
    return new Promise((resolve, reject) => {
      const ask = (): void => {
        if (next === end) {
          connection.close()
          resolve()
          return
        }
        const id = trace.ids[next++]
        connection.send(`GET /bytes/${trace.sizes[id]}?${id}${fields}`, (reply) => {
          try {
            take(id, reply)
            ask()
          } catch (error) {
            reject(error)
          }
        })
      }
      ask()
    })
  }

  const opened = await Promise.all(Array.from({ length: connections }, () => openConnection(place)))
  const started = performance.now()
  await Promise.all(opened.map(work))
  return { ...replayed, seconds: (performance.now() - started) / 1000 }
}

/** Ours and nginx's say so in a word; Varnish names the request that brought the object beside the present one. */
function isHit(head: string): boolean {
  return /\r\nx-(cache: *hit|varnish: *\d+ \d+)\r?$/im.test(head)
}

let trace: Trace | undefined
answerOrders<Replay, Replayed>((order) => {
  trace ??= createTrace(order.trace)
  return replay(trace, order)
})
