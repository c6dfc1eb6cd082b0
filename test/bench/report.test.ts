import t from 'tap'
import { chart } from '../../bench/report/chart.ts'
import { figuresTable } from '../../bench/report/figures.ts'
import type { Machine } from '../../bench/report/machine.ts'
import { json, page, type Section } from '../../bench/report/page.ts'
import { ratioTables } from '../../bench/report/ratios.ts'
import { figureOf, type Metric, type Result, ratioOf } from '../../bench/report/result.ts'
import { TARGETS, type Target, targetsTable, verdictOf } from '../../bench/report/targets.ts'

const ABOUT: Machine = {
  date: '2026-01-02',
  node: 'v26.0.0',
  platform: 'linux x64',
  kernel: '6.0',
  processor: 'A & B <C>',
  cores: 2,
  load: 0.25,
  client: 'wrk 4.1.0',
  versions: { nginx: '1.22.1' },
  missing: { varnish: 'varnishd is not installed' },
}

function result(work: string, peer: string, figures: Partial<Record<Metric, number[]>>): Result {
  const entries = Object.entries(figures).map(([metric, rounds]) => [metric, figureOf(rounds)])
  return { work, peer, figures: Object.fromEntries(entries) }
}

function section(bench: string, results: Result[], lines: string[]): Section {
  return { bench, about: ABOUT, results, lines }
}

const HITS = [
  result('L1 hit 1 KiB', 'slicestream', {
    requestsPerSecond: [100, 300, 200],
    cpuMicroseconds: [20, 20, 20],
  }),
  result('L1 hit 1 KiB', 'node-http', { requestsPerSecond: [50, 50, 50], cpuMicroseconds: [40, 40, 40] }),
  result('L1 hit 1 KiB', 'nginx', { requestsPerSecond: [100, 100, 100], cpuMicroseconds: [10, 10, 10] }),
  result('L1 hit 1 KiB', 'nginx-sendfile', {
    requestsPerSecond: [200, 600, 400],
    cpuMicroseconds: [16, 16, 16],
  }),
  result('L1 hit 1 KiB', 'varnish', { requestsPerSecond: [200, 200, 200], cpuMicroseconds: [30, 30, 30] }),
]

t.test('a figure is the median with its range', async (t) => {
  t.same(figureOf([3, 1, 2]), { median: 2, min: 1, max: 3, rounds: [3, 1, 2] })
  t.equal(figureOf([4, 1, 3, 2]).median, 2.5)
})

t.test(
  'a ratio is the median of those within one round, since the machine changes from round to round',
  async (t) => {
    t.equal(ratioOf(figureOf([10, 200, 3000]), figureOf([5, 100, 3000])), 2)
    t.equal(ratioOf(figureOf([10, 200]), figureOf([5, 100, 1])), 2, 'rounds that both have')
  },
)

t.test('above 1 means better in all tables of ratios', async (t) => {
  const lines = ratioTables(HITS)
  t.ok(lines.includes('| Requests a second | node-http | nginx | nginx-sendfile | varnish |'))
  t.ok(lines.includes('| L1 hit 1 KiB | 4.00 | 2.00 | 0.50 | 1.00 |'), 'more requests')
  t.ok(lines.includes('| L1 hit 1 KiB | 2.00 | 0.50 | 0.80 | 1.50 |'), 'less CPU')
  t.notOk(
    lines.some((line) => line.startsWith('| Peak memory')),
    'nothing of what was not measured',
  )
  const disk = [
    result('L2 hit 1 MiB', 'slicestream raw disk', { requestsPerSecond: [3] }),
    result('L2 hit 1 MiB', 'nginx-disk', { requestsPerSecond: [4] }),
  ]
  t.ok(ratioTables(disk).includes('| L2 hit 1 MiB, raw disk | 0.75 |'), 'a variant of ours has its row')
})

t.test('targets: their values', async (t) => {
  const results = [
    ...HITS,
    result('L1 hit 1 KiB at 1000 req/s', 'slicestream', { ttfbP99: [0.4, 1.2, 0.7] }),
    result('miss 1 KiB at 200 req/s', 'slicestream', { ttfbAddedP50: [0.15] }),
    result('Zipf trace', 'slicestream', { hitRatio: [0.6] }),
    result('Zipf trace', 'plain LRU', { hitRatio: [0.5] }),
    result('1000 stalled clients of one cached object', 'slicestream', {
      addedRssBytes: [300 * 1024 * 1024],
    }),
  ]
  const rows = targetsTable(results)
  const row = (start: string) => rows.find((line) => line.startsWith(`| ${start}`))
  t.match(row('L1 hit 1 KiB, CPU'), '| <= 1.15 | <= 1.00 | **0.50** | reached |')
  t.match(
    row('L1 hit 1 KiB, req/s over nginx'),
    '| >= 0.75 | >= 1.00 | **0.50** | not met | 0.50 |',
    'the better nginx counts',
  )
  t.match(row('L1 hit 1 KiB, req/s over Varnish'), '| **1.00** | met | 1.50 |')
  t.match(row('Hit TTFB'), '| < 1.00 ms | < 0.500 ms | **0.700 ms** | met |')
  t.match(row('TTFB added'), '| **0.150 ms** | reached |')
  t.match(row('Hit ratio'), '| **1.20** | reached |')
  t.match(row('RSS for 1000 stalled clients of one'), '| **300 MiB** | not met |')
  t.match(row('RSS for 1000 stalled clients of a cold'), '|  | not measured |')
  t.equal(
    rows.filter((line) => /\| (reached|met|not met|not measured) \|/.test(line)).length,
    TARGETS.length,
    'a row each',
  )
})

t.test('targets: what is on the line', async (t) => {
  const target = (direction: Target['direction']): Target => ({
    name: '',
    target: 1,
    reach: direction === 'at least' ? 2 : 0.5,
    direction,
    value: () => 0,
  })
  t.same(
    [0.99, 1, 2].map((value) => verdictOf(target('at least'), value)),
    ['not met', 'met', 'reached'],
  )
  t.same(
    [1.01, 1, 0.5].map((value) => verdictOf(target('at most'), value)),
    ['not met', 'met', 'reached'],
  )
  t.same(
    [1, 0.99, 0.5, 0.49].map((value) => verdictOf(target('below'), value)),
    ['not met', 'met', 'met', 'reached'],
  )
})

t.test('the table of a work has columns for what was measured', async (t) => {
  t.same(figuresTable('A work', HITS.slice(0, 2)), [
    '### A work',
    '',
    '| server | requests/s | CPU us/request |',
    '|---|---:|---:|',
    '| slicestream | 200 (100 to 300) | 20.0 (20.0 to 20.0) |',
    '| node-http | 50 (50 to 50) | 40.0 (40.0 to 40.0) |',
    '',
  ])
})

t.test('the page: what it was measured with, ratios, targets, figures', async (t) => {
  const text = page([section('hits', HITS, ['## Figures', '', 'one', ''])])
  const places = [
    '2026-01-02, Node v26.0.0',
    'nginx 1.22.1',
    'varnish is left out',
    '## Ratios',
    '## Targets',
    '## Figures',
    '## When',
    '| hits | 2026-01-02 | 0.3 |',
  ]
  t.same(
    places.map((place) => text.indexOf(place)),
    places.map((place) => text.indexOf(place)).sort((a, b) => a - b),
  )
  t.ok(places.every((place) => text.includes(place)))
  t.match(text, '\none\n')
})

t.test('the JSON has all rounds, with six digits', async (t) => {
  const results = [...HITS, result('x', 'y', { seconds: [1 / 3, 1234567.8] })]
  const { sections } = JSON.parse(json([section('hits', results, ['a "line"', '']), section('none', [], [])]))
  const [read, none] = sections
  t.same(none, section('none', [], []))
  t.same(read.about, ABOUT)
  t.same(read.lines, ['a "line"', ''])
  t.same(read.results.slice(0, -1), HITS)
  t.same(read.results.at(-1).figures.seconds.rounds, [0.333333, 1234570])
})

t.test('the chart: a panel for each work that was measured, ours marked', async (t) => {
  const svg = chart(ABOUT, HITS)
  t.match(svg, /^<svg xmlns="http:\/\/www.w3.org\/2000\/svg" viewBox="0 0 860 \d+"/)
  t.match(svg, 'Hit in memory, 1 KiB')
  t.notMatch(svg, 'Pass-through')
  t.equal(svg.match(/<rect class="bar/g)!.length, HITS.length)
  t.equal(svg.match(/class="bar ours"/g)!.length, 1)
  t.match(svg, 'A &amp; B &lt;C>')
  t.match(svg, '@media (prefers-color-scheme: dark)')
  t.notMatch(svg, /NaN|undefined|Infinity/)
})
