import { type Figure, type Metric, type Result, ratioOf } from './result.ts'

interface Comparison {
  title: string
  metric: Metric
  /** Whether more of it is better. */
  more: boolean
}

const COMPARISONS: Comparison[] = [
  { title: 'Requests a second', metric: 'requestsPerSecond', more: true },
  { title: 'CPU a request', metric: 'cpuMicroseconds', more: false },
  { title: 'Time to the first byte, p50', metric: 'ttfbP50', more: false },
  { title: 'Time to the first byte, p99', metric: 'ttfbP99', more: false },
  { title: 'Peak memory', metric: 'peakRssBytes', more: false },
  { title: 'Hit ratio', metric: 'hitRatio', more: true },
]

export const OURS = 'slicestream'

export function isOurs({ peer }: Result): boolean {
  return peer === OURS || peer.startsWith(`${OURS} `)
}

/** How many times better `ours` is in this: above 1, it is the better one. */
export function timesBetter(ours: Figure, theirs: Figure, more: boolean): number {
  return more ? ratioOf(ours, theirs) : ratioOf(theirs, ours)
}

/** For each thing that was measured, a table of works and peers. */
export function ratioTables(results: readonly Result[]): string[] {
  const lines = [
    '## Ratios',
    '',
    'How many times better slicestream is than each of the others: above 1 it is ahead. Each is the median over the rounds of the',
    'ratio within one round. Where the servers had time left (`busy` in the figures), the client was the limit of requests a second,',
    'and CPU a request tells more.',
    '',
  ]
  for (const comparison of COMPARISONS) lines.push(...tableOf(comparison, results))
  return lines
}

function tableOf({ title, metric, more }: Comparison, results: readonly Result[]): string[] {
  const measured = results.filter(({ figures }) => figures[metric] !== undefined)
  const others = [...new Set(measured.filter((each) => !isOurs(each)).map(({ peer }) => peer))]
  const rows = measured.filter(isOurs).flatMap((ours) => {
    const cells = others.map((other) => {
      const theirs = measured.find(({ work, peer }) => work === ours.work && peer === other)
      if (theirs === undefined) return ''
      return timesBetter(ours.figures[metric]!, theirs.figures[metric]!, more).toFixed(2)
    })
    const name = [ours.work, ours.peer.slice(OURS.length + 1)].filter(Boolean).join(', ')
    return cells.some(Boolean) ? [`| ${name} | ${cells.join(' | ')} |`] : []
  })
  if (rows.length === 0) return []
  return [`| ${title} | ${others.join(' | ')} |`, `|---${'|---:'.repeat(others.length)}|`, ...rows, '']
}
