import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { readSettledConfig } from '../../config/read.ts'
import { tempDir } from '../helpers/scope.ts'

const half = 'upstream_address: http://a.example\n'
const whole = `${half}cache_ttl: 7\n`

function start(t: Parameters<typeof tempDir>[0]) {
  const file = join(tempDir(t), 'c.yaml')
  return { file, read: () => readSettledConfig({ file, env: {} }) }
}

t.test('a file that is being written is read when it is whole', async (t) => {
  const { file, read } = start(t)
  writeFileSync(file, half)
  const reading = read() // has read it once
  writeFileSync(file, whole)
  t.match(await reading, { cache_ttl: 7 })
})

t.test('a file that is not there for a moment is waited for, one that stays away is told', async (t) => {
  const { file, read } = start(t)
  const reading = read()
  writeFileSync(file, whole)
  t.match(await reading, { cache_ttl: 7 })
  rmSync(file)
  await t.rejects(read(), { name: 'ConfigFileError', message: /no such file/ })
})

t.test('a file that does not stop changing is refused', async (t) => {
  const { file, read } = start(t)
  let count = 0
  const write = () => writeFileSync(file, `${half}cache_ttl: ${++count}\n`)
  write()
  const timer = setInterval(write, 10)
  t.teardown(() => clearInterval(timer))
  await t.rejects(read(), { name: 'ConfigFileError', message: /c\.yaml: kept changing for 2 seconds$/ })
})
