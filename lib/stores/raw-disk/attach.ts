import { randomBytes } from 'node:crypto'
import type { StoreLog } from '../log.ts'
import { PAGE, pageAligned } from '../slabs.ts'
import type { Device } from './device.ts'
import {
  decodeSuperblock,
  encodeSuperblock,
  FORMAT_VERSION,
  SUPERBLOCK_BYTES,
  type Superblock,
} from './format/superblock.ts'
import { FRONT_BYTES, type Geometry, SUPERBLOCKS } from './geometry.ts'

/** What a device holds: our cache; ours, but of no use any more; nothing; somebody else's data. */
export type Contents =
  | { kind: 'ours'; superblock: Superblock }
  | { kind: 'useless'; why: string }
  | { kind: 'blank' }
  | { kind: 'foreign' }

const MIB = 1024 * 1024
const SAMPLES = 64
/** Around the superblocks are zeros; more other bytes than these were not flipped by chance. */
const STRAY_BYTES = 32
/** Magic, version, uuid and sizes are the same in both superblocks. */
const SAME_BYTES = 56
/** Of those, so many make a damaged copy; somebody else's data has the zeros among them at most. */
const SIMILAR_BYTES = 40

/**
 * Makes a device ours, or finds it ours. Where it begins empty, because it was blank, or held what this geometry or
 * version cannot use (one line in the log says so), it gets a new uuid: nothing that was written before is valid then.
 *
 * @param o.format take it even if it holds something else. What is ours stays all the same.
 * @returns the superblock that counts, durable on the device
 * @throws Error of one sentence with `code` `FOREIGN` and `path`, with nothing overwritten; errors of the device
 */
export async function attach(
  device: Device,
  geometry: Geometry,
  o: { format: boolean; log?: StoreLog },
): Promise<Superblock> {
  const contents = await contentsOf(device)
  refuseForeign(device.path, contents, o.format)
  if (contents.kind === 'ours') {
    const changes = changesFrom(contents.superblock, geometry)
    if (changes === '') return contents.superblock
    o.log?.warn({ path: device.path }, `the raw disk starts empty: ${changes}`)
  }
  if (contents.kind === 'useless') {
    o.log?.warn({ path: device.path }, `the raw disk starts empty: ${contents.why}`)
  }
  if (contents.kind === 'foreign') {
    o.log?.warn(
      { path: device.path },
      'the raw disk starts empty over other data, as its configuration wants',
    )
  }
  return startEmpty(device, geometry)
}

/** Throws as `attach` does. */
export function refuseForeign(path: string, contents: Contents, format: boolean): void {
  if (contents.kind !== 'foreign' || format) return
  const message =
    `${path} holds something else than a cache and is left as it is: choose another path, remove the file, ` +
    'or set raw_disk_cache.format: true to overwrite it'
  throw Object.assign(new Error(message), { code: 'FOREIGN', path })
}

/** @throws errors of the device, where they leave open whose it is */
export async function contentsOf(device: Device): Promise<Contents> {
  if (device.size < FRONT_BYTES) return (await isBlank(device)) ? { kind: 'blank' } : { kind: 'foreign' }
  const copies = await Promise.all(SUPERBLOCKS.map((at) => readCopy(device, at)))
  const found = copies.map((copy) => copy.found)
  const ours = found.filter((each) => typeof each === 'object' && 'uuid' in each).sort(byAge)
  const version = found.find((each) => typeof each === 'object' && 'version' in each)

  // Many formats leave parts of what was there before: what is ours must be ours all over.
  const isStranger = copies.some((copy) => copy.found === 'foreign' && !isDamagedCopy(copy.bytes, ours[0]))
  if (isStranger) return { kind: 'foreign' }
  if (ours.length === 0 && version) {
    return { kind: 'useless', why: `its format was version ${version.version}, is ${FORMAT_VERSION}` }
  }
  if (ours.length > 0 || found.includes('damaged')) {
    if ((await strayBytes(device)) > STRAY_BYTES) return { kind: 'foreign' }
    if (ours.length > 0) return { kind: 'ours', superblock: ours[0] }
    return { kind: 'useless', why: 'its superblocks are damaged' }
  }
  // One that could not be read is read once more here, and then the error is the caller's.
  return (await isBlank(device)) ? { kind: 'blank' } : { kind: 'foreign' }
}

const byAge = (a: Superblock, b: Superblock) => b.serial - a.serial

async function readCopy(device: Device, at: number) {
  const bytes = pageAligned(SUPERBLOCK_BYTES)
  try {
    await device.read(bytes, at)
    return { found: decodeSuperblock(bytes), bytes }
  } catch {
    return { found: 'unreadable', bytes } as const
  }
}

/** Whether `bytes`, whose magic is not ours, are all the same a superblock some bits of which were flipped. */
function isDamagedCopy(bytes: Buffer, whole: Superblock | undefined): boolean {
  if (!whole) return false
  const expected = encodeSuperblock(whole).subarray(0, SAME_BYTES)
  return expected.filter((byte, at) => byte === bytes[at]).length >= SIMILAR_BYTES
}

/** How many bytes around the superblocks are not zero; 0 when that cannot be read. */
async function strayBytes(device: Device): Promise<number> {
  const front = pageAligned(FRONT_BYTES)
  try {
    await device.read(front, 0)
  } catch {
    return 0
  }
  for (const at of SUPERBLOCKS) front.fill(0, at, at + SUPERBLOCK_BYTES)
  return front.filter((byte) => byte !== 0).length
}

/** Looks at the first MiB, the last one, and places in between. What is shorter than a page is not blank. */
async function isBlank(device: Device): Promise<boolean> {
  const end = device.size - (device.size % PAGE)
  if (end === 0) return device.size === 0
  const buffer = pageAligned(Math.min(MIB, end))
  const isZero = async (position: number, length: number) => {
    await device.read(buffer.subarray(0, length), position)
    return buffer.subarray(0, length).equals(ZEROS.subarray(0, length))
  }
  if (!(await isZero(0, buffer.length)) || !(await isZero(end - buffer.length, buffer.length))) return false
  for (let sample = 1; sample <= SAMPLES; sample++) {
    const page = Math.floor((end / PAGE) * (sample / (SAMPLES + 1)))
    if (!(await isZero(page * PAGE, PAGE))) return false
  }
  return true
}

const ZEROS = Buffer.alloc(MIB)

/** What `geometry` has otherwise than the device was divided; '' = nothing. */
function changesFrom(superblock: Superblock, geometry: Geometry): string {
  const names = { totalSize: 'total_size', blockSize: 'block_size', regionSize: 'region size' } as const
  return (Object.keys(names) as (keyof typeof names)[])
    .filter((name) => superblock[name] !== geometry[name])
    .map((name) => `${names[name]} was ${superblock[name]}, is ${geometry[name]}`)
    .join('; ')
}

/** Both copies at once. If that is torn, an old one may be left and count: it is found useless once more, or whole. */
async function startEmpty(device: Device, geometry: Geometry): Promise<Superblock> {
  const { totalSize, blockSize, regionSize } = geometry
  const state = { serial: 1, clean: false, sequence: 1, snapshot: null, forgotten: 0 }
  const superblock: Superblock = { uuid: randomBytes(16), totalSize, blockSize, regionSize, ...state }
  const front = pageAligned(FRONT_BYTES).fill(0)
  for (const at of SUPERBLOCKS) encodeSuperblock(superblock).copy(front, at)
  await device.write(front, 0)
  await device.sync()
  return superblock
}
