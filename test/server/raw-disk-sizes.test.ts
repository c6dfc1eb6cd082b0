import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { bytesOf } from '../helpers/bytes.ts'
import { fileOrigin } from '../helpers/file-origin.ts'
import { tempDir } from '../helpers/scope.ts'
import { MIB, oneSentence, refused, SLICE, startRawServer, TOTAL } from './raw-disk.ts'
import { runServer } from './run.ts'

t.test('no room: the bytes needed and those there are, nothing is left', async (t) => {
  const dir = tempDir(t)
  const total = 2 ** 51
  const told = await refused(t, { device_path: join(dir, 'raw'), total_size: total, block_size: MIB })
  oneSentence(t, told, new RegExp(String(total)))
  t.same(readdirSync(dir), [])
})

t.test(
  'a total_size that holds no regions is told with its line, by --check-config and at the start',
  async (t) => {
    const dir = tempDir(t)
    const sizes = { device_path: join(dir, 'raw'), total_size: 2 * MIB }
    const started = await refused(t, sizes, { slice_size: MIB })
    t.equal(started.code, 1)
    t.match(started.stderr, /config\.yaml:\d+: raw_disk_cache\.total_size: 2097152 .*at least \d+ bytes/)
    t.match(await runServer(t, ['--check-config', started.file]), {
      code: 1,
      stdout: '',
      stderr: started.stderr,
    })
    t.same(readdirSync(dir), [])
  },
)

t.test('H60 another size or block size than before starts empty and says so', async (t) => {
  const origin = await fileOrigin(t, { '/f': bytesOf(1, 3 * SLICE) })
  const device = join(tempDir(t), 'raw')
  for (const [what, sizes] of Object.entries({
    'the first time': { total_size: TOTAL },
    'a larger total_size': { total_size: TOTAL + 8 * MIB },
    'a smaller total_size': { total_size: TOTAL },
    'another block_size': { total_size: TOTAL, block_size: 512 },
  })) {
    const raw = await startRawServer(t, origin.url, { device_path: device, ...sizes })
    t.equal((await raw.settled()).raw_disk_cache_entries, 0, what)
    t.equal((await raw.figures()).raw_disk_block_size_bytes, 'block_size' in sizes ? 512 : 4096)
    t.equal((await raw.ask('/f')).header('x-cache'), 'MISS', what)
    await raw.settled()
    t.equal((await raw.ask('/f')).header('x-cache'), 'HIT', what)
    if (what !== 'the first time')
      t.ok(
        raw.messages().some((message) => /empty/.test(message)),
        `${what} is told`,
      )
    t.equal(await raw.server.kill('SIGTERM'), 0)
  }
})
