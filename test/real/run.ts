import { execFileSync } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { createScope } from '../helpers/scope.ts'
import { testFiles } from './files.ts'
import { testNpm } from './npm.ts'
import { createReport } from './report.ts'

// node run.ts [files] [npm]: without arguments both, and the report is written.
const parts = process.argv.slice(2)
const scope = createScope()
const report = createReport()

report.line('# The proxy on real input')
report.line('')
report.line(
  'Written by `test/real/run.sh`; nothing here is edited by hand. Every check is of the bytes: the SHA-256 of what the',
)
report.line('client has against that of the file on the origin’s disk. A check that fails ends the run.')
report.line('')
const first = (command: string, ...args: string[]) =>
  execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).split('\n')[0]
const versions = [
  `Node ${process.version}`,
  first('curl', '--version').split(' (')[0],
  first('wget', '--version').split(' built')[0],
]
report.line(
  `${new Date().toISOString().slice(0, 10)}; ${versions.join(', ')}, npm ${first('npm', '--version')}; ${availableParallelism()} cores.`,
)

try {
  if (parts.length === 0 || parts.includes('files')) await testFiles(scope, report)
  if (parts.length === 0 || parts.includes('npm')) await testNpm(scope, report)
  report.line('')
  report.line(`All ${report.checks} checks passed.`)
  if (parts.length === 0) report.write('docs/real-input.md')
} catch (error) {
  console.error(error)
  process.exitCode = 1
} finally {
  await scope.end()
}
