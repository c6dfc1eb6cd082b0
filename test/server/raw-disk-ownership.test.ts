import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { bytesOf } from '../helpers/bytes.ts'
import { fileOrigin } from '../helpers/file-origin.ts'
import { tempDir } from '../helpers/scope.ts'
import { MIB, oneSentence, refused, SLICE, startRawServer, TOTAL } from './raw-disk.ts'

t.test('H60 a second process on the same device is refused, and the first one goes on', async (t) => {
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
