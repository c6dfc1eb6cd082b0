import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { chart } from './chart.ts'
import { type Machine, machineLines } from './machine.ts'
import { ratioTables } from './ratios.ts'
import type { Result } from './result.ts'
import { targetsTable } from './targets.ts'

/** What one bench has measured, and printed, in one go. */
export interface Section {
  bench: string
  about: Machine
  results: readonly Result[]
  lines: readonly string[]
}

const root = join(import.meta.dirname, '../..')
const JSON_FILE = join(root, 'bench/results.json')

/** RESULTS.md: what counts first, then what each bench has printed. */
export function page(sections: readonly Section[]): string {
  const results = sections.flatMap((section) => section.results)
  const all = [
    '# Results',
    '',
    'Written by `npm run bench`. All servers, the origin and the client are processes of one machine. The server that is measured has',
    'one core to itself, client and origin have another one. Bytes are compared before anything is measured, and hits are counted at the',
    'origin.',
    '',
    ...machineLines(sections[0].about),
    ...ratioTables(results),
    ...targetsTable(results),
    ...sections.flatMap((section) => section.lines),
    '## When',
    '',
    'Servers are compared within one bench only: all of its rounds are one run.',
    '',
    '| bench | day | load before |',
    '|---|---|---:|',
    ...sections.map(({ bench, about }) => `| ${bench} | ${about.date} | ${about.load.toFixed(1)} |`),
  ]
  return `${all.join('\n').trimEnd()}\n`
}

/**
 * RESULTS.md, results.json beside it, and the chart of the README. Benches that were not run now stay as they were measured
 * last, in the order of `names`.
 */
export function writeReport(measured: readonly Section[], names: readonly string[]): void {
  const known = [...measured, ...savedSections()]
  const sections = names.flatMap((name) => known.find(({ bench }) => bench === name) ?? [])
  writeFileSync(join(root, 'bench/RESULTS.md'), page(sections))
  writeFileSync(JSON_FILE, json(sections))
  const results = sections.flatMap((section) => section.results)
  writeFileSync(join(root, 'docs/benchmark.svg'), chart(sections[0].about, results))
}

function savedSections(): Section[] {
  try {
    return JSON.parse(readFileSync(JSON_FILE, 'utf8')).sections
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

/** A line for each result and each line, figures with six digits. */
export function json(sections: readonly Section[]): string {
  const short = (_: string, value: unknown) =>
    typeof value === 'number' ? Number(value.toPrecision(6)) : value
  const list = (items: readonly unknown[]) =>
    items.length === 0
      ? '[]'
      : `[\n${items.map((item) => `    ${JSON.stringify(item, short)}`).join(',\n')}\n  ]`
  const each = sections.map(
    ({ bench, about, results, lines }) =>
      `  "bench": ${JSON.stringify(bench)},\n  "about": ${JSON.stringify(about, short)},\n  "results": ${list(results)},\n  "lines": ${list(lines)}`,
  )
  return `{ "sections": [{\n${each.join('\n}, {\n')}\n}] }\n`
}
