import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'

const root = join(import.meta.dirname, '../..')
const read = (file: string) => readFileSync(join(root, file), 'utf8')
const alerts = [...read('deploy/prometheus/rules/slicestream.yml').matchAll(/^\s*- alert: (\w+)$/gm)].map(
  ([, name]) => name,
)

for (const page of ['docs/operations.md', 'docs/operations.zh-CN.md']) {
  t.test(`${page} says what to do about each alert, and about no other`, async (t) => {
    const rows = read(page).match(/^\| `[A-Z][A-Za-z]+`.*$/gm) ?? []
    const named = rows.flatMap((row) => [...row.split('|')[1].matchAll(/`(\w+)`/g)].map(([, name]) => name))
    t.ok(alerts.length > 10)
    t.same(named.sort(), alerts.toSorted())
  })
}
