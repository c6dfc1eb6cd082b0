import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { formatErrors, loadConfig } from '../../config/load.ts'
import { fencedBlocks } from './blocks.ts'

/** Every block of YAML in the documentation is a configuration, or a part of one, that passes. */

const root = join(import.meta.dirname, '../..')
const blocks = globSync(['*.md', 'docs/*.md'], { cwd: root })
  .sort()
  .flatMap((page) => fencedBlocks(page, readFileSync(join(root, page), 'utf8')))
  .filter(({ language }) => language === 'yaml')

t.ok(blocks.length > 6)

for (const { file, line, text } of blocks) {
  t.test(`${file}:${line}`, async (t) => {
    const whole = /^upstream_address:/m.test(text)
      ? text
      : `${text}\nupstream_address: origin.example.com:80\n`
    const { errors } = loadConfig(whole, { file: join(root, 'page.yaml'), env: {} })
    t.equal(errors && formatErrors(errors, file), undefined)
  })
}
