import { bounded } from './shown.ts'

/**
 * - `origin`: a request to the origin failed, or was answered with 5xx
 * - `body`: a body of the origin ended before its end
 * - `answer`: an answer of the origin was not what had been asked for, and refused
 * - `client`: the connection of a client was closed because its response could not be completed
 * - `store`: a store failed to read or write, found damage or refused to take
 * - `pressure`: requests were refused because there were too many
 */
export type ProblemKind = 'origin' | 'body' | 'answer' | 'client' | 'store' | 'pressure'

/** What went wrong, once or again and again. */
export interface Problem {
  readonly kind: ProblemKind
  readonly text: string
  /** What it last happened to: scheme, host and path; '' where it is of no single target. */
  target: string
  /** When it happened first and last, in milliseconds since 1970. */
  readonly first: number
  last: number
  /** How often. */
  count: number
}

/** What went wrong lately: the last 50 kinds of it, in a few KiB. */
export interface Problems {
  add(kind: ProblemKind, text: string, target?: string, count?: number): void
  /** Newest first. */
  list(): Problem[]
}

const KEPT = 50

export function createProblems(now: () => number = Date.now): Problems {
  /** Oldest first. */
  const problems: Problem[] = []

  return {
    add(kind, text, target = '', count = 1) {
      const shown = bounded(text)
      // A thousand failures a second of an origin that is down are one line, and push nothing else out.
      const at = problems.findIndex((other) => other.text === shown && other.kind === kind)
      const time = now()
      const problem =
        at === -1 ? { kind, text: shown, target, first: time, last: time, count: 0 } : problems[at]
      if (at !== -1) problems.splice(at, 1)
      problem.count += count
      problem.last = time
      problem.target = bounded(target)
      problems.push(problem)
      if (problems.length > KEPT) problems.shift()
    },
    list: () => problems.map((problem) => ({ ...problem })).reverse(),
  }
}

/** The text of an error; of several addresses that were tried, Node says nothing but a code. */
export function errorText(error: Error & { code?: string }): string {
  return error.message || error.code || error.name
}
