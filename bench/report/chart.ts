import type { Machine } from './machine.ts'
import { isOurs } from './ratios.ts'
import type { Metric, Result } from './result.ts'

interface Panel {
  work: string
  title: string
  metric: Metric
  unit: string
  /** The best one comes first. */
  more: boolean
}

const PANELS: Panel[] = [
  {
    work: 'L1 hit 1 KiB',
    title: 'Hit in memory, 1 KiB',
    metric: 'requestsPerSecond',
    unit: 'req/s',
    more: true,
  },
  {
    work: 'L1 hit 64 KiB',
    title: 'Hit in memory, 64 KiB',
    metric: 'requestsPerSecond',
    unit: 'req/s',
    more: true,
  },
  {
    work: 'cacheable miss 1 KiB',
    title: 'Cacheable miss, 1 KiB',
    metric: 'requestsPerSecond',
    unit: 'req/s',
    more: true,
  },
  {
    work: 'pass-through 1 MiB',
    title: 'Pass-through, 1 MiB',
    metric: 'megabytesPerSecond',
    unit: 'MB/s',
    more: true,
  },
  {
    work: 'L2 hit 1 MiB',
    title: 'Hit on disk, 1 MiB',
    metric: 'megabytesPerSecond',
    unit: 'MB/s',
    more: true,
  },
  {
    work: 'L1 hit 1 KiB at 1000 req/s',
    title: 'Hit, first byte at 1000 req/s, p99 (less is better)',
    metric: 'ttfbP99',
    unit: 'ms',
    more: false,
  },
]

const WIDTH = 860
const MARGIN = 16
const GAP = 24
const COLUMN = (WIDTH - GAP - 2 * MARGIN) / 2
const NAME = 148
const VALUE = 84
const BAR = 14
const STEP = 20
const HEAD = 30

// GitHub shows the file as an image, which knows the system's choice of light and dark, not that of the page around it: so it
// has a ground of its own.
const STYLE = `
text { font: 12px system-ui, -apple-system, 'Segoe UI', sans-serif; fill: #1f2328 }
.ground { fill: #ffffff }
.title { font-weight: 600; font-size: 13px }
.small { font-size: 11px; fill: #59636e }
.bar { fill: #afb8c1 }
.ours { fill: #0969da }
.name-ours { font-weight: 600 }
@media (prefers-color-scheme: dark) {
  .ground { fill: #0d1117 }
  text { fill: #e6edf3 } .small { fill: #9198a1 } .bar { fill: #4b535d } .ours { fill: #4493f8 }
}`

/** A panel of bars for each of some works, two in a row. Works that were not measured are left out. */
export function chart(about: Machine, results: readonly Result[]): string {
  const panels = PANELS.map((panel) => ({ panel, bars: barsOf(panel, results) })).filter(
    ({ bars }) => bars.length > 0,
  )
  const parts: string[] = []
  let top = 8
  for (let i = 0; i < panels.length; i += 2) {
    const row = panels.slice(i, i + 2)
    row.forEach(({ panel, bars }, column) => {
      parts.push(drawPanel(panel, bars, MARGIN + column * (COLUMN + GAP), top))
    })
    top += HEAD + Math.max(...row.map(({ bars }) => bars.length)) * STEP + 22
  }
  const note = `${about.date}, ${about.processor}, one core for the server; npm run bench, bench/RESULTS.md`
  parts.push(`<text class="small" x="${MARGIN}" y="${top + 6}">${escaped(note)}</text>`)
  const height = top + 20
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img">
<title>slicestream measured against other servers</title>
<style>${STYLE}
</style>
<rect class="ground" width="${WIDTH}" height="${height}" rx="6"/>
${parts.join('\n')}
</svg>
`
}

interface Bar {
  name: string
  value: number
  ours: boolean
}

function barsOf({ work, metric, more }: Panel, results: readonly Result[]): Bar[] {
  const bars = results.flatMap((result) => {
    const figure = result.work === work ? result.figures[metric] : undefined
    return figure === undefined ? [] : [{ name: result.peer, value: figure.median, ours: isOurs(result) }]
  })
  return bars.sort((a, b) => (more ? b.value - a.value : a.value - b.value))
}

function drawPanel({ title, unit }: Panel, bars: readonly Bar[], left: number, top: number): string {
  const longest = Math.max(...bars.map(({ value }) => value))
  const room = COLUMN - NAME - VALUE
  const rows = bars.map(({ name, value, ours }, i) => {
    const y = top + HEAD + i * STEP
    const width = Math.max(1, (value / longest) * room).toFixed(1)
    return `<text class="${ours ? 'name-ours' : 'name'}" x="${left + NAME - 8}" y="${y + 11}" text-anchor="end">${escaped(name)}</text>
<rect class="bar${ours ? ' ours' : ''}" x="${left + NAME}" y="${y}" width="${width}" height="${BAR}" rx="2"/>
<text x="${(left + NAME + Number(width) + 6).toFixed(1)}" y="${y + 11}">${number(value)} ${unit}</text>`
  })
  return `<text class="title" x="${left}" y="${top + 16}">${escaped(title)}</text>\n${rows.join('\n')}`
}

function number(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString('en-US') : value.toPrecision(2)
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}
