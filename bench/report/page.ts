import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { chart } from './chart.ts'
import { type Machine, machineLines } from './machine.ts'
import { ratioTables } from './ratios.ts'
import type { Result } from './result.ts'
import { targetsTable } from './targets.ts'

const root = join(import.meta.dirname, '../..')

/** RESULTS.md: what counts first, then what each bench has printed. */
export function page(about: Machine, results: readonly Result[], lines: readonly string[]): string {
  const all = [
    '# Results',
    '',
    'Written by `npm run bench`. All servers, the origin and the client are processes of one machine. The server that is measured has',
    'one core to itself, client and origin have another one. Bytes are compared before anything is measured, and hits are counted at the',
    'origin.',
    '',
    ...machineLines(about),
    ...ratioTables(results),
    ...targetsTable(results),
    ...lines,
  ]
  return `${all.join('\n').trimEnd()}\n`
}

/** RESULTS.md, results.json beside it, and the chart of the README. */
export function writeReport(about: Machine, results: readonly Result[], lines: readonly string[]): void {
  writeFileSync(join(root, 'bench/RESULTS.md'), page(about, results, lines))
  writeFileSync(join(root, 'bench/results.json'), json(about, results))
  writeFileSync(join(root, 'docs/benchmark.svg'), chart(about, results))
}

/** A line for each result, figures with six digits. */
export function json(about: Machine, results: readonly Result[]): string {
  const short = (_: string, value: unknown) =>
    typeof value === 'number' ? Number(value.toPrecision(6)) : value
  const lines = results.map((result) => `    ${JSON.stringify(result, short)}`)
  return `{\n  "about": ${JSON.stringify(about, short)},\n  "results": [\n${lines.join(',\n')}\n  ]\n}\n`
}
