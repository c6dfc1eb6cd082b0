import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { formatErrors, loadConfig } from '../../config/load.ts'

const root = join(import.meta.dirname, '../..')

t.test('docs/configuration.md and the template are what the schema says', async (t) => {
  const check = promisify(execFile)(process.execPath, ['scripts/config-docs.ts', '--check'], { cwd: root })
  await t.resolves(check)
})

for (const name of ['slicestream.yaml', 'development.yaml']) {
  t.test(`config/${name} is a valid configuration`, async (t) => {
    const file = join(root, 'config', name)
    const { errors } = loadConfig(readFileSync(file, 'utf8'), { file, env: {} })
    t.equal(errors && formatErrors(errors, name), undefined)
  })
}

t.test('the template sets every key to its default', async (t) => {
  const text = readFileSync(join(root, 'config/slicestream.yaml'), 'utf8')
  const upstream = 'upstream_address: origin.example.com:80'
  const load = (yaml: string) => loadConfig(yaml, { file: '/c.yaml', env: {} }).config
  t.same(load(text), load(upstream))
  const withRawDisk = load(text.replace(/^# (?=raw_disk_cache:| )/gm, ''))
  t.same(withRawDisk?.raw_disk_cache, load(`${upstream}\nraw_disk_cache: {}`)?.raw_disk_cache)
})
