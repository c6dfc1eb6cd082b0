import type { ResponseHandler, Transfer, UpstreamRequest } from '../origin.ts'
import { type ConnectOptions, createConnector } from './connect.ts'
import { type Connection, type Owner, openConnection, type Patience } from './connection.ts'
import { OriginError } from './errors.ts'
import { createExchange, type Exchange, failExchange } from './exchange.ts'

export interface PoolOptions extends ConnectOptions {
  /** Milliseconds. */
  connectTimeout: number
  headersTimeout: number
  bodyTimeout: number
  /** Connections that may be open at once; further requests wait for one, first come first served. */
  maxConnections: number
}

/** Connections to one origin, each for one request at a time, kept for the next one. */
export interface Pool {
  send(request: UpstreamRequest, handler: ResponseHandler): Transfer
  /** Keeps no connection any more. Resolves when the requests under way have ended and all connections are closed. */
  drain(): Promise<void>
  /** Ends everything that is under way. */
  close(): Promise<void>
}

/** Milliseconds that an idle connection is kept: less than servers do that say nothing (5 s is Node's). */
const IDLE = 4000
/** Seconds before the end that the origin tells: the next request must not meet it. */
const MARGIN_SECONDS = 2
const MOST_IDLE = 600_000
/** The clock of all timeouts, in milliseconds: an eighth of the shortest, in these bounds. */
const LONGEST_STEP = 500
const SHORTEST_STEP = 5

export function createPool(options: PoolOptions): Pool {
  const connector = createConnector(options)
  const connections = new Set<Connection>()
  /** Those used last are used first, so that surplus ones grow old. */
  const idle: Connection[] = []
  const waiting = new Set<Exchange>()
  const drained: (() => void)[] = []
  const step = stepOf(options)
  let clock: NodeJS.Timeout | undefined
  let dispatching = false
  let draining = false
  let shut = false

  const owner: Owner = {
    patience: patienceOf(options, step),
    freed(connection) {
      if (draining) return false
      idle.push(connection)
      if (waiting.size > 0) dispatchSoon()
      return true
    },
    spent(connection) {
      const at = idle.indexOf(connection)
      if (at >= 0) idle.splice(at, 1)
    },
    closed(connection) {
      connections.delete(connection)
      if (connections.size === 0) clearInterval(clock)
      if (waiting.size > 0) dispatchSoon()
      else tellIfDrained()
    },
  }

  /**
   * Once in a turn of the event loop, after all that has arrived was read: whether an idle connection was closed or sent
   * what nobody asked for is known then, as far as it can be.
   */
  function dispatchSoon(): void {
    if (dispatching) return
    dispatching = true
    setImmediate(dispatch)
  }

  function dispatch(): void {
    dispatching = false
    for (const exchange of waiting) {
      if (!start(exchange)) return
      waiting.delete(exchange)
    }
  }

  /** @returns false when it has to wait for a connection */
  function start(exchange: Exchange): boolean {
    if (shut) {
      failExchange(exchange, shutError())
      return true
    }
    const name = connector.nameFor(exchange.request.fields)
    const kept = takeIdle(name)
    if (kept) kept.carry(exchange)
    else if (connections.size < options.maxConnections) open(name, exchange)
    else {
      // None for this name, and no room for one more: its place is free when it is closed.
      idle[0]?.close(shutError())
      return false
    }
    return true
  }

  function takeIdle(name: string): Connection | undefined {
    if (idle.length === 0 || idle[idle.length - 1].name === name) return idle.pop()
    const at = idle.findLastIndex((connection) => connection.name === name)
    return at === -1 ? undefined : idle.splice(at, 1)[0]
  }

  function open(name: string, exchange: Exchange): void {
    try {
      connections.add(openConnection(connector, name, exchange, owner))
      if (connections.size === 1) clock = setInterval(tick, step).unref()
    } catch (error) {
      failExchange(exchange, error as Error)
    }
  }

  function tick(): void {
    for (const connection of connections) connection.tick()
  }

  function tellIfDrained(): void {
    if (connections.size > 0 || waiting.size > 0) return
    for (const tell of drained.splice(0)) tell()
  }

  function abandoned(exchange: Exchange): void {
    waiting.delete(exchange)
    tellIfDrained()
  }

  function whenDrained(): Promise<void> {
    return new Promise((resolve) => {
      drained.push(resolve)
      tellIfDrained()
    })
  }

  return {
    send(request, handler) {
      const exchange = createExchange(request, handler, abandoned)
      waiting.add(exchange)
      dispatchSoon()
      return exchange.transfer
    },
    drain() {
      draining = true
      for (const connection of [...idle]) connection.close(shutError())
      return whenDrained()
    },
    close() {
      shut = true
      draining = true
      for (const connection of connections) connection.close(shutError())
      for (const exchange of waiting) {
        waiting.delete(exchange)
        failExchange(exchange, shutError())
      }
      return whenDrained()
    },
  }
}

function shutError(): OriginError {
  return new OriginError('ORIGIN_SHUT', 'the connections to the origin were closed')
}

function stepOf({ connectTimeout, headersTimeout, bodyTimeout }: PoolOptions): number {
  const shortest = Math.min(connectTimeout, headersTimeout, bodyTimeout)
  return Math.round(Math.max(SHORTEST_STEP, Math.min(LONGEST_STEP, shortest / 8)))
}

/** The first step may come at once: one more, so that no wait is shorter than its timeout. */
function patienceOf({ connectTimeout, headersTimeout, bodyTimeout }: PoolOptions, step: number): Patience {
  const steps = (milliseconds: number) => Math.ceil(milliseconds / step) + 1
  return {
    connect: steps(connectTimeout),
    headers: steps(headersTimeout),
    body: steps(bodyTimeout),
    idle: Math.floor(IDLE / step),
    second: 1000 / step,
    marginSeconds: MARGIN_SECONDS,
    mostIdle: MOST_IDLE / step,
  }
}
