import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type Block, commandLines, missingLine, orderOf, shellBlocks, stepsOf } from './blocks.ts'
import { type Machine, startMachine, which } from './machine.ts'

/**
 * Every shell line of the documentation: run here, on a machine of its own for each page and from top to bottom, or marked as needing
 * another machine. Translations have the same blocks (`translations.test.ts`) and are not run again.
 *
 * `PAGE=docs/purge.md node test/docs/commands.test.ts` runs one page.
 */

const root = join(import.meta.dirname, '../..')
const pages = globSync(['*.md', 'docs/*.md', '{deploy,docker,examples}/**/*.md'], { cwd: root }).sort()
const wanted = process.env.PAGE ? [process.env.PAGE] : pages.filter((page) => !page.includes('.zh-CN.'))

/** Pages whose reader has the service running; the reader of `docs/operations.md` installs it. */
const INSTALLED = new Set(['docs/purge.md'])

// A page is minutes of a busy machine: for this process, and, by its comment, for the runner.
const TIMEOUT = 600_000
t.setTimeout(TIMEOUT)
t.comment(`timeout=${TIMEOUT}`)

/** Without these no page can be run; what else a block needs it names. */
const ALWAYS_NEEDED = ['bash', 'curl', 'git', 'sed', 'tar']

const told = { run: 0, skipped: 0, elsewhere: 0 }

t.test('every shell block is marked', async (t) => {
  for (const page of pages) {
    const unmarked = blocksOf(page).filter((block) => orderOf(block) === null)
    t.same(unmarked.map(place), [], page)
  }
})

for (const page of wanted) {
  const blocks = blocksOf(page)
  if (blocks.length === 0) continue
  const missing = ALWAYS_NEEDED.filter((name) => which(name) === '')
  const skip = missing.length > 0 && `there is no ${missing.join(', ')} here`
  t.test(page, { timeout: TIMEOUT, skip }, async (t) => {
    let machine: Machine | undefined
    for (const block of blocks) {
      const lines = stepsOf(block).flatMap(({ script }) => commandLines(script)).length
      const order = orderOf(block)
      if (order === null) continue // failed above
      if (order.kind === 'other machine') {
        told.elsewhere += lines
        continue
      }
      const missing = order.needs.filter((name) => which(name) === '')
      if (missing.length > 0) {
        told.skipped += lines
        t.test(place(block), { skip: `there is no ${missing.join(', ')} here` }, () => {})
        continue
      }
      machine ??= await startMachine(t, { installed: INSTALLED.has(page) })
      if (!(await runBlock(t, machine, block, order.background))) return // what follows builds on it
      told.run += lines
    }
  })
}

t.test('lines of the documentation', async (t) => {
  t.comment(
    `${told.run} run, ${told.skipped} skipped for want of a tool, ${told.elsewhere} need another machine`,
  )
  if (!process.env.PAGE && told.skipped === 0) t.ok(told.run > told.elsewhere, 'most lines are run')
})

async function runBlock(t: Test, machine: Machine, block: Block, background: boolean): Promise<boolean> {
  const steps = stepsOf(block)
  for (const [index, { script, shown }] of steps.entries()) {
    const stays = background && index === steps.length - 1
    const isThere = (output: string) => missingLine(shown.map(machine.localise), output) === undefined
    const { code, output } = await machine.run(script, stays ? isThere : undefined)
    const missing = missingLine(shown.map(machine.localise), output)
    const good = code === (stays ? null : 0) && missing === undefined
    t.ok(good, `${place(block)}: ${script.split('\n')[0]}`)
    if (good) continue
    const line = missing === undefined ? '' : `, and shows no line like: ${missing}`
    t.comment(`${machine.localise(script)}\nexits with ${code}${line}\n${output}`)
    return false
  }
  return true
}

function blocksOf(page: string): Block[] {
  return shellBlocks(page, readFileSync(join(root, page), 'utf8'))
}

function place({ file, line }: Block): string {
  return `${file}:${line}`
}
