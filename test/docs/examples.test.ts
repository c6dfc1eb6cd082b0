import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { loadConfig } from '../../config/load.ts'
import { knownKeys } from '../../config/nearest.ts'
import { root, runServer } from '../server/run.ts'

const examples = globSync('examples/*.yaml', { cwd: root }).sort()

t.test('there is one for each backend', async (t) => {
  const backends = examples.map((file) => {
    const text = readFileSync(join(root, file), 'utf8')
    return loadConfig(text, { file, env: {} }).config?.l2_backend
  })
  t.same([...new Set(backends)].sort(), ['file', 'raw_disk'])
})

for (const file of examples) {
  t.test(`${file} passes --check-config`, async (t) => {
    t.match(await runServer(t, ['--check-config', join(root, file)]), { code: 0, stdout: 'ok\n', stderr: '' })
  })

  t.test(`${file} has every key, with a comment above it`, async (t) => {
    const lines = readFileSync(join(root, file), 'utf8').split('\n')
    for (const key of knownKeys.keys()) {
      const name = key.split('.').at(-1)
      const at = lines.findIndex((line) => new RegExp(`^(# )?( {2})?${name}:`).test(line))
      t.ok(at > 0 && /^(# )*\s*#/.test(lines[at - 1]), key)
    }
  })
}
