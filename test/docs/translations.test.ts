import { existsSync, globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { fencedBlocks } from './blocks.ts'

/** A translated page (`NAME.zh-CN.md`) has the blocks of its original, so that no command drifts, and its headings and tables. */

const root = join(import.meta.dirname, '../..')
const translations = globSync(['*.zh-CN.md', 'docs/*.zh-CN.md'], { cwd: root }).sort()
const MUST_BE_THERE = [
  'README.zh-CN.md',
  'docs/migration-from-pingora-slice.zh-CN.md',
  'docs/operations.zh-CN.md',
]

const read = (file: string) => readFileSync(join(root, file), 'utf8')

/** Levels of the headings and lengths of the tables, in order. */
function outline(page: string): string[] {
  const found: string[] = []
  let rows = 0
  for (const line of [...page.replace(/^ *```[\s\S]*?^ *```/gm, '').split('\n'), '']) {
    if (line.startsWith('|')) rows++
    else if (rows > 0) {
      found.push(`table of ${rows} rows`)
      rows = 0
    }
    if (/^#+ /.test(line)) found.push(line.replace(/[^#].*/, ''))
  }
  return found
}

t.test('the translations are there', async (t) => {
  t.same(
    MUST_BE_THERE.filter((file) => !translations.includes(file)),
    [],
  )
})

for (const translation of translations) {
  const original = translation.replace('.zh-CN', '')
  t.test(`${translation} and ${original}`, async (t) => {
    t.ok(existsSync(join(root, original)))
    const blocks = (file: string) =>
      fencedBlocks(file, read(file)).map(({ marker, language, text }) => ({ marker, language, text }))
    t.same(blocks(translation), blocks(original), 'the same blocks, marked alike')
    t.same(outline(read(translation)), outline(read(original)), 'the same headings and tables')
    t.ok(read(original).includes(translation.split('/').at(-1)!), 'the original leads to the translation')
    t.ok(read(translation).includes(original.split('/').at(-1)!), 'and back')
  })
}
