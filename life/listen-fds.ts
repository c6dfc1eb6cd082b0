import { fstatSync, readFileSync, readlinkSync } from 'node:fs'
import type { Sockets } from '../config/options.ts'

/** systemd hands sockets over from this file descriptor on (sd_listen_fds(3)). */
const FIRST = 3
const NAMES: readonly string[] = ['proxy', 'health', 'metrics'] satisfies (keyof Sockets)[]

/**
 * Takes the listening sockets that a service manager has opened for this process: LISTEN_PID, LISTEN_FDS and
 * LISTEN_FDNAMES, which are removed from `env`, because they are not for our children.
 *
 * Sockets are called proxy, health and metrics; one that has another name (systemd calls it after its unit), or none, is the proxy's.
 * @throws Error that says which socket cannot be used
 */
export function takeListenFds(env: NodeJS.ProcessEnv, pid: number): Sockets {
  const { LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES } = env
  delete env.LISTEN_PID
  delete env.LISTEN_FDS
  delete env.LISTEN_FDNAMES
  if (LISTEN_PID !== String(pid) || LISTEN_FDS === undefined) return {}
  const sockets = nameSockets(LISTEN_FDS, LISTEN_FDNAMES)
  for (const [name, fd] of Object.entries(sockets)) checkSocket(name, fd)
  return sockets
}

/** Which file descriptor is whose. @param names joined by colons */
export function nameSockets(count: string, names = ''): Sockets {
  if (!/^\d{1,4}$/.test(count)) throw new Error(`LISTEN_FDS is not a number: ${count}`)
  const given = names === '' ? [] : names.split(':')
  const sockets: Record<string, number> = {}
  for (let i = 0; i < Number(count); i++) {
    const name = NAMES.includes(given[i]) ? given[i] : 'proxy'
    if (sockets[name] !== undefined) {
      throw new Error(
        `LISTEN_FDS: fd ${sockets[name]} and fd ${FIRST + i} would both be ${name}; ` +
          `LISTEN_FDNAMES has to call each another one of ${NAMES.join(', ')}`,
      )
    }
    sockets[name] = FIRST + i
  }
  return sockets
}

/** What Node itself would say of a wrong one is EINVAL, or nothing. */
function checkSocket(name: string, fd: number): void {
  const what = `LISTEN_FDS: fd ${fd}, for ${name},`
  let isSocket: boolean
  try {
    isSocket = fstatSync(fd).isSocket()
  } catch {
    throw new Error(`${what} is not open`)
  }
  if (!isSocket) throw new Error(`${what} is not a socket`)
  if (isUnix(fd)) throw new Error(`${what} is a Unix socket; a TCP stream socket is needed`)
}

/** Whether the kernel lists it among the Unix sockets; false where there is no such list. */
function isUnix(fd: number): boolean {
  try {
    const [, inode] = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/self/fd/${fd}`)) ?? []
    return new RegExp(` ${inode}(?: |$)`, 'm').test(readFileSync('/proc/net/unix', 'utf8'))
  } catch {
    return false
  }
}
