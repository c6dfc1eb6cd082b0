import fs from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { scratchDirectory } from '../helpers.ts'
import { type AnyCall, ear, MIB, open, replaceSystemCalls, sizes } from './opening.ts'

t.test('a missing file is made: as long as it has to be, zeros written, for this user only', async (t) => {
  const dir = scratchDirectory(t)
  const path = join(dir, 'disk')
  const { told, log } = ear()
  const { device, geometry, superblock } = await open(t, path, { log })
  const stats = fs.statSync(path)
  t.equal(stats.size, sizes.totalSize)
  t.ok(stats.blocks * 512 >= sizes.totalSize, 'it has its blocks')
  t.equal(stats.mode & 0o777, 0o600)
  t.match(device, { path, size: sizes.totalSize })
  t.match(superblock, { totalSize: sizes.totalSize, regionSize: geometry.regionSize, serial: 1 })
  t.same(fs.readdirSync(dir), ['disk'])
  const progress = told.filter((line) => line.startsWith('the raw disk is being preallocated'))
  t.match(progress.at(-1), / 100 %$/)
  t.ok(progress.length >= 2)
})

t.test('what was made is found again', async (t) => {
  const path = join(scratchDirectory(t), 'disk')
  const first = await open(t, path)
  await first.device.close()
  const second = await open(t, path)
  t.same(second.superblock, first.superblock)
  t.same(second.geometry, first.geometry)
})

t.test('a total_size that is no whole number of pages', async (t) => {
  const path = join(scratchDirectory(t), 'disk')
  const totalSize = 16 * MIB + 5
  const { device, superblock } = await open(t, path, { totalSize })
  t.equal(superblock.totalSize, totalSize)
  t.equal(device.size, 16 * MIB + 4096)
  await device.close()
  t.match((await open(t, path, { totalSize })).superblock, { uuid: superblock.uuid })
})

t.test('an empty file is made longer where it is, and keeps its mode', async (t) => {
  const path = join(scratchDirectory(t), 'disk')
  fs.writeFileSync(path, '', { mode: 0o640 })
  const before = fs.statSync(path)
  await open(t, path)
  const after = fs.statSync(path)
  t.equal(after.size, sizes.totalSize)
  t.equal(after.ino, before.ino)
  t.equal(after.mode, before.mode)
})

t.test('a link leads to the file', async (t) => {
  const dir = scratchDirectory(t)
  fs.writeFileSync(join(dir, 'disk'), '')
  fs.symlinkSync(join(dir, 'disk'), join(dir, 'link'))
  await open(t, join(dir, 'link'))
  t.equal(fs.statSync(join(dir, 'disk')).size, sizes.totalSize)
  t.ok(fs.lstatSync(join(dir, 'link')).isSymbolicLink())
})

t.test('a file of ours that is too small is made longer, and starts empty', async (t) => {
  const path = join(scratchDirectory(t), 'disk')
  const first = await open(t, path)
  await first.device.close()
  const { told, log } = ear()
  const second = await open(t, path, { totalSize: 20 * MIB, log })
  t.equal(fs.statSync(path).size, 20 * MIB)
  t.notSame(second.superblock.uuid, first.superblock.uuid)
  t.equal(told.filter((line) => /starts empty: total_size was 16777216, is 20971520/.test(line)).length, 1)
})

t.test('a smaller total_size uses a part of the file', async (t) => {
  const path = join(scratchDirectory(t), 'disk')
  await (await open(t, path, { totalSize: 20 * MIB })).device.close()
  const { superblock } = await open(t, path)
  t.equal(superblock.totalSize, 16 * MIB)
  t.equal(fs.statSync(path).size, 20 * MIB)
})

t.test('what an interrupted preallocation left is taken up, under both names', async (t) => {
  const dir = scratchDirectory(t)
  fs.writeFileSync(join(dir, 'disk.new'), Buffer.alloc(3 * MIB))
  await open(t, join(dir, 'disk'))
  t.same(fs.readdirSync(dir), ['disk'])
  t.equal(fs.statSync(join(dir, 'disk')).size, sizes.totalSize)

  fs.writeFileSync(join(dir, 'longer.new'), Buffer.alloc(sizes.totalSize + MIB))
  await open(t, join(dir, 'longer'))
  t.equal(fs.statSync(join(dir, 'longer')).size, sizes.totalSize)

  fs.writeFileSync(join(dir, 'grown'), Buffer.alloc(3 * MIB))
  await open(t, join(dir, 'grown'))
  t.equal(fs.statSync(join(dir, 'grown')).size, sizes.totalSize)
})

t.test('format: true takes it', async (t) => {
  const dir = scratchDirectory(t)
  for (const length of [1, 5000, 17 * MIB]) {
    const path = join(dir, `file ${length}`)
    fs.writeFileSync(path, Buffer.alloc(length, 'photos'))
    const { device, superblock } = await open(t, path, { format: true })
    await device.close()
    t.same((await open(t, path)).superblock, superblock, 'and it is ours from then on')
  }
})

t.test('without directIo the page cache is used', async (t) => {
  const path = join(scratchDirectory(t), 'disk')
  const { told, log } = ear()
  const { device } = await open(t, path, { directIo: false, log })
  t.equal(device.direct, false)
  t.notOk(told.some((line) => /O_DIRECT/.test(line)))
})

t.test('a file system that refuses O_DIRECT: the page cache is used, and one line says so', async (t) => {
  for (const refusal of ['when it is opened', 'when it is used']) {
    const path = join(scratchDirectory(t), 'disk')
    const system = { ...fs }
    const invalid = () => Object.assign(new Error('EINVAL'), { code: 'EINVAL', errno: -22 })
    const direct = new Set<number>()
    const opening: AnyCall = (path, flags, mode, done) => {
      const wants = (flags & fs.constants.O_DIRECT) !== 0
      if (wants && refusal === 'when it is opened') return done(invalid())
      system.open(path, flags & ~fs.constants.O_DIRECT, mode, (error, fd) => {
        if (wants) direct.add(fd)
        else direct.delete(fd)
        done(error, fd)
      })
    }
    const using = (how: AnyCall): AnyCall => {
      return (fd, ...args) => (direct.has(fd) ? args.at(-1)(invalid(), 0) : how(fd, ...args))
    }
    const calls = { open: opening, read: using(system.read), write: using(system.write) }
    const { restore } = replaceSystemCalls(t, calls)
    const { told, log } = ear()
    const { device } = await open(t, path, { log })
    restore()
    t.equal(device.direct, false, refusal)
    t.equal(told.filter((line) => /O_DIRECT does not work there/.test(line)).length, 1)
  }
})
