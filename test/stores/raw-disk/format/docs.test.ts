import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { FORMAT_VERSION } from '../../../../lib/stores/raw-disk/format/superblock.ts'

const root = join(import.meta.dirname, '../../../..')
const doc = readFileSync(join(root, 'docs/raw-disk-format.md'), 'utf8')
const rows = new Set(doc.split('\n').filter(isRow).map(cells))

function isRow(line: string): boolean {
  return /^\|.*\|$/.test(line) && !/^[|\s:-]+$/.test(line)
}

function cells(row: string): string {
  return row
    .split('|')
    .map((cell) => cell.trim())
    .join('|')
}

t.test('the tables of the codecs are in the docs as they are in the source', async (t) => {
  const files = globSync('lib/stores/raw-disk/format/*.ts', { cwd: root })
  let count = 0
  for (const file of files) {
    const lines = readFileSync(join(root, file), 'utf8').split('\n')
    const comments = lines.filter((line) => line.startsWith(' * ')).map((line) => line.slice(3))
    for (const row of comments.filter(isRow).map(cells)) {
      count++
      if (!rows.has(row)) t.fail(`${file}: ${row} is not in the docs`)
    }
  }
  t.ok(count > 60, 'the tables were found')
})

t.test('the docs name the version', async (t) => {
  t.match(doc, `Version ${FORMAT_VERSION}.`)
})
