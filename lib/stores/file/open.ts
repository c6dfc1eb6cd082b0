import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import { join } from 'node:path'
import { call, codeOf, makeDirectory, removeFile } from './files.ts'
import { TEMP_DIRECTORY } from './paths.ts'
import { removeTemps } from './recovery.ts'

const ADVICE: Record<string, string> = {
  EACCES: 'give this user the right to write there, or choose another directory',
  EPERM: 'give this user the right to write there, or choose another directory',
  EROFS: 'the file system is read-only: choose another directory',
  ENOSPC: 'the disk is full: free some space, or choose another directory',
  EEXIST: 'something that is no directory has that name: remove it, or choose another directory',
  ENOTDIR: 'a part of the path is no directory: choose another one',
}

/**
 * Makes the cache directory, tries to write there and removes what cut-off writes left.
 * Rejects with an Error of one sentence that has `code` and `path`.
 */
export async function prepareDirectory(dir: string): Promise<void> {
  try {
    await makeDirectory(join(dir, TEMP_DIRECTORY))
    const probe = join(dir, TEMP_DIRECTORY, `probe-${randomBytes(6).toString('hex')}`)
    await call((done) => fs.writeFile(probe, 'x', { mode: 0o600 }, done))
    await removeFile(probe)
  } catch (error) {
    const code = codeOf(error)
    const advice = ADVICE[code] ?? 'choose another directory'
    throw Object.assign(new Error(`cannot use the cache directory ${dir} (${code}): ${advice}`), {
      code,
      path: dir,
    })
  }
  await removeTemps(dir)
}
