import type { ProblemKind, Problems } from '../cache/problems.ts'

/** A count of failures that only grows, of which nobody tells more. */
export interface FailureCount {
  kind: ProblemKind
  text: string
  read(): number
}

/** Adds a problem for each count that has grown since the last look. What was counted before the first one is no news. */
export function watchFailures(problems: Problems, counts: readonly FailureCount[]): () => void {
  const seen = new Map<FailureCount, number>()
  return () => {
    for (const count of counts) {
      const now = count.read()
      const before = seen.get(count)
      seen.set(count, now)
      if (before !== undefined && now > before) problems.add(count.kind, count.text, '', now - before)
    }
  }
}
