import { type Dirent, promises as fs } from 'node:fs'
import { join } from 'node:path'
import { HEADS } from '../entry-index.ts'
import { HEADER_LENGTH } from './format.ts'
import { type EntryName, entryPath, isFanOut, parseName, TEMP_DIRECTORY, TEMP_NAME } from './paths.ts'

/** A file of an earlier life. */
export interface FoundEntry extends EntryName {
  /** Bytes. */
  length: number
  /** Milliseconds since the epoch. */
  writtenAt: number
}

/** Files looked at before others get their turn. */
const BATCH = 64
/** Milliseconds after which the heads of a slice are not waited for: a transfer by another process has ended by then. */
const ORPHAN_AFTER = 600_000

/**
 * Removes what writes that were cut off left behind. Of another process that lives and shares the directory,
 * a write that is under way may be lost (one disk copy), never damaged.
 */
export async function removeTemps(root: string): Promise<void> {
  const directory = join(root, TEMP_DIRECTORY)
  for (const name of await fs.readdir(directory).catch(() => [])) {
    if (TEMP_NAME.test(name)) await fs.unlink(join(directory, name)).catch(() => {})
  }
}

/**
 * Walks the fan-out directories and yields what it finds, one object directory at a time.
 *
 * Never touched: whatever does not have a name of ours in the fan-out directory that goes with it, in the cache
 * directory or anywhere below. Removed: files with a name of ours that are too short for a header, and slices
 * of an object without heads, which nobody could ask for, once they are old. Other damage is found when
 * an entry is read: reading everything now would take hours.
 *
 * @param isKnown whether this life of the store wrote or read the entry already: it is passed over
 */
export async function* findEntries(
  root: string,
  isKnown: (name: EntryName) => boolean,
): AsyncGenerator<FoundEntry[]> {
  for (const outer of await fanOut(root)) {
    for (const inner of await fanOut(join(root, outer))) {
      const found = await entriesIn(root, `${outer}/${inner}`, isKnown)
      if (found.length > 0) yield found
    }
  }
}

async function fanOut(directory: string): Promise<string[]> {
  const names: Dirent[] = await fs.readdir(directory, { withFileTypes: true }).catch(() => [])
  return names.filter((each) => each.isDirectory() && isFanOut(each.name)).map((each) => each.name)
}

async function entriesIn(
  root: string,
  directory: string,
  isKnown: (name: EntryName) => boolean,
): Promise<FoundEntry[]> {
  const files: Dirent[] = await fs.readdir(join(root, directory), { withFileTypes: true }).catch(() => [])
  const names = files.flatMap((each) => (each.isFile() ? (parseName(directory, each.name) ?? []) : []))
  const reachable = new Set(names.filter((each) => each.generation === HEADS).map((each) => each.object))

  const found: FoundEntry[] = []
  for (let at = 0; at < names.length; at += BATCH) {
    const batch = await Promise.all(names.slice(at, at + BATCH).map((name) => look(root, name)))
    for (const entry of batch) {
      if (entry === undefined || isKnown(entry)) continue
      const isOrphan = !reachable.has(entry.object) && Date.now() - entry.writtenAt > ORPHAN_AFTER
      if (entry.length > HEADER_LENGTH && !isOrphan) found.push(entry)
      else await fs.unlink(join(root, pathOf(entry))).catch(() => {})
    }
  }
  return found
}

async function look(root: string, name: EntryName): Promise<FoundEntry | undefined> {
  try {
    const { size, mtimeMs } = await fs.lstat(join(root, pathOf(name)))
    return { ...name, length: size, writtenAt: mtimeMs }
  } catch {
    return undefined
  }
}

function pathOf(name: EntryName): string {
  return entryPath(name.object, name.generation, name.index)
}

/** Sorts by time of writing, the latest first, and yields in groups, so that a million entries block nobody. */
export function* latestFirst(found: readonly FoundEntry[]): Generator<FoundEntry[]> {
  const bySecond = new Map<number, FoundEntry[]>()
  for (const entry of found) {
    const second = Math.floor(entry.writtenAt / 1000)
    const group = bySecond.get(second)
    if (group === undefined) bySecond.set(second, [entry])
    else group.push(entry)
  }
  for (const second of [...bySecond.keys()].sort((a, b) => b - a)) {
    yield bySecond.get(second)!.sort((a, b) => b.writtenAt - a.writtenAt)
  }
}
