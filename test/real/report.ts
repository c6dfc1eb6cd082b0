import { writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'

/** What a run says: printed as it comes, and written to a page at the end. */
export interface Report {
  line(text: string): void
  /** Counts a check; throws when it failed. */
  check(good: boolean, what: string): void
  readonly checks: number
  /** The page must not tell where it was made: a host name or an absolute path in it is an error. */
  write(file: string): void
}

export function createReport(): Report {
  const lines: string[] = []
  let checks = 0
  return {
    line(text) {
      lines.push(text)
      console.log(text)
    },
    check(good, what) {
      if (!good) throw new Error(`check failed: ${what}`)
      checks++
    },
    get checks() {
      return checks
    },
    write(file) {
      const text = `${lines.join('\n')}\n`
      const telling = [hostname(), /https?:\/\/(?!127\.0\.0\.1)/, /(^|\s)\/(tmp|home|root|work|usr|var)\//m]
      for (const pattern of telling) {
        if (text.search(pattern) >= 0) throw new Error(`the report would show ${pattern}`)
      }
      writeFileSync(join(import.meta.dirname, '../..', file), text)
    },
  }
}

/** '2.0 GiB', '5 B'. */
export function size(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB']
  let unit = 0
  while (bytes >= 1024 && unit < units.length - 1) {
    bytes /= 1024
    unit++
  }
  return unit === 0 ? `${bytes} B` : `${bytes.toFixed(1)} ${units[unit]}`
}
