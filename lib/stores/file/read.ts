import fs from 'node:fs'
import { lend } from '../lend.ts'
import type { Slab } from '../slabs.ts'
import { MAX_SEGMENT, type Slice } from '../store.ts'
import { call, codeOf } from './files.ts'
import { decodeHeads, type EntryId, isEntry, prefixLength } from './format.ts'
import { openOnce, type WithFile } from './open-files.ts'

/** Why nothing was read. */
export type Nothing = 'absent' | 'damaged' | 'failed'

/** What a slice is read with. */
export interface ReadWith {
  withFile: WithFile
  /** What the payload is read into, if there is room: nobody waits for that. */
  lent?: Slab
}

/** A list of heads is another one tomorrow, written by another process perhaps, and memory keeps it. */
export const ONCE: ReadWith = { withFile: openOnce }

/**
 * Reads and checks one entry with one read.
 *
 * @param length length of the file in bytes where it is known; undefined asks the file system
 */
export function readEntry(
  path: string,
  id: EntryId,
  length: number | undefined,
  { withFile, lent }: ReadWith,
): Promise<Slice | Nothing> {
  return orNothing(withFile, path, async (fd) => {
    const fileLength = length ?? (await lengthOf(fd))
    const prefix = Buffer.allocUnsafe(prefixLength(id.key))
    const payloadLength = fileLength - prefix.length
    if (payloadLength < 0) return 'damaged'
    const taken = payloadLength > 0 ? lent?.take(payloadLength) : undefined
    const payload = taken === undefined ? allocateSegments(payloadLength) : [taken.subarray(0, payloadLength)]
    let isWhole = false
    try {
      const bytesRead = await call<number>((done) => fs.readv(fd, [prefix, ...payload], 0, done))
      isWhole = bytesRead === fileLength && isEntry(id, prefix, payload)
    } finally {
      if (taken !== undefined && !isWhole) lent!.give(taken)
    }
    if (!isWhole) return 'damaged'
    return taken === undefined
      ? { length: payloadLength, segments: payload }
      : lend(lent!, taken, 0, payloadLength)
  })
}

/** Reads and checks a list of heads whose key is not known; its file says it. */
export function readHeads(path: string): Promise<{ key: string; payload: Buffer } | Nothing> {
  return orNothing(openOnce, path, async (fd) => {
    const file = Buffer.allocUnsafeSlow(await lengthOf(fd))
    const bytesRead = await call<number>((done) => fs.read(fd, file, 0, file.length, 0, done))
    return (bytesRead === file.length && decodeHeads(file)) || 'damaged'
  })
}

async function orNothing<T>(
  withFile: WithFile,
  path: string,
  read: (fd: number) => Promise<T>,
): Promise<T | 'absent' | 'failed'> {
  try {
    return await withFile(path, read)
  } catch (error) {
    return codeOf(error) === 'ENOENT' ? 'absent' : 'failed'
  }
}

async function lengthOf(fd: number): Promise<number> {
  return (await call<fs.Stats>((done) => fs.fstat(fd, done))).size
}

function allocateSegments(length: number): Buffer[] {
  const segments: Buffer[] = []
  for (let rest = length; rest > 0; rest -= MAX_SEGMENT) {
    // Slow means: not from the pool of small buffers, which an entry kept in memory would keep alive.
    segments.push(Buffer.allocUnsafeSlow(Math.min(rest, MAX_SEGMENT)))
  }
  return segments
}
