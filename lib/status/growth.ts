import type { ProblemKind, Problems } from '../cache/problems.ts'

/** A count of failures that only grows, of which nobody tells more. */
export interface FailureCount {
  kind: ProblemKind
  text: string
  count: number
}

/** Takes all counts of a moment; each that has grown since the last time is a problem. What was there at first is no news. */
export function watchFailures(problems: Problems): (counts: readonly FailureCount[]) => void {
  const seen = new Map<string, number>()
  return (counts) => {
    for (const { kind, text, count } of counts) {
      const before = seen.get(text)
      seen.set(text, count)
      if (before !== undefined && count > before) problems.add(kind, text, '', count - before)
    }
  }
}
