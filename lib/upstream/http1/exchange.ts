import { uniqueNow } from '../clock.ts'
import type { BodyHandler, ResponseHandler, Transfer, UpstreamRequest } from '../origin.ts'

/** One request, from `send` to its last event. */
export interface Exchange {
  readonly request: UpstreamRequest
  readonly handler: ResponseHandler
  readonly requestTime: number
  readonly order: number
  readonly transfer: Transfer
  /** Who takes the content, as soon as there is a head. */
  body: BodyHandler | null
  /** What carries it; null while it waits for a connection, and when it is over. */
  carrier: Carrier | null
  /** No event follows. */
  over: boolean
}

/** The connection of an exchange, as the exchange sees it. */
export interface Carrier {
  pause(): void
  resume(): void
  /** The exchange was given up: the connection is closed. */
  drop(): void
}

/** @param abandoned told when it is aborted before it has a connection */
export function createExchange(
  request: UpstreamRequest,
  handler: ResponseHandler,
  abandoned: () => void,
): Exchange {
  const transfer: Transfer = {
    pause: () => exchange.carrier?.pause(),
    resume: () => exchange.carrier?.resume(),
    abort() {
      if (exchange.over) return
      const { carrier } = exchange
      exchange.over = true
      exchange.carrier = null
      if (carrier) carrier.drop()
      else abandoned()
    },
  }
  const requestTime = Date.now()
  const exchange: Exchange = {
    request,
    handler,
    requestTime,
    order: uniqueNow(requestTime),
    transfer,
    body: null,
    carrier: null,
    over: false,
  }
  return exchange
}

/** Tells the handler, when it has not heard of an end yet. */
export function failExchange(exchange: Exchange, error: Error): void {
  if (exchange.over) return
  exchange.over = true
  exchange.carrier = null
  if (exchange.body) exchange.body.failed(error)
  else exchange.handler.failed(error)
}
