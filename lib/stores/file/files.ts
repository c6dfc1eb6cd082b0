import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import { dirname, join } from 'node:path'
import { type EntryId, encodePrefix } from './format.ts'
import { TEMP_DIRECTORY } from './paths.ts'

type Done<T> = (error: NodeJS.ErrnoException | null, value?: T) => void

/** A promise of one callback call. (fs/promises costs several times as much a call: FileHandle objects.) */
export function call<T = void>(start: (done: Done<T>) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    start((error, value) => (error ? reject(error) : resolve(value as T)))
  })
}

export function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? 'EUNKNOWN'
}

/** Writes entries of one cache directory. */
export interface EntryWriter {
  /**
   * Writes an entry under a temporary name and renames it to `path` (inside the directory), replacing what is
   * there, unless `isWanted` says no before. Directories that are missing are made again.
   * Rejects with the file system's error.
   */
  write(path: string, id: EntryId, payload: readonly Buffer[], isWanted: () => boolean): Promise<void>
}

export function createEntryWriter(root: string): EntryWriter {
  // The random part keeps two processes apart that share the directory, in two containers with equal pids too.
  const owner = randomBytes(6).toString('hex')
  let written = 0

  async function writeTemp(temp: string, buffers: Buffer[]): Promise<void> {
    const fd = await call<number>((done) => fs.open(temp, 'wx', 0o600, done))
    try {
      await writeAll(fd, buffers)
    } catch (error) {
      fs.close(fd, () => {})
      throw error
    }
    await call((done) => fs.close(fd, done)) // a network file system reports a full disk here
  }

  return {
    async write(path, id, payload, isWanted) {
      const temp = join(root, TEMP_DIRECTORY, `write-${owner}-${written++}`)
      const target = join(root, path)
      const buffers = [encodePrefix(id, payload), ...payload]
      try {
        await orMakeDirectory(dirname(temp), () => writeTemp(temp, buffers))
        if (!isWanted()) throw new Unwanted()
        await orMakeDirectory(dirname(target), () => call((done) => fs.rename(temp, target, done)))
      } catch (error) {
        await call((done) => fs.unlink(temp, done)).catch(() => {})
        if (!(error instanceof Unwanted)) throw error
      }
    },
  }
}

class Unwanted extends Error {}

/** Does it; where a directory was missing, makes it and does it once more. */
async function orMakeDirectory(directory: string, run: () => Promise<void>): Promise<void> {
  try {
    await run()
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error
    await makeDirectory(directory)
    await run()
  }
}

/** Removes a file; false when there is none. Rejects with any other error of the file system. */
export async function removeFile(path: string): Promise<boolean> {
  try {
    await call((done) => fs.unlink(path, done))
    return true
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false
    throw error
  }
}

/**
 * Makes a directory and its parents, for this user alone: stored bodies may be private to the service.
 * (`mkdir` with `recursive` never returns where a parent exists and still answers ENOENT, as under /proc.)
 */
export async function makeDirectory(path: string): Promise<void> {
  try {
    await makeOne(path)
  } catch (error) {
    if (codeOf(error) !== 'ENOENT' || dirname(path) === path) throw error
    await makeDirectory(dirname(path))
    await makeOne(path)
  }
}

async function makeOne(path: string): Promise<void> {
  try {
    await call((done) => fs.mkdir(path, 0o700, done))
  } catch (error) {
    const isThere =
      codeOf(error) === 'EEXIST' && (await call<fs.Stats>((done) => fs.stat(path, done))).isDirectory()
    if (!isThere) throw error
  }
}

async function writeAll(fd: number, buffers: Buffer[]): Promise<void> {
  let rest = buffers
  while (rest.length > 0) {
    const written = await call<number>((done) => fs.writev(fd, rest, done))
    rest = after(rest, written)
  }
}

/** What is left to write: `writev` may take less than it was given. Empty buffers are left out. */
function after(buffers: readonly Buffer[], written: number): Buffer[] {
  const rest: Buffer[] = []
  let skip = written
  for (const buffer of buffers) {
    if (skip < buffer.length) rest.push(buffer.subarray(skip))
    skip = Math.max(0, skip - buffer.length)
  }
  return rest
}
