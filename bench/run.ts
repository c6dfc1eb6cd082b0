// npm run bench: all benches, results to bench/RESULTS.md. With --smoke seconds of work, with a name (decide, ttfb, memory)
// that bench alone; then nothing is written.
import { writeFileSync } from 'node:fs'
import { availableParallelism, cpus, loadavg } from 'node:os'
import { join } from 'node:path'
import { createScope } from '../test/helpers/scope.ts'
import { benchDecide } from './decide.ts'
import type { Bench } from './harness.ts'
import { benchMemory } from './memory.ts'
import { benchTtfb } from './ttfb.ts'

const only = process.argv.slice(2).find((argument) => !argument.startsWith('-'))
const lines: string[] = []
const scope = createScope()
const bench: Bench = {
  scope,
  smoke: process.argv.includes('--smoke'),
  line(text) {
    lines.push(text)
    console.log(text)
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
  if (only === undefined || only === 'decide') benchDecide(bench)
  if (only === undefined || only === 'ttfb') await benchTtfb(bench)
  if (only === undefined || only === 'memory') await benchMemory(bench)
  while (lines.at(-1) === '') lines.pop()
  if (!bench.smoke && only === undefined)
    writeFileSync(join(import.meta.dirname, 'RESULTS.md'), `${lines.join('\n')}\n`)
} finally {
  await scope.end()
}
