import type { Socket } from 'node:net'
import { decide } from '../semantics/decide.ts'
import type { Context, Exchange } from './context.ts'
import { sendError } from './failures.ts'
import { hasBody } from './pass.ts'
import { select } from './respond.ts'
import { selectFor } from './reuse.ts'
import { shownTarget } from './shown.ts'
import { endWith } from './upgrade.ts'
import type { UpgradeNotes } from './upgrade-log.ts'

/** What there is too much of: delay of the event loop, its busy share of time, memory of the process. */
export type PressureReason = 'event_loop_delay' | 'event_loop_percent' | 'rss'

/** Why a request is refused. */
export interface Refusal {
  reason: PressureReason
  /** Seconds. */
  retryAfter: number
}

/** Slices of one response that are looked for at most. */
const MAX_SLICES = 256

/**
 * Whether memory alone can answer: a fresh response that has all its slices there. What the fast path does not take (ranges,
 * conditions, several slices) is looked for only while requests are being refused.
 */
export function isInMemory(context: Context, exchange: Exchange): boolean {
  const { store, sliceSize, bans } = context
  const found = selectFor(exchange, store.l1Heads(exchange.key) ?? [])
  const head = found && bans.settled(found)
  if (!head || head.sliceSize !== sliceSize || head.length === null) return false
  if (decide(head, exchange.fields, Date.now()) !== 'fresh') return false
  if (exchange.method === 'HEAD') return true
  let looked = 0
  for (const { first, last } of select(exchange, head).ranges) {
    for (let index = Math.floor(first / sliceSize); index * sliceSize <= last; index++) {
      if (++looked > MAX_SLICES || !store.l1?.hasSlice(exchange.key, head.generation, index)) return false
    }
  }
  return true
}

/** Answers 503 (RFC 9110 section 15.6.4). */
export function refuse(context: Context, exchange: Exchange, refusal: Refusal): void {
  count(context, refusal, shownTarget(exchange.target))
  exchange.failure = refusal.reason
  // Of an upload nothing more is read.
  if (hasBody(exchange.fields)) exchange.res.shouldKeepAlive = false
  const fields = ['Retry-After', String(refusal.retryAfter), 'Cache-Control', 'no-store']
  sendError(exchange, 503, TEXT, fields)
}

/** The same for a request for another protocol, of which there is no response yet but a connection. */
export function refuseUpgrade(context: Context, socket: Socket, refusal: Refusal, notes: UpgradeNotes): void {
  count(context, refusal, '')
  context.counters.requests++
  notes.answered(503, refusal.reason)
  const head = `HTTP/1.1 503 Service Unavailable\r\nRetry-After: ${refusal.retryAfter}\r\nCache-Control: no-store\r\n`
  socket.on('error', () => socket.destroy())
  endWith(socket, `${head}Connection: close\r\n\r\n${TEXT}\n`)
}

const TEXT = '503 too busy: try again later'

function count({ counters, problems }: Context, { reason }: Refusal, target: string): void {
  counters.refused[reason]++
  problems.add('pressure', `refused: too much ${reason.replaceAll('_', ' ')}`, target)
}
