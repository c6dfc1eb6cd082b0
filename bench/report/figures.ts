import type { Figure, Metric, Result } from './result.ts'

interface Column {
  metric: Metric
  title: string
  text(value: number): string
  /** The range over the rounds behind the median. */
  spread?: boolean
}

const COLUMNS: Column[] = [
  { metric: 'requestsPerSecond', title: 'requests/s', text: whole, spread: true },
  { metric: 'megabytesPerSecond', title: 'MB/s', text: whole },
  { metric: 'cpuMicroseconds', title: 'CPU us/request', text: three, spread: true },
  { metric: 'busy', title: 'busy', text: percent },
  { metric: 'ttfbP50', title: 'TTFB p50, ms', text: three },
  { metric: 'ttfbP99', title: 'p99', text: three, spread: true },
  { metric: 'ttfbP999', title: 'p99.9', text: three },
  { metric: 'ttfbAddedP50', title: 'added p50', text: three },
  { metric: 'clientDelayP99', title: 'client late p99', text: three },
  { metric: 'serverWaited', title: 'no core, ms/s', text: three, spread: true },
  { metric: 'coreStolen', title: 'stolen, ms/s', text: three },
  { metric: 'hitRatio', title: 'hits', text: percent },
  { metric: 'byteHitRatio', title: 'bytes hit', text: percent },
  { metric: 'originRequests', title: 'origin requests', text: whole },
  { metric: 'seconds', title: 'seconds', text: three },
  { metric: 'addedRssBytes', title: 'added MiB', text: mebibytes },
  { metric: 'peakRssBytes', title: 'peak RSS, MiB', text: mebibytes },
]

/** The table of one work: a row for each server, a column for each thing that was measured. */
export function figuresTable(title: string, results: readonly Result[]): string[] {
  const columns = COLUMNS.filter(({ metric }) => results.some(({ figures }) => figures[metric] !== undefined))
  const rows = results.map(({ peer, figures }) => [
    peer,
    ...columns.map((column) => cell(column, figures[column.metric])),
  ])
  return [
    `### ${title}`,
    '',
    `| server | ${columns.map((column) => column.title).join(' | ')} |`,
    `|---${'|---:'.repeat(columns.length)}|`,
    ...rows.map((cells) => `| ${cells.join(' | ')} |`),
    '',
  ]
}

function cell({ text, spread }: Column, figure: Figure | undefined): string {
  if (figure === undefined) return ''
  const range = `(${text(figure.min)} to ${text(figure.max)})`
  return spread && figure.rounds.length > 1 ? `${text(figure.median)} ${range}` : text(figure.median)
}

function whole(value: number): string {
  return String(Math.round(value))
}

/** With three digits. */
export function three(value: number): string {
  return value >= 100 ? whole(value) : value.toPrecision(3)
}

function percent(value: number): string {
  return `${(value * 100).toFixed(value > 0.995 ? 0 : 1)} %`
}

function mebibytes(value: number): string {
  return (value / 1024 / 1024).toFixed(value < 10 * 1024 * 1024 ? 1 : 0)
}
