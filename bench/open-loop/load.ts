/** What is offered to a server, whether or not it keeps up: the requests have their times before the first one is sent. */
export interface Load {
  url: string
  /** Path of each request; `#` becomes the number of the request, so that no two are the same. */
  target: string
  /** Requests a second, one after the other at even distances. */
  rate: number
  seconds: number
  /** Seconds before those, that are offered alike and not recorded. */
  warmUp: number
  /** Open before the start. A request that finds none of them idle waits, and the wait counts. */
  connections: number
  /** Others work on the client's core as well: it gives way to them whenever they have something to do. */
  givesWay?: boolean
}

/** Microseconds that some part of the requests did not take longer than. */
export interface Times {
  p50: number
  p99: number
  p999: number
  max: number
}

export interface Offered {
  /** Recorded ones. */
  requests: number
  /** Those of them that were not answered with a 200 or 206 and all of its bytes. */
  errors: number
  /** From the time that a request was meant to be sent to the first byte of its answer. */
  ttfb: Times
  /** How much later than meant a request was sent though a connection was idle: what the client itself may have added. */
  late: Times
}
