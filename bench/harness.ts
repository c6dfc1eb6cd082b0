import { fork } from 'node:child_process'
import { join } from 'node:path'
import type { Scope } from '../test/helpers/scope.ts'
import { pinned } from './peers/daemon.ts'
import type { Result } from './report/result.ts'

/** How much a run does: the numbers that count, or seconds of work that show that the bench works. */
export interface Bench {
  scope: Scope
  smoke: boolean
  /** One line of the results page. */
  line(text: string): void
  /** What one server did at one work: for results.json, the tables of ratios and of targets. */
  record(result: Result): void
}

export const KIB = 1024
export const MIB = 1024 * 1024

/** Starts the bench's origin in a process of its own, on this core; resolves to its url. */
export async function startBenchOrigin(scope: Scope, core: number | null = null): Promise<string> {
  const [execPath, execArgv] = pinned(core, [process.execPath, []])
  const child = fork(join(import.meta.dirname, 'origin.ts'), { execPath, execArgv })
  scope.teardown(() => child.kill())
  const port = await new Promise((resolve, reject) => child.once('message', resolve).once('exit', reject))
  return `http://127.0.0.1:${port}`
}

/** '16 KiB' */
export function sizeText(bytes: number): string {
  return bytes < MIB ? `${bytes / KIB} KiB` : `${bytes / MIB} MiB`
}

/** The value below which `share` (0 to 1) of the samples lie. */
export function percentile(samples: number[], share: number): number {
  const sorted = samples.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]
}

/** A number with as many digits as are worth reading. */
export function figure(value: number): string {
  return Math.abs(value) < 10 ? value.toFixed(3) : value.toFixed(1)
}

/** A line that says what was promised, what was measured, and whether that is enough. */
export function claim(bench: Bench, what: string, measured: string, target: string, isMet: boolean): void {
  bench.line(`- ${what}: **${measured}**, claimed ${target}: ${isMet ? 'met' : 'not met'}`)
}
