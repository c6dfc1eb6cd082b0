import { spawn } from 'node:child_process'

/** Exit status of flock(1) for a lock that somebody else has. */
const HELD = 1

/**
 * Locks an open file against everybody who does the same. The lock is the kernel's and belongs to the open file: it ends
 * when the file is closed or the process ends, in whatever way. A pid file would outlive that, or be wrong.
 *
 * Node has no call for it. flock(1) (util-linux, busybox) locks a file that it inherits, and the lock stays with ours when
 * it has exited. The package fs-native-extensions has the call, but cannot be loaded on Alpine (its issue #15).
 *
 * @returns whether the lock is ours now
 * @throws Error of one sentence with `code` `ENOLCK`, where flock(1) is missing, or the file system cannot lock
 */
export function lockFile(fd: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const fail = (why: string) => {
      const message = `files cannot be locked: ${why}: install flock (util-linux), or choose another file system`
      reject(Object.assign(new Error(message), { code: 'ENOLCK' }))
    }
    // The child has the file as its descriptor 3.
    const child = spawn('flock', ['-x', '-n', '3'], { stdio: ['ignore', 'ignore', 'pipe', fd] })
    let complaint = ''
    child.stderr?.setEncoding('utf8').on('data', (text) => (complaint += text))
    child.on('error', (error: NodeJS.ErrnoException) => fail(`flock cannot be run (${error.code})`))
    child.on('close', (status) => {
      if (status === 0) resolve(true)
      else if (status === HELD && complaint === '') resolve(false)
      else fail(complaint.trim() || `flock ended with ${status}`)
    })
  })
}
