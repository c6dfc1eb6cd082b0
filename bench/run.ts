// npm run bench: all benches, results to bench/RESULTS.md, bench/results.json and docs/benchmark.svg. With --smoke seconds of
// work; with names (those of BENCHES) those benches alone, with a part's name (stores/puts) that part. Then nothing is
// written, but with --save: that puts what the named benches have measured in the place of what they had.
import { createScope } from '../test/helpers/scope.ts'
import { benchConnections } from './connections.ts'
import { benchDecide } from './decide.ts'
import type { Bench } from './harness.ts'
import { benchHits } from './hits.ts'
import { benchIdle } from './idle.ts'
import { benchLatency } from './latency.ts'
import { benchMemory } from './memory.ts'
import { benchMisses } from './misses.ts'
import { benchRanges } from './ranges.ts'
import { machine, machineLines } from './report/machine.ts'
import { type Section, writeReport } from './report/page.ts'
import { ratioTables } from './report/ratios.ts'
import type { Result } from './report/result.ts'
import { targetsTable } from './report/targets.ts'
import { benchStalled } from './stalled.ts'
import { benchStampede } from './stampede/stampede.ts'
import { benchStores } from './stores/stores.ts'
import { benchTiers } from './tiers.ts'
import { benchTtfb } from './ttfb.ts'
import { benchZipf } from './zipf/zipf.ts'

// As the server does; the disk tiers are measured with it.
process.env.UV_THREADPOOL_SIZE ??= '16'

const BENCHES: Record<string, (bench: Bench, part?: string) => void | Promise<void>> = {
  hits: benchHits,
  tiers: benchTiers,
  ranges: benchRanges,
  misses: benchMisses,
  latency: benchLatency,
  zipf: benchZipf,
  idle: benchIdle,
  stampede: benchStampede,
  stalled: benchStalled,
  decide: benchDecide,
  ttfb: benchTtfb,
  memory: benchMemory,
  connections: benchConnections,
  stores: benchStores,
}

const wanted = process.argv.slice(2).filter((argument) => !argument.startsWith('-'))
let lines: string[] = []
let results: Result[] = []
const sections: Section[] = []
const save = process.argv.includes('--save')
const scope = createScope()
const bench: Bench = {
  scope,
  smoke: process.argv.includes('--smoke'),
  line(text) {
    lines.push(text)
    console.log(text)
  },
  record(result) {
    results.push(result)
  },
}

// What was started does not end with this process by itself. A signal makes the bench fail as well, since its servers go: both
// wait for the same end.
let ending: Promise<void> | undefined
const end = () => (ending ??= scope.end())
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => end().finally(() => process.exit(1)))

for (const line of machineLines(machine())) console.log(line)
try {
  for (const each of wanted.length > 0 ? wanted : Object.keys(BENCHES)) {
    const [name, part] = each.split('/')
    if (!(name in BENCHES)) throw new Error(`no bench has the name ${name}`)
    if (save && part !== undefined) throw new Error(`--save is for whole benches, not for ${each}`)
    const about = machine()
    const started = performance.now()
    await BENCHES[name](bench, part)
    console.error(`${each}: ${Math.round((performance.now() - started) / 1000)} s`)
    sections.push({ bench: name, about, results, lines })
    lines = []
    results = []
    // What was measured is not lost with what comes after it.
    if (!bench.smoke && (save || wanted.length === 0)) writeReport(sections, Object.keys(BENCHES))
  }
  const all = sections.flatMap((section) => section.results)
  const summary = [...ratioTables(all), ...targetsTable(all)]
  if (all.length > 0) for (const line of summary) if (!line.includes('not measured')) console.log(line)
} finally {
  await end()
}
