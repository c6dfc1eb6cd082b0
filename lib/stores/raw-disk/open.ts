import fs from 'node:fs'
import { dirname } from 'node:path'
import { call, codeOf } from '../file/files.ts'
import type { StoreLog } from '../log.ts'
import { PAGE, pageAligned } from '../slabs.ts'
import { attach, contentsOf, refuseForeign } from './attach.ts'
import { createDevice, type Device } from './device.ts'
import type { Superblock } from './format/superblock.ts'
import { type Geometry, type GeometryOptions, geometryOf } from './geometry.ts'
import { lockFile } from './lock.ts'
import { busy, explained, problem } from './open-problems.ts'
import { preallocate } from './preallocate.ts'

export interface OpenOptions extends GeometryOptions {
  /** A regular file, which is made where it is missing, or a block device. */
  path: string
  /** Go around the page cache where the file system can do that. */
  directIo: boolean
  /** Take it even if it holds something else, which is then lost. */
  format: boolean
  log?: StoreLog
}

export interface OpenedDisk {
  device: Device
  geometry: Geometry
  superblock: Superblock
}

/** An open file that nobody else has. */
interface OwnFile {
  fd: number
  direct: boolean
}

/**
 * Opens the raw disk for this process alone: a file is made or made longer where it has to be, by writing zeros, which
 * takes its time; the device is found ours, or made ours.
 *
 * @throws Error of one sentence that has `code` and `path`; nothing that could be somebody's was overwritten then.
 * `code` is the system's, or `RANGE` (sizes), `EBUSY` (in use), `FOREIGN` (holds something else), `ENOLCK` (no locks)
 */
export async function openRawDisk(o: OpenOptions): Promise<OpenedDisk> {
  try {
    const geometry = geometryOf(o)
    const stats = await statsOf(o.path)
    return stats ? await openExisting(o, geometry, stats) : await openNew(o, geometry)
  } catch (error) {
    throw explained(o.path, error as NodeJS.ErrnoException)
  }
}

async function openExisting(o: OpenOptions, geometry: Geometry, stats: fs.Stats): Promise<OpenedDisk> {
  const { path, totalSize, format, log } = o
  const isDisk = stats.isBlockDevice()
  if (!isDisk && !stats.isFile()) {
    throw problem('RANGE', path, `${path} is neither a file nor a block device: choose another path`)
  }
  const file = await own(o, path, isDisk)
  return orClose(file, async () => {
    const size = isDisk ? await diskSize(file.fd) : await fileSize(file.fd)
    if (size >= totalSize) return attached(o, geometry, file, size)
    if (isDisk) {
      throw problem(
        'RANGE',
        path,
        `${path} has ${size} bytes, and total_size is ${totalSize}: make that smaller`,
      )
    }
    const contents = await contentsOf(createDevice(file.fd, { path, size, direct: file.direct }))
    refuseForeign(path, contents, format)
    const to = wholePages(totalSize)
    await preallocate(file.fd, { path, now: path, from: size - (size % PAGE), to, log })
    return attached(o, geometry, file, to)
  })
}

/** Under another name until it has its length, so that nobody takes a part of it for the whole. */
async function openNew(o: OpenOptions, geometry: Geometry): Promise<OpenedDisk> {
  const { path, log } = o
  const temporary = `${path}.new`
  const file = await own(o, temporary, false)
  return orClose(file, async () => {
    await refuseRace(file, path, temporary)
    await clearLeftOver(file, temporary)
    const to = wholePages(o.totalSize)
    try {
      await preallocate(file.fd, { path, now: temporary, from: 0, to, log })
      await call((done) => fs.rename(temporary, path, done))
    } catch (error) {
      await call((done) => fs.unlink(temporary, done)).catch(() => {})
      throw error
    }
    await syncDirectory(dirname(path))
    return attached(o, geometry, file, to)
  })
}

/** Another process may have made the file, or given it up, between our looking and our lock. */
async function refuseRace(file: OwnFile, path: string, temporary: string): Promise<void> {
  const mine = await call<fs.Stats>((done) => fs.fstat(file.fd, done))
  const named = await statsOf(temporary)
  if (named?.ino !== mine.ino) throw busy(path)
  if (await statsOf(path)) {
    await call((done) => fs.unlink(temporary, done))
    throw busy(path)
  }
}

/** What is left of an earlier try is nothing but zeros. */
async function clearLeftOver({ fd, direct }: OwnFile, path: string): Promise<void> {
  const size = await fileSize(fd)
  const contents = await contentsOf(createDevice(fd, { path, size, direct }))
  refuseForeign(path, contents, false)
  await call((done) => fs.ftruncate(fd, 0, done))
}

async function attached(
  o: OpenOptions,
  geometry: Geometry,
  file: OwnFile,
  size: number,
): Promise<OpenedDisk> {
  const device = createDevice(file.fd, { path: o.path, size, direct: file.direct })
  return { device, geometry, superblock: await attach(device, geometry, o) }
}

/** Opens for this process alone, around the page cache where that works. */
async function own(o: OpenOptions, path: string, isDisk: boolean): Promise<OwnFile> {
  const { O_RDWR, O_CREAT, O_EXCL, O_DIRECT } = fs.constants
  // For a disk O_EXCL means that the kernel gives it to nobody else who asks so: mounts and RAIDs do. A lock would be in
  // the way of udev, which takes one for a moment.
  const flags = isDisk ? O_RDWR | O_EXCL : path === o.path ? O_RDWR : O_RDWR | O_CREAT
  const open = async (more: number) => {
    const fd = await call<number>((done) => fs.open(path, flags | more, 0o600, done))
    return orClose({ fd, direct: more !== 0 }, async (file) => {
      if (!isDisk && !(await lockFile(fd))) throw busy(o.path)
      if (file.direct) await probe(file, isDisk)
      return file
    })
  }
  if (!o.directIo) return open(0)
  try {
    if (O_DIRECT) return await open(O_DIRECT)
  } catch (error) {
    if (!NOT_DIRECT.includes(codeOf(error))) throw error
  }
  o.log?.warn({ path }, 'O_DIRECT does not work there: the raw disk is used through the page cache')
  return open(0)
}

const NOT_DIRECT = ['EINVAL', 'EOPNOTSUPP', 'ENOTSUP']

/** Some file systems refuse O_DIRECT only when it is used. An empty file is read without anybody looking. */
async function probe({ fd }: OwnFile, isDisk: boolean): Promise<void> {
  const page = pageAligned(PAGE).fill(0)
  if (isDisk || (await fileSize(fd)) > 0) await call<number>((done) => fs.read(fd, page, 0, PAGE, 0, done))
  else await call<number>((done) => fs.write(fd, page, 0, PAGE, 0, done))
}

async function orClose<T>(file: OwnFile, work: (file: OwnFile) => Promise<T>): Promise<T> {
  try {
    return await work(file)
  } catch (error) {
    await call((done) => fs.close(file.fd, done)).catch(() => {})
    throw error
  }
}

async function fileSize(fd: number): Promise<number> {
  return (await call<fs.Stats>((done) => fs.fstat(fd, done))).size
}

/** In whole pages. A disk has no length for stat: the last page that can be read tells. */
async function diskSize(fd: number): Promise<number> {
  const page = pageAligned(PAGE)
  const exists = (at: number) =>
    call<number>((done) => fs.read(fd, page, 0, PAGE, at * PAGE, done)).then(
      (count) => count === PAGE,
      (error) => codeOf(error) === 'EIO', // a bad place, but one that is there
    )
  let size = 0
  let beyond = 1
  while (await exists(beyond)) beyond *= 2
  while (beyond - size > 1) {
    const middle = Math.floor((size + beyond) / 2)
    if (await exists(middle)) size = middle
    else beyond = middle
  }
  return (await exists(0)) ? beyond * PAGE : 0
}

/** Undefined where there is nothing. A link to nothing is an error: we would replace the link. */
async function statsOf(path: string): Promise<fs.Stats | undefined> {
  const isAbsent = (error: unknown) => {
    if (codeOf(error) !== 'ENOENT') throw error
    return undefined
  }
  const stats = await call<fs.Stats>((done) => fs.stat(path, done)).catch(isAbsent)
  if (stats) return stats
  const link = await call<fs.Stats>((done) => fs.lstat(path, done)).catch(isAbsent)
  if (!link?.isSymbolicLink()) return link // a file: somebody has made it this moment
  throw problem('ENOENT', path, `${path} is a link to nothing: make what it leads to, or remove it`)
}

async function syncDirectory(path: string): Promise<void> {
  const fd = await call<number>((done) => fs.open(path, 'r', done))
  await call((done) => fs.fsync(fd, done)).finally(() => call((done) => fs.close(fd, done)))
}

const wholePages = (bytes: number) => Math.ceil(bytes / PAGE) * PAGE
