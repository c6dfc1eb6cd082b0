// A worker that opens many connections and asks for one object on all of them at once.
import { openConnection, type Reply } from '../load/connection.ts'
import { answerOrders } from '../load/worker.ts'

export interface Stampede {
  url: string
  path: string
  clients: number
  /** Bytes that each has to get. */
  length: number
}

export interface Trampled {
  /** From the first request until the last client has everything. */
  seconds: number
  /** Clients that did not get a 200 with all bytes. */
  failed: number
}

answerOrders<Stampede, Trampled>(async ({ url, path, clients, length }) => {
  const place = new URL(url)
  const request = `GET ${path} HTTP/1.1\r\nHost: ${place.host}\r\n\r\n`
  const connections = []
  for (let i = 0; i < clients; i++) connections.push(await openConnection(place))

  const started = performance.now()
  const replies = await Promise.all(
    connections.map((connection) => new Promise<Reply>((done) => connection.send(request, done))),
  )
  const seconds = (performance.now() - started) / 1000
  for (const connection of connections) connection.close()
  const isWhole = (reply: Reply) => reply.status === 200 && reply.length === length
  return {
    seconds,
    failed: replies.filter((reply) => !isWhole(reply)).length,
  }
})
