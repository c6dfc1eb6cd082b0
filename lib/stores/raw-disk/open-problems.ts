import { codeOf } from '../file/files.ts'

export const busy = (path: string) =>
  problem('EBUSY', path, `${path} is in use by another process: stop that one, or choose another path`)

/** An error that is a sentence for the operator. */
export function problem(code: string, path: string, message: string): NodeJS.ErrnoException {
  return Object.assign(new Error(message), { code, path })
}

const ADVICE: Record<string, string> = {
  ENOENT: 'its directory is missing: make it, or choose another path',
  ENOTDIR: 'a part of the path is no directory: choose another path',
  EACCES: 'give this user the right to read and write it, or choose another path',
  EPERM: 'give this user the right to read and write it, or choose another path',
  EROFS: 'the file system is read-only: choose another path',
  EBUSY: 'it is mounted or in use by another process: unmount it, stop that one, or choose another path',
  EFBIG: 'the file system has no files that large: choose a smaller total_size or another path',
  EIO: 'the disk fails: choose another path',
}

/** Makes any error one that names the path. The system's errors have an `errno`; ours are sentences already. */
export function explained(path: string, error: NodeJS.ErrnoException): Error {
  if (error.errno === undefined)
    return Object.assign(error, { code: error.code ?? 'RANGE', path: error.path ?? path })
  const code = codeOf(error)
  return problem(code, path, `cannot use ${path} (${code}): ${ADVICE[code] ?? 'choose another path'}`)
}
