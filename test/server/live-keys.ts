import type { Test } from 'tap'
import { type Config, type KeySchema, schema } from '../../config/schema.ts'
import type { Origin } from '../helpers/origin.ts'
import type { Server } from '../helpers/server.ts'

/** What a test of one live key works with. The server has BASE and what the key's section says. */
export interface Bench {
  server: Server
  origin: Origin
  /** An address of the proxy that was never asked for. */
  fresh(path: string): string
  reload(settings?: Record<string, unknown>): Promise<string[]>
}

/** Sees what the running program does, before and after the key is another. */
export type Check = (t: Test, bench: Bench) => Promise<void>

/** The dotted names of all keys that the schema calls live. */
export function liveKeys(key: KeySchema = schema, path = '', within = false): string[] {
  const live = within || key.live === true
  if (key.properties === undefined) return live ? [path] : []
  return Object.entries(key.properties).flatMap(([name, inner]) =>
    liveKeys(inner, path === '' ? name : `${path}.${name}`, live),
  )
}

export const SLICE = 65_536

export const BASE = {
  slice_size: SLICE,
  max_retries: 0,
  enable_l2_cache: false,
  shutdown_timeout_ms: 600_000,
  upstream: { headers_timeout_ms: 600_000, body_timeout_ms: 600_000, connect_timeout_ms: 600_000 },
  client: {
    header_timeout_ms: 600_000,
    body_timeout_ms: 600_000,
    send_timeout_ms: 600_000,
    idle_timeout_ms: 600_000,
  },
  pressure: { max_event_loop_delay_ms: 0, max_event_loop_percent: 0 },
} satisfies Partial<Record<keyof Config, unknown>>

/** BASE's section with some keys another. */
export function section<Name extends 'upstream' | 'client' | 'pressure'>(
  name: Name,
  keys: Record<string, unknown>,
) {
  return { [name]: { ...BASE[name], ...keys } }
}
