import type { ResponseHandler, Transfer, UpstreamRequest } from '../origin.ts'
import { type ConnectOptions, createConnector } from './connect.ts'
import { type Connection, type Owner, openConnection } from './connection.ts'
import { OriginError } from './errors.ts'
import { createExchange, type Exchange, failExchange } from './exchange.ts'
import { patienceOf, stepOf, type Timeouts } from './patience.ts'

export interface PoolOptions extends ConnectOptions, Timeouts {
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

export function createPool(options: PoolOptions): Pool {
  const connector = createConnector(options)
  const connections: Connection[] = []
  /** Those used last are used first, so that surplus ones grow old. */
  const idle: Connection[] = []
  /** First come first served. No Set: V8 keeps what has left one that lives long until a major collection. */
  let waiting: Exchange[] = []
  const drained: (() => void)[] = []
  const step = stepOf(options)
  let clock: NodeJS.Timeout | undefined
  /** Of those who wait, some that were given up. */
  let gone = 0
  let dispatching = false
  let draining = false
  let shut = false

  const owner: Owner = {
    patience: patienceOf(options, step),
    freed(connection) {
      if (draining) return false
      idle.push(connection)
      if (waiting.length > 0) dispatchSoon()
      return true
    },
    spent(connection) {
      remove(idle, connection)
    },
    closed(connection) {
      remove(connections, connection)
      if (connections.length === 0) clearInterval(clock)
      if (waiting.length > 0) dispatchSoon()
      tellIfDrained()
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
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      if (next.over || start(next)) continue
      waiting.unshift(next)
      return
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
    else if (connections.length < options.maxConnections) open(name, exchange)
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
      connections.push(openConnection(connector, name, exchange, owner))
      if (connections.length === 1) clock = setInterval(tick, step).unref()
    } catch (error) {
      failExchange(exchange, error as Error)
    }
  }

  function tick(): void {
    for (const connection of connections) connection.tick()
  }

  function tellIfDrained(): void {
    if (drained.length === 0 || connections.length > 0 || waiting.some((exchange) => !exchange.over)) return
    for (const tell of drained.splice(0)) tell()
  }

  function abandoned(): void {
    gone++
    if (gone * 2 > waiting.length) {
      gone = 0
      waiting = waiting.filter((exchange) => !exchange.over)
    }
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
      waiting.push(exchange)
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
      for (const connection of [...connections]) connection.close(shutError())
      for (const exchange of waiting.splice(0)) failExchange(exchange, shutError())
      return whenDrained()
    },
  }
}

function remove<Item>(items: Item[], item: Item): void {
  const at = items.indexOf(item)
  if (at >= 0) items.splice(at, 1)
}

function shutError(): OriginError {
  return new OriginError('ORIGIN_SHUT', 'the connections to the origin were closed')
}
