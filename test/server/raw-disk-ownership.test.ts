import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { bytesOf } from '../helpers/bytes.ts'
import { fileOrigin } from '../helpers/file-origin.ts'
import { tempDir } from '../helpers/scope.ts'
import { freePorts } from '../helpers/server.ts'
import { MIB, SLICE, startRawServer, TOTAL } from './raw-disk.ts'
import { runServer } from './run.ts'

/** Starts a server that is expected to end at once, and says how. */
async function refused(t: Test, rawDisk: Record<string, unknown>, settings: Record<string, unknown> = {}) {
  const [proxy, health, metrics] = (await freePorts(3)).map((port) => `127.0.0.1:${port}`)
  const file = join(tempDir(t), 'config.yaml')
  const config = {
    upstream_address: '127.0.0.1:9',
    listen_address: proxy,
    health_endpoint: { address: health },
    metrics_endpoint: { address: metrics },
    l2_backend: 'raw_disk',
    raw_disk_cache: { total_size: TOTAL, ...rawDisk },
    slice_size: SLICE,
    log_level: 'silent',
    ...settings,
  }
  writeFileSync(file, JSON.stringify(config, null, 1))
  return { file, ...(await runServer(t, [file])) }
}

/** It ends with 1, one sentence, no stack. */
function oneSentence(t: Test, { code, stderr }: { code: number | null; stderr: string }, told: RegExp): void {
  t.equal(code, 1)
  t.match(stderr, told)
  t.equal(stderr.split('\n').length, 2, `one line: ${stderr}`)
  t.match(stderr, /^slicestream: /)
  t.notMatch(stderr, /\n\s+at /)
}

t.test('a second process on the same device is refused, and the first one goes on', async (t) => {
  const file = bytesOf(1, 3 * SLICE)
  const origin = await fileOrigin(t, { '/f': file })
  const raw = await startRawServer(t, origin.url)
  await raw.ask('/f')
  await raw.settled()
  const size = statSync(raw.device).size
  for (const more of [{}, { format: true }]) {
    const second = await refused(t, { device_path: raw.device, ...more })
    oneSentence(t, second, /another process/)
    t.ok(second.stderr.includes(raw.device), 'it names the device')
  }
  t.equal(statSync(raw.device).size, size)
  const answer = await raw.ask('/f')
  t.equal(answer.header('x-cache'), 'HIT')
  t.ok(answer.body.equals(file))

  // The kernel lets go of it with the process: no stale lock is left.
  await raw.server.kill('SIGKILL')
  await raw.server.start()
  await raw.settled()
  t.equal((await raw.ask('/f')).header('x-cache'), 'HIT')
})

t.test("somebody else's file is refused and untouched; format: true takes it", async (t) => {
  const origin = await fileOrigin(t, { '/f': bytesOf(1, 3 * SLICE) })
  const dir = tempDir(t)
  // Large enough, too small, and one whose bytes are far from its ends.
  const hidden = Buffer.alloc(TOTAL)
  bytesOf(3, 20 * MIB).copy(hidden, 6 * MIB)
  const foreign = { large: bytesOf(1, TOTAL), small: Buffer.from('my diary\n'), hidden }
  for (const [name, bytes] of Object.entries(foreign)) {
    const path = join(dir, name)
    writeFileSync(path, bytes)
    const told = await refused(t, { device_path: path })
    oneSentence(t, told, /raw_disk_cache\.format/)
    t.ok(told.stderr.includes(path))
    t.ok(readFileSync(path).equals(bytes), `${name}: not a byte was changed`)
  }
  t.same(readdirSync(dir).sort(), Object.keys(foreign).sort(), 'nothing was left beside it')

  const raw = await startRawServer(t, origin.url, { device_path: join(dir, 'large'), format: true })
  await raw.ask('/f')
  await raw.settled()
  t.equal((await raw.ask('/f')).header('x-cache'), 'HIT')
  await raw.server.kill('SIGTERM')
  await raw.server.start()
  await raw.settled()
  t.equal((await raw.ask('/f')).header('x-cache'), 'HIT', 'what is ours already is not formatted again')
})

t.test('a directory, a missing directory', async (t) => {
  const dir = tempDir(t)
  mkdirSync(join(dir, 'directory'))
  oneSentence(t, await refused(t, { device_path: join(dir, 'directory') }), /directory/)
  const missing = join(dir, 'none/raw')
  const told = await refused(t, { device_path: missing })
  oneSentence(t, told, /ENOENT|no such|does not exist|missing/)
  t.notOk(existsSync(dirname(missing)))
})

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

t.test('another size or block size than before starts empty and says so', async (t) => {
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
