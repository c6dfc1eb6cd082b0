import fs from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { createDevice, type Device } from '../../../lib/stores/raw-disk/device.ts'
import { pageAligned } from '../../../lib/stores/slabs.ts'
import { scratchDirectory } from '../helpers.ts'
import { type AnyCall, replaceSystemCalls } from './opening.ts'

const KIB = 1024
const SIZE = 256 * KIB

type Scope = Parameters<typeof replaceSystemCalls>[0]

function pattern(length: number, seed: number): Buffer {
  const bytes = pageAligned(length)
  for (let at = 0; at < length; at++) bytes[at] = seed + at * 7 + (at >> 8)
  return bytes
}

function deviceOn(t: Scope, flags = 0): { device: Device; path: string } {
  const path = join(scratchDirectory(t), 'disk')
  fs.writeFileSync(path, Buffer.alloc(SIZE))
  const fd = fs.openSync(path, fs.constants.O_RDWR | flags)
  return { device: createDevice(fd, { path, size: SIZE, direct: flags !== 0 }), path }
}

/** The kernel does at most `most` bytes at once. */
function slowKernel(t: Scope, most: number): { calls: number } {
  const counts = { calls: 0 }
  const limited = (how: AnyCall): AnyCall => {
    return (fd, buffer, offset, length, position, done) => {
      counts.calls++
      how(fd, buffer, offset, Math.min(length, most), position, done)
    }
  }
  replaceSystemCalls(t, { read: limited(fs.read), write: limited(fs.write) })
  return counts
}

t.test('what was written is read', async (t) => {
  const { device, path } = deviceOn(t)
  const bytes = pattern(64 * KIB, 3)
  await device.write(bytes, 8 * KIB)
  await device.sync()
  const read = pageAligned(32 * KIB)
  await device.read(read, 16 * KIB)
  t.ok(read.equals(bytes.subarray(8 * KIB, 40 * KIB)))
  t.ok(
    fs
      .readFileSync(path)
      .subarray(8 * KIB, 72 * KIB)
      .equals(bytes),
  )
  t.match(device, { path, size: SIZE, direct: false })
  await device.close()
})

t.test('around the page cache, with memory of the arena', async (t) => {
  let device: Device
  try {
    device = deviceOn(t, fs.constants.O_DIRECT).device
    await device.read(pageAligned(4096), 0)
  } catch (error) {
    t.pass('here', { skip: `this file system has no O_DIRECT: ${error}` })
    return
  }
  const bytes = pattern(64 * KIB, 5)
  await device.write(bytes, 4 * KIB)
  await device.sync()
  const read = pageAligned(64 * KIB)
  await device.read(read, 4 * KIB)
  t.ok(read.equals(bytes))
  await device.close()
})

t.test('where the kernel does less than it was asked for, it is asked for the rest', async (t) => {
  const { device } = deviceOn(t)
  const counts = slowKernel(t, 12 * KIB)
  const bytes = pattern(64 * KIB, 9)
  await device.write(bytes, 4 * KIB)
  t.equal(counts.calls, 6)
  const read = pageAligned(64 * KIB)
  await device.read(read, 4 * KIB)
  t.ok(read.equals(bytes))
  await device.close()
})

t.test('a device that ends within what is read says so', async (t) => {
  const { device } = deviceOn(t)
  const short = { code: 'SHORT', message: /ends within 8192 bytes at/ }
  await t.rejects(device.read(pageAligned(8 * KIB), SIZE - 4 * KIB), short)
  await t.rejects(device.read(pageAligned(8 * KIB), SIZE), short)
  await device.close()
})

t.test('a file that ends within a sector says so too, and does not ask for ever', async (t) => {
  const { device, path } = deviceOn(t)
  fs.truncateSync(path, 5000)
  await t.rejects(device.read(pageAligned(8 * KIB), 0), { code: 'SHORT' })
  await device.close()
})

t.test('errors of the system are handed on, and what comes after goes on working', async (t) => {
  const { device } = deviceOn(t)
  let fails = true
  const failing = (how: AnyCall): AnyCall => {
    return (...args) =>
      fails ? args.at(-1)(Object.assign(new Error('EIO'), { code: 'EIO' }), 0) : how(...args)
  }
  replaceSystemCalls(t, {
    read: failing(fs.read),
    write: failing(fs.write),
    fdatasync: failing(fs.fdatasync),
  })
  await t.rejects(device.read(pageAligned(4096), 0), { code: 'EIO' })
  await t.rejects(device.write(pageAligned(4096), 0), { code: 'EIO' })
  await t.rejects(device.sync(), { code: 'EIO' })
  fails = false
  await device.read(pageAligned(4096), 0)
  await device.close()
})

t.test('closes when what is under way has ended, and does nothing after', async (t) => {
  const { device, path } = deviceOn(t)
  const held: (() => void)[] = []
  const { write } = fs as { write: AnyCall }
  replaceSystemCalls(t, { write: (...args) => void held.push(() => write(...args)) })
  const bytes = pattern(8 * KIB, 1)
  const written = [device.write(bytes, 0), device.write(bytes, 8 * KIB)]
  let isClosed = false
  const closed = device.close().then(() => (isClosed = true))
  await t.rejects(device.read(pageAligned(4096), 0), { code: 'EBADF' })
  await t.rejects(device.write(pageAligned(4096), 0), { code: 'EBADF' })
  await t.rejects(device.sync(), { code: 'EBADF' })
  held.shift()!()
  await written[0]
  await new Promise(setImmediate)
  t.notOk(isClosed)
  held.shift()!()
  await Promise.all([...written, closed])
  t.ok(
    fs
      .readFileSync(path)
      .subarray(8 * KIB, 16 * KIB)
      .equals(bytes),
  )
  await device.close()
  t.pass('closing again is nothing')
})
