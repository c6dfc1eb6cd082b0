import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { plain } from '../helpers/child.ts'

/** One test for each bench: that it runs through and prints these rows. What it measures is not judged. */
export function testBenches(rowsByName: Record<string, string[]>): void {
  const bench = join(import.meta.dirname, '../../bench/run.ts')
  for (const [name, rows] of Object.entries(rowsByName)) {
    t.test(`the bench ${name} runs through`, async (t) => {
      const { stdout } = await promisify(execFile)(...plain(process.execPath, [bench, name, '--smoke']))
      for (const row of rows) t.ok(stdout.includes(row), row)
    })
  }
}
