import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { openRawDisk } from '../../../lib/stores/raw-disk/open.ts'
import { scratchDirectory } from '../helpers.ts'
import { MIB, open, refused, sizes } from './opening.ts'

/** A block device on a file; undefined where that cannot be made here. */
function loopDevice(t: Parameters<typeof open>[0], bytes: number): string | undefined {
  const image = join(scratchDirectory(t), 'image')
  fs.writeFileSync(image, '')
  fs.truncateSync(image, bytes)
  try {
    const path = execFileSync('losetup', ['-f', '--show', image], { stdio: 'pipe', encoding: 'utf8' }).trim()
    t.teardown(() => execFileSync('losetup', ['-d', path]))
    return path
  } catch {
    return undefined
  }
}

t.test('a block device', async (t) => {
  const path = loopDevice(t, 20 * MIB + 512)
  if (path === undefined) return void t.pass('here', { skip: 'no loop device can be had here' })

  await t.test('has its real size', async (t) => {
    const { device, superblock } = await openRawDisk({ path, ...sizes, directIo: true, format: false })
    t.equal(device.size, 20 * MIB)
    t.equal(superblock.totalSize, sizes.totalSize)
    await device.close()
  })

  await t.test('that is smaller than total_size is refused with both sizes', async (t) => {
    const message = /has 20971520 bytes, and total_size is 31457280/
    await refused(t, path, { totalSize: 30 * MIB }, { code: 'RANGE', message })
  })

  await t.test('is opened once', async (t) => {
    const { device } = await openRawDisk({ path, ...sizes, directIo: true, format: false })
    await refused(t, path, {}, { code: 'EBUSY', message: /mounted or in use by another process/ })
    await refused(t, path, { directIo: false }, { code: 'EBUSY', message: /in use by another process/ })
    await device.close()
    await open(t, path)
  })

  await t.test('that holds something else is refused', async (t) => {
    const fd = fs.openSync(path, 'r+')
    fs.writeSync(fd, Buffer.alloc(4096, 'ext4'), 0, 4096, 0)
    fs.closeSync(fd)
    await refused(t, path, {}, { code: 'FOREIGN', message: /holds something else/ })
    await open(t, path, { format: true })
  })
})
