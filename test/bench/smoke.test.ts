import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { plain } from '../helpers/child.ts'

t.test('the benches run through; what they measure is not judged here', async (t) => {
  const bench = join(import.meta.dirname, '../../bench/run.ts')
  const { stdout } = await promisify(execFile)(...plain(process.execPath, [bench, '--smoke']))
  for (const row of [
    '16 variants',
    '1 KiB | proxy, hit',
    '1 MiB | proxy, miss',
    'again, from the cache',
    'none cached',
  ]) {
    t.ok(stdout.includes(row), row)
  }
})
