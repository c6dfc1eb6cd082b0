import fs from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { scratchDirectory } from '../helpers.ts'
import { type AnyCall, MIB, open, refused, replaceSystemCalls } from './opening.ts'

/** From now on writing fails with this code behind so many bytes. */
function failingAfter(t: Parameters<typeof replaceSystemCalls>[0], bytes: number, code: string): void {
  const { write } = fs as { write: AnyCall }
  replaceSystemCalls(t, {
    write(fd, buffer, offset, length, position, done) {
      if (position + length > bytes) done(Object.assign(new Error(code), { code, errno: -1 }), 0)
      else write(fd, buffer, offset, length, position, done)
    },
  })
}

t.test('a link to nothing is not replaced', async (t) => {
  const dir = scratchDirectory(t)
  fs.symlinkSync(join(dir, 'unmounted', 'disk'), join(dir, 'link'))
  await refused(t, join(dir, 'link'), {}, { code: 'ENOENT', message: /is a link to nothing/ })
  t.same(fs.readdirSync(dir), ['link'])
})

t.test('somebody else’s file stays as it is, however long', async (t) => {
  const dir = scratchDirectory(t)
  for (const length of [1, 5000, 200_000, 17 * MIB]) {
    const path = join(dir, `file ${length}`)
    const content = Buffer.alloc(length, 'photos')
    fs.writeFileSync(path, content)
    await refused(
      t,
      path,
      {},
      { code: 'FOREIGN', message: /holds something else .*raw_disk_cache\.format: true/ },
    )
    t.ok(fs.readFileSync(path).equals(content))
  }
  fs.writeFileSync(join(dir, 'disk.new'), 'mine')
  const expected = { code: 'FOREIGN', message: /disk\.new holds something else/, path: join(dir, 'disk.new') }
  await refused(t, join(dir, 'disk'), { format: true }, expected)
  t.equal(fs.readFileSync(join(dir, 'disk.new'), 'utf8'), 'mine')
})

t.test('paths that cannot be used', async (t) => {
  const dir = scratchDirectory(t)
  fs.writeFileSync(join(dir, 'file'), '')
  const cases: [string, { code: string; message: RegExp }][] = [
    [dir, { code: 'RANGE', message: /neither a file nor a block device/ }],
    ['/dev/null', { code: 'RANGE', message: /neither a file nor a block device/ }],
    [join(dir, 'missing', 'disk'), { code: 'ENOENT', message: /its directory is missing: make it/ }],
    [join(dir, 'file', 'disk'), { code: 'ENOTDIR', message: /a part of the path is no directory/ }],
  ]
  for (const [path, expected] of cases) await refused(t, path, {}, expected)
  t.same(fs.readdirSync(dir), ['file'])
})

t.test('sizes that cannot be', async (t) => {
  const path = join(scratchDirectory(t), 'disk')
  await refused(
    t,
    path,
    { totalSize: 4096 },
    { code: 'RANGE', message: /must be at least \d+ bytes \(\d+ MiB\)$/ },
  )
  await refused(t, path, { blockSize: 5000 }, { code: 'RANGE', message: /block_size must be a power of two/ })
  t.notOk(fs.existsSync(path))
})

t.test('more than the file system has room for: told before anything is written', async (t) => {
  const dir = scratchDirectory(t)
  const message = /no room for .*disk: it needs 1125899906842624 bytes more, and its file system has \d+ free/
  await refused(t, join(dir, 'disk'), { totalSize: 2 ** 50, blockSize: 1048576 }, { code: 'ENOSPC', message })
  t.same(fs.readdirSync(dir), [])
})

t.test('a file system that becomes full meanwhile: no part of a file remains', async (t) => {
  const dir = scratchDirectory(t)
  fs.writeFileSync(join(dir, 'empty'), '')
  failingAfter(t, 9 * MIB, 'ENOSPC')
  const expected = {
    code: 'ENOSPC',
    message: /^no room for .* free: free some, or choose a smaller total_size/,
  }
  await refused(t, join(dir, 'disk'), {}, expected)
  t.same(fs.readdirSync(dir), ['empty'])
  await refused(t, join(dir, 'empty'), {}, expected)
  t.ok(fs.statSync(join(dir, 'empty')).size <= 4096)
})

t.test('a failing disk is told in a sentence', async (t) => {
  const dir = scratchDirectory(t)
  failingAfter(t, 9 * MIB, 'EIO')
  await refused(t, join(dir, 'disk'), {}, { code: 'EIO', message: /^cannot use .* \(EIO\): the disk fails/ })
  t.same(fs.readdirSync(dir), [])
})

t.test('what was refused is not kept open, nor locked', async (t) => {
  const path = join(scratchDirectory(t), 'disk')
  fs.writeFileSync(path, Buffer.alloc(17 * MIB, 1))
  const opened = () => fs.readdirSync('/proc/self/fd').length
  const before = opened()
  for (let turn = 0; turn < 3; turn++) await t.rejects(open(t, path), { code: 'FOREIGN' })
  t.equal(opened(), before)
  await open(t, path, { format: true })
})
