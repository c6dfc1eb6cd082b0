import type { Counters } from '../cache/counters.ts'
import type { PressureReason } from '../cache/overload.ts'
import type { ClientCounts } from '../net/client-counts.ts'
import { type Family, readers } from './family.ts'

/** Where the figures are read from, at the moment of a scrape. What is not registered has none. */
export interface ClientSources {
  counters: Counters | undefined
  clients: ClientCounts | undefined
  /** The limits of pressure that are exceeded; undefined = nobody looks. */
  pressure: readonly PressureReason[] | undefined
}

const REASONS: readonly PressureReason[] = ['event_loop_delay', 'event_loop_percent', 'rss']

/** What clients take of connections and time, and what they were refused. */
export function clientFamilies(sources: ClientSources): Family[] {
  const { counter, gauge } = readers(() => sources.clients)
  return [
    gauge('client_connections', 'Connections of clients that are open', (c) => c.connectionsNow),
    counter(
      'client_connections_dropped_total',
      'Connections closed as they came because there were too many',
      (c) => c.dropped,
    ),
    {
      name: 'client_timeouts_total',
      help: 'Connections closed because the client stood still',
      type: 'counter',
      labelNames: ['in'],
      read: () => [
        { labels: { in: 'header' }, value: sources.clients?.headerTimeouts ?? 0 },
        { labels: { in: 'body' }, value: sources.clients?.bodyTimeouts ?? 0 },
        { labels: { in: 'send' }, value: sources.clients?.sendTimeouts ?? 0 },
      ],
    },
    {
      name: 'http_requests_refused_total',
      help: 'Requests answered 503 because the process was too busy',
      type: 'counter',
      labelNames: ['reason'],
      read: () =>
        REASONS.map((reason) => ({ labels: { reason }, value: sources.counters?.refused[reason] ?? 0 })),
    },
    {
      name: 'pressure',
      help: '1 while a limit of pressure is exceeded',
      type: 'gauge',
      labelNames: ['reason'],
      read: () =>
        REASONS.map((reason) => ({
          labels: { reason },
          value: sources.pressure?.includes(reason) ? 1 : 0,
        })),
    },
  ]
}
