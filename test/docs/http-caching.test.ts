import { existsSync, globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'

/**
 * The tables of docs/http-caching.md name their tests so: `proxy/pass/requests` is test/proxy/pass/requests.test.ts, and each
 * text in italics behind it is a part of the name of a test in that file.
 */

const root = join(import.meta.dirname, '../..')
const page = readFileSync(join(root, 'docs/http-caching.md'), 'utf8')

interface Row {
  line: number
  /** Text of the last cell: the tests. */
  tests: string
}

interface Named {
  file: string
  /** Parts of test names. */
  parts: string[]
}

/** The rows of all tables whose last column is headed `test`. */
function rows(): Row[] {
  const found: Row[] = []
  let lists = false
  for (const [index, text] of page.split('\n').entries()) {
    if (!text.startsWith('|')) {
      lists = false
      continue
    }
    const last = text.split('|').at(-2)?.trim() ?? ''
    if (last === 'test') lists = true
    else if (lists && !/^-+$/.test(last)) found.push({ line: index + 1, tests: last })
  }
  return found
}

function named({ tests }: Row): Named[] {
  const found: Named[] = []
  for (const [, file, part] of tests.matchAll(/`([^`]+)`|\*([^*]+)\*/g)) {
    if (file !== undefined) found.push({ file, parts: [] })
    else found.at(-1)?.parts.push(part)
  }
  return found
}

/** What stands in quotes in a file: its strings, the names of tests among them. */
function strings(file: string): string[] {
  const text = readFileSync(join(root, file), 'utf8').replace(/^\s*(?:\/\/|\/?\*).*$/gm, '')
  return text.match(/'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`/g) ?? []
}

t.test('the reader of the page sees its tables', async (t) => {
  t.ok(rows().length > 100)
  t.same(named({ line: 0, tests: '`a/b` *one*, *two*; `c` *three*' }), [
    { file: 'a/b', parts: ['one', 'two'] },
    { file: 'c', parts: ['three'] },
  ])
})

t.test('every row names tests that exist', async (t) => {
  let found = 0
  for (const row of rows()) {
    const tests = named(row)
    if (tests.length === 0) t.fail(`line ${row.line}: no test`)
    for (const { file, parts } of tests) {
      const path = `test/${file}.test.ts`
      if (!existsSync(join(root, path))) {
        t.fail(`line ${row.line}: there is no ${path}`)
        continue
      }
      if (parts.length === 0) t.fail(`line ${row.line}: no test of ${path} is named`)
      const texts = strings(path)
      for (const part of parts) {
        if (texts.some((text) => text.includes(part))) found++
        else t.fail(`line ${row.line}: no test of ${path} has "${part}" in its name`)
      }
    }
  }
  t.ok(found > 250, `${found} names are found`)
})

t.test('every table of conformance is on the page', async (t) => {
  const files = globSync('test/{conformance,proxy/security}/*.test.ts', { cwd: root })
  const shown = new Set(rows().flatMap((row) => named(row).map(({ file }) => file)))
  const missing = files.map((file) => file.slice('test/'.length, -'.test.ts'.length))
  t.same(
    missing.filter((file) => !shown.has(file)),
    [],
  )
})

t.test('links lead to files and to headings of the page', async (t) => {
  const headings = [...page.matchAll(/^#+ (.*)$/gm)].map(([, text]) =>
    text
      .toLowerCase()
      .replace(/[^a-z0-9 -]/g, '')
      .replaceAll(' ', '-'),
  )
  for (const [, target] of page.matchAll(/\]\(([^)]+)\)/g)) {
    const exists = target.startsWith('#')
      ? headings.includes(target.slice(1))
      : existsSync(join(root, 'docs', target.replace(/#.*/, '')))
    t.ok(exists, target)
  }
})
