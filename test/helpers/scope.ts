import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** What owns a started thing and ends it: a tap test, or a benchmark with a list of its own. */
export interface Scope {
  teardown(end: () => unknown): unknown
}

/** An empty directory, removed when the scope ends. */
export function tempDir(t: Scope): string {
  const dir = mkdtempSync(join(tmpdir(), 'slicestream-'))
  t.teardown(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}

/** A scope for programs that are no tests: `end()` runs the teardowns, last one first. */
export function createScope(): Scope & { end(): Promise<void> } {
  const ends: (() => unknown)[] = []
  return {
    teardown: (end) => ends.push(end),
    async end() {
      for (let last = ends.pop(); last !== undefined; last = ends.pop()) await last()
    },
  }
}
