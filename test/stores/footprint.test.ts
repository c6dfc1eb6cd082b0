import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import t from 'tap'

const program = new URL('./footprint-child.ts', import.meta.url).pathname

// Each in a process of its own: memory that earlier work gave back would be used first and not show.
for (const [what, size, count, asked] of [
  ['small slices', 2000, 50_000, 0],
  ['very small slices', 100, 100_000, 0],
  ['small slices that were asked for', 2000, 50_000, 1],
  ['slices of 64 KiB', 65536, 1500, 0],
  ['slices of 1 MiB', 1048576, 100, 0],
  ['heads', 0, 40_000, 0],
] as const) {
  t.test(`the bytes of ${what} agree with the growth of the process within 20 %`, async (t) => {
    const args = ['--expose-gc', program, ...[size, count, asked].map(String)]
    const env = { ...process.env, NODE_OPTIONS: '' } // without tap's loaders
    const { stdout } = await promisify(execFile)(process.execPath, args, { env })
    const { bytes, grown } = JSON.parse(stdout)
    t.comment(`${bytes} counted, ${grown} grown`)
    t.ok(Math.abs(grown - bytes) < bytes * 0.2, `${(grown / bytes).toFixed(2)} times`)
  })
}
