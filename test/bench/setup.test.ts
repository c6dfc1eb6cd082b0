import { execFile } from 'node:child_process'
import { chmodSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { type Scope, tempDir } from '../helpers/scope.ts'

const script = join(import.meta.dirname, '../../bench/setup.sh')

/** Runs it where PATH has these commands only; each is a line of shell. */
async function setUp(t: Scope, commands: Record<string, string>): Promise<string> {
  const directory = tempDir(t)
  for (const [name, line] of Object.entries(commands)) {
    writeFileSync(join(directory, name), `#!/bin/bash\n${line}\n`)
    chmodSync(join(directory, name), 0o755)
  }
  symlinkSync('/bin/bash', join(directory, 'bash'))
  const { stdout } = await promisify(execFile)('/bin/bash', [script], { env: { PATH: directory } })
  return stdout
}

t.test('without root it says what is missing, and how to get it', async (t) => {
  const stdout = await setUp(t, { id: 'echo 1000', 'apt-get': 'exit 1', timeout: 'echo must not be run' })
  t.match(stdout, /^bench: without (.* )?wrk .*\(install by: sudo apt-get install .*wrk.*\)$/m)
  t.notMatch(stdout, 'must not')
})
