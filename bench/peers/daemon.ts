import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { basename } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { childEnv, plain } from '../../test/helpers/child.ts'
import type { Scope } from '../../test/helpers/scope.ts'
import type { RunningPeer } from './peer.ts'
import { cpuOf, resetPeakOf, residentOf, treeOf, waitedOf } from './processes.ts'

/** A server that is started in the foreground and listens on a port that it was told. */
export interface Daemon {
  name: string
  scope: Scope
  core: number | null
  port: number
  command: string
  args: readonly string[]
  env?: Record<string, string>
  cwd?: string
  /** Processes beneath the first one before it counts as started. */
  children?: number
}

/** Starts it, resolves when it takes connections. It ends with the scope at the latest. */
export async function startDaemon(daemon: Daemon): Promise<RunningPeer> {
  const { name, scope, port } = daemon
  const [command, args] = pinned(daemon.core, plain(daemon.command, daemon.args))
  const child = spawn(command, args, {
    cwd: daemon.cwd,
    env: childEnv(daemon.env),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout!, child.stderr!])
    stream.on('data', (text) => (output = `${output}${text}`.slice(-10_000)))
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()).once('error', resolve))
  const isRunning = () => child.exitCode === null && child.signalCode === null && child.pid !== undefined

  async function stop(): Promise<void> {
    if (!isRunning()) return ended
    // A manager that is killed leaves its workers behind: those that did not end with it are killed as well.
    const pids = treeOf(child.pid!)
    child.kill('SIGTERM')
    await Promise.race([ended, wait(5000, undefined, { ref: false })])
    for (const pid of pids) killLeftover(pid, daemon.command)
    await ended
  }
  scope.teardown(stop)

  const deadline = Date.now() + 20_000
  while (!(await takesConnections(port)) || treeOf(child.pid!).length <= (daemon.children ?? 0)) {
    if (!isRunning() || Date.now() > deadline) {
      await stop()
      throw new Error(`${name} did not start:\n${output}`)
    }
    await wait(50)
  }

  const pids = () => treeOf(child.pid!)
  return {
    name,
    url: `http://127.0.0.1:${port}`,
    pids,
    cpu: () => cpuOf(pids()),
    waited: () => waitedOf(pids()),
    rss: () => residentOf(pids(), 'VmRSS'),
    peakRss: () => residentOf(pids(), 'VmHWM'),
    resetPeak: () => resetPeakOf(pids()),
    stop,
  }
}

/** A command that runs on one core only, where taskset(1) is there to say so. */
export function pinned(core: number | null, [command, args]: [string, string[]]): [string, string[]] {
  return core === null ? [command, args] : ['taskset', ['-c', String(core), command, ...args]]
}

async function takesConnections(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  const connected = await new Promise<boolean>((resolve) => {
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
  })
  socket.destroy()
  return connected
}

/** Only while its number belongs to the same program still. */
function killLeftover(pid: number, command: string): void {
  try {
    const name = readFileSync(`/proc/${pid}/comm`, 'utf8').trim()
    if (basename(command).startsWith(name.slice(0, 5))) process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended.
  }
}
