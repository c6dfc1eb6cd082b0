import { availableParallelism } from 'node:os'
import { programPath } from '../../test/helpers/program-path.ts'

/** What the client asks for, with every connection busy all the time (a closed loop). */
export interface Load {
  /** `http://127.0.0.1:port` */
  url: string
  /** Asked for in turn. */
  requests: readonly { path: string; headers?: Record<string, string> }[]
  /** A text that no other load has: every request gets a query of its own with it, so that no cache knows it. */
  fresh?: string
  connections: number
  /** Whole ones, or less than one where only the bench itself is tried. */
  seconds: number
}

export interface LoadResult {
  requests: number
  seconds: number
}

/** The cores of server and client; null where the system cannot keep them apart. */
export const CORES: { server: number | null; client: number | null } =
  availableParallelism() > 1 && programPath('taskset') !== undefined
    ? { server: 0, client: 1 }
    : { server: null, client: null }

/** wrk, where it is installed and BENCH_CLIENT does not ask for autocannon; undefined: autocannon. */
export function wrkPath(): string | undefined {
  return process.env.BENCH_CLIENT === 'autocannon' ? undefined : programPath('wrk')
}
