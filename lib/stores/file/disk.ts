import { join } from 'node:path'
import type { StoreLog } from '../log.ts'
import type { StoreStats } from '../store.ts'
import { createBreaker } from './breaker.ts'
import { codeOf, createEntryWriter, removeFile } from './files.ts'
import type { EntryId } from './format.ts'
import type { OpenFiles } from './open-files.ts'
import type { SpaceGuard } from './space.ts'

/** The cache directory as something that fails: errors are counted here and end here. */
export interface Disk {
  /** Whether writing is worth a try. */
  isWriting(): boolean
  /** False = failed; then nothing is at `path`, what it should have replaced neither. */
  write(path: string, id: EntryId, payload: readonly Buffer[], isWanted: () => boolean): Promise<boolean>
  /** True when there was something. */
  remove(path: string): Promise<boolean>
  /** What could not be removed, and was not replaced since. */
  readonly stuck: ReadonlySet<string>
}

export function createDisk(
  dir: string,
  stats: StoreStats,
  space: SpaceGuard,
  openFiles: OpenFiles,
  log?: StoreLog,
): Disk {
  const writer = createEntryWriter(dir)
  const breaker = createBreaker()
  const stuck = new Set<string>()

  function failed(error: unknown): void {
    stats.writeErrors++
    const wasOpen = breaker.isOpen(Date.now())
    breaker.failed(Date.now())
    if (!wasOpen && breaker.isOpen(Date.now())) {
      log?.warn({ err: error, dir }, 'the cache directory fails: nothing is written to it for a while')
    }
    const code = codeOf(error)
    if (code === 'ENOSPC' || code === 'EDQUOT') space.ranOut()
  }

  return {
    isWriting: () => !breaker.isOpen(Date.now()),

    async write(path, id, payload, isWanted) {
      try {
        // What was queued before writing was paused costs nothing either.
        if (breaker.isOpen(Date.now())) throw PAUSED
        await writer.write(path, id, payload, isWanted)
        breaker.succeeded()
        stuck.delete(path)
        for (const each of payload) stats.writtenBytes += each.length
        return true
      } catch (error) {
        if (error === PAUSED) stats.writeErrors++
        else failed(error)
        if (isWanted()) await removeFile(join(dir, path)).catch(() => {})
        return false
      } finally {
        openFiles.forget(join(dir, path))
      }
    },

    async remove(path) {
      try {
        const found = await removeFile(join(dir, path))
        stuck.delete(path)
        return found
      } catch (error) {
        failed(error)
        stuck.add(path)
        return false
      } finally {
        openFiles.forget(join(dir, path))
      }
    },

    stuck,
  }
}

const PAUSED = new Error('paused')
