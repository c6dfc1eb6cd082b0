import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { promisify } from 'node:util'
import type { Head } from '../../lib/semantics/types.ts'
import { openRawDisk } from '../../lib/stores/raw-disk/open.ts'
import {
  createRawDiskStore,
  type RawDiskStore,
  type RawDiskStoreOptions,
} from '../../lib/stores/raw-disk/store.ts'
import type { Slice, SliceStore } from '../../lib/stores/store.ts'
import { headOf } from '../../test/stores/helpers.ts'
import { MIB } from '../harness.ts'

export interface RawDisk extends Partial<RawDiskStoreOptions> {
  path: string
  totalSize: number
  blockSize: number
  sliceSize: number
}

/** A raw-disk store on a file that is made when it is missing. Nothing happens in it by the clock. */
export async function openStore({
  path,
  totalSize,
  blockSize,
  sliceSize,
  ...options
}: RawDisk): Promise<RawDiskStore> {
  const disk = { path, totalSize, blockSize, sliceSize, directIo: true, format: false }
  const opened = await openRawDisk(disk)
  if (!opened.device.direct) throw new Error(`${path}: O_DIRECT does not work here`)
  return createRawDiskStore({ ...opened, checkpointMs: 2 ** 31 - 1, ...options })
}

const NOISE = randomBytes(8 * MIB)
/** Odd, so that the places in the noise are as many as there are. */
const STRIDE = 4_999_999

/** Bytes that nothing makes smaller; another number is another slice. */
export function noiseSlice(number: number, length: number): Slice {
  const from = (number * STRIDE) % (NOISE.length - length)
  const segments: Buffer[] = []
  for (let at = 0; at < length; at += 65536)
    segments.push(NOISE.subarray(from + at, from + Math.min(at + 65536, length)))
  return { length, segments }
}

export function keyOf(number: number): string {
  return `5:https15:www.example.org:/assets/${number}/image.jpg`
}

export function headsOf(number: number, length: number): Head[] {
  return [headOf(keyOf(number), number + 1, { length, freshUntil: 2 ** 42 })]
}

/** Reads and gives back; whether the slice was there, of that length. */
export async function readSlice(
  store: SliceStore,
  number: number,
  length: number,
  index = 0,
): Promise<boolean> {
  const slice = await store.getSlice(keyOf(number), number + 1, index)
  slice?.loan?.releaseAll()
  return slice?.length === length
}

/** A file of bytes that no layer below can leave out or make smaller, on the disk when this resolves. */
export async function filledFile(path: string, size: number): Promise<void> {
  const file = await open(path, 'w', 0o600)
  for (let at = 0; at < size; at += NOISE.length)
    await file.write(NOISE, 0, Math.min(NOISE.length, size - at), at)
  await file.sync()
  await file.close()
}

/** What was written to the file system of `directory` is on its disk when this resolves. */
export async function syncDisk(directory: string): Promise<void> {
  await promisify(execFile)('sync', ['-f', directory])
}

/** Empties the page cache and the caches of names; false where this user may not. */
export function dropCaches(): boolean {
  try {
    writeFileSync('/proc/sys/vm/drop_caches', '3')
    return true
  } catch {
    return false
  }
}

/** Numbers below `count` in an order that jumps about, each once. */
export function shuffled(count: number): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, i) => i)
  for (let i = count - 1; i > 0; i--) {
    const other = Math.floor(Math.random() * (i + 1))
    const kept = order[i]
    order[i] = order[other]
    order[other] = kept
  }
  return order
}
