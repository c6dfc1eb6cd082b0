import Fastify, { type FastifyInstance } from 'fastify'
import { until } from './until.ts'

/** A service whose log lines are kept, parsed. */
export interface Logged {
  readonly fastify: FastifyInstance
  readonly lines: Record<string, unknown>[]
  /** Those of one message so far. */
  of(msg: string): Record<string, unknown>[]
  /** Waits for the `number`th line of one message, from 1. */
  line(msg: string, number?: number): Promise<Record<string, unknown>>
}

export function createLogged(level = 'info'): Logged {
  const lines: Record<string, unknown>[] = []
  const stream = { write: (line: string) => void lines.push(JSON.parse(line)) }
  const fastify = Fastify({ forceCloseConnections: true, logger: { level, stream } })
  const of = (msg: string) => lines.filter((line) => line.msg === msg)
  return {
    fastify,
    lines,
    of,
    async line(msg, number = 1) {
      await until(() => of(msg).length >= number)
      return of(msg)[number - 1]
    },
  }
}
