// The open-loop client, a process of its own: gets a Load as its first message, answers with what it has Offered.

import { setPriority } from 'node:os'
import { type LeanConnection, openConnection, type Reply } from '../load/connection.ts'
import { answerOrders } from '../load/worker.ts'
import { createHistogram, type Histogram } from './histogram.ts'
import type { Load, Offered, Times } from './load.ts'

/** Errors after which the rest is not worth waiting for. */
const MANY = 20

async function offer({ url, target, rate, seconds, warmUp, connections }: Load): Promise<Offered> {
  const place = new URL(url)
  const idle: LeanConnection[] = []
  for (let i = 0; i < connections; i++) idle.push(await openConnection(place))
  const [before, after] = target.split('#')
  const fields = ` HTTP/1.1\r\nHost: ${place.host}\r\n\r\n`
  const requestOf = (n: number) => `GET ${after === undefined ? target : before + n + after}${fields}`

  const ttfb = createHistogram()
  const late = createHistogram()
  const total = Math.round(rate * (warmUp + seconds))
  const unrecorded = Math.round(rate * warmUp)
  const start = performance.now() + 20
  const dueAt = (n: number) => start + (n * 1000) / rate
  let errors = 0
  let [sent, done] = [0, 0]
  /** What was due until then had to wait for a connection: the server was late, not we. */
  let heldUpUntil = 0

  return new Promise((resolve, reject) => {
    function send(now: number): void {
      const n = sent++
      const connection = idle.shift()!
      if (n >= unrecorded && dueAt(n) > heldUpUntil) late.record((now - dueAt(n)) * 1000)
      connection.send(requestOf(n), (reply) => take(connection, n, reply))
    }

    function take(connection: LeanConnection, n: number, reply: Reply): void {
      done++
      if (n >= unrecorded) {
        if (reply.status === 200 || reply.status === 206) ttfb.record((reply.firstByte - dueAt(n)) * 1000)
        else errors++
      }
      if (errors > MANY) reject(new Error(`${errors} of ${done} requests failed`))
      if (connection.isOpen) idle.push(connection)
      else openConnection(place).then((fresh) => idle.push(fresh), reject)
    }

    // Timers are a millisecond apart at best. Each turn of the loop looks at the sockets once.
    function spin(): void {
      const now = performance.now()
      while (sent < total && now >= dueAt(sent) && idle.length > 0) send(now)
      if (sent < total && now >= dueAt(sent)) heldUpUntil = now
      if (done < total) return void setImmediate(spin)
      for (const connection of idle) connection.close()
      resolve({ requests: ttfb.count() + errors, errors, ttfb: timesOf(ttfb), late: timesOf(late) })
    }

    spin()
  })
}

const timesOf = (histogram: Histogram): Times => ({
  p50: histogram.at(0.5),
  p99: histogram.at(0.99),
  p999: histogram.at(0.999),
  max: histogram.max(),
})

answerOrders<Load, Offered>((load) => {
  if (load.givesWay) setPriority(19)
  return offer(load)
})
