import { type ChildProcess, spawn } from 'node:child_process'
import { createServer, Server as NetServer, type Socket } from 'node:net'
import { childEnv, plain } from '../helpers/child.ts'
import type { Scope } from '../helpers/scope.ts'
import { root } from './run.ts'

/** Sets what systemd sets for the process that takes the sockets: its own id is not known before it is there. */
const RUN = 'export LISTEN_PID=$$ LISTEN_FDS=$0; exec "$@"'
/** Keeps the sockets open, as a service manager does, and starts the program again whenever it has ended well. */
const KEEP = `while sh -c '${RUN}' "$0" "$@"; do :; done`

export interface HandedOver {
  readonly process: ChildProcess
  readonly output: { stdout: string; stderr: string }
  readonly exited: Promise<number | null>
}

/** Listens on a free port without accepting anything, once the socket was given to `startWith`. */
export async function openSocket(): Promise<{ server: NetServer; host: string }> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { server, host: `127.0.0.1:${(server.address() as { port: number }).port}` }
}

/**
 * Runs `node server.ts CONFIG` with these as file descriptors from 3 on. @param keep starts it again when it ends with 0
 */
export function startWith(
  t: Scope,
  config: string,
  descriptors: readonly (NetServer | Socket | number)[],
  { keep = false, names }: { keep?: boolean; names?: string } = {},
): HandedOver {
  const args = ['-c', keep ? KEEP : RUN, String(descriptors.length), process.execPath, 'server.ts', config]
  const child = spawn(...plain('sh', args), {
    cwd: root,
    env: childEnv(names === undefined ? {} : { LISTEN_FDNAMES: names }),
    stdio: ['ignore', 'pipe', 'pipe', ...descriptors.map(descriptorOf)],
    detached: true,
  })
  // From now on the connections of this socket are nobody's but the child's.
  for (const each of descriptors) if (each instanceof NetServer) each.close()
  const output = { stdout: '', stderr: '' }
  child.stdout!.on('data', (text) => (output.stdout += text))
  child.stderr!.on('data', (text) => (output.stderr += text))
  const exited = new Promise<number | null>((resolve) => child.once('close', resolve))
  t.teardown(async () => {
    // The shell and what it has started, which are a group of their own.
    if (child.exitCode === null && child.signalCode === null) process.kill(-child.pid!, 'SIGKILL')
    await exited
  })
  return { process: child, output, exited }
}

/** Node hands over numbers and streams, and a listening socket is neither. */
function descriptorOf(each: NetServer | Socket | number): number {
  if (typeof each === 'number') return each
  return (each as unknown as { _handle: { fd: number } })._handle.fd
}
