// npm run bench: all benches, results to bench/RESULTS.md. With --smoke seconds of work; with names (decide, ttfb, memory,
// connections, stores) those benches alone, with a part's name (stores/puts) that part. Then nothing is written.
import { writeFileSync } from 'node:fs'
import { availableParallelism, cpus, loadavg } from 'node:os'
import { join } from 'node:path'
import { createScope } from '../test/helpers/scope.ts'
import { benchConnections } from './connections.ts'
import { benchDecide } from './decide.ts'
import type { Bench } from './harness.ts'
import { benchHits } from './hits.ts'
import { benchMemory } from './memory.ts'
import { benchMisses } from './misses.ts'
import { benchRanges } from './ranges.ts'
import type { Result } from './report/result.ts'
import { benchStores } from './stores/stores.ts'
import { benchTiers } from './tiers.ts'
import { benchTtfb } from './ttfb.ts'

// As the server does; the disk tiers are measured with it.
process.env.UV_THREADPOOL_SIZE ??= '16'

const BENCHES: Record<string, (bench: Bench, part?: string) => void | Promise<void>> = {
  hits: benchHits,
  tiers: benchTiers,
  ranges: benchRanges,
  misses: benchMisses,
  decide: benchDecide,
  ttfb: benchTtfb,
  memory: benchMemory,
  connections: benchConnections,
  stores: benchStores,
}

const wanted = process.argv.slice(2).filter((argument) => !argument.startsWith('-'))
const lines: string[] = []
const results: Result[] = []
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

bench.line('# Results')
bench.line('')
bench.line(
  'Written by `npm run bench`. Origin, proxy and client are processes of one machine and share its cores.',
)
bench.line('')
const load = loadavg()[0].toFixed(1)
const processor = `${availableParallelism()} cores (${cpus()[0].model.trim()})`
bench.line(
  `${new Date().toISOString().slice(0, 10)}, Node ${process.version}, ${process.platform} ${process.arch}, ${processor}, load ${load} before.`,
)
bench.line('')
try {
  for (const each of wanted.length > 0 ? wanted : Object.keys(BENCHES)) {
    const [name, part] = each.split('/')
    if (!(name in BENCHES)) throw new Error(`no bench has the name ${name}`)
    await BENCHES[name](bench, part)
  }
  while (lines.at(-1) === '') lines.pop()
  if (!bench.smoke && wanted.length === 0)
    writeFileSync(join(import.meta.dirname, 'RESULTS.md'), `${lines.join('\n')}\n`)
} finally {
  await scope.end()
}
