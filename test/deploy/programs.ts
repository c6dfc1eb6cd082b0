import { type ChildProcess, type ExecFileException, execFile, spawn } from 'node:child_process'
import { join } from 'node:path'
import { childEnv, plain } from '../helpers/child.ts'
import { programPath } from '../helpers/program-path.ts'
import type { Scope } from '../helpers/scope.ts'

export const root = join(import.meta.dirname, '../..')

/** For the `skip` of a test: which of the programs it needs are not on this machine; false when all are. */
export function missing(...names: string[]): string | false {
  const gone = names.filter((name) => programPath(name) === undefined)
  return gone.length > 0 && `not on this machine: ${gone.join(', ')}`
}

export interface Outcome {
  code: number
  stdout: string
  stderr: string
}

/** Runs a program to its end, whatever its exit code is. */
export function run(command: string, args: string[], env: Record<string, string> = {}): Promise<Outcome> {
  const [program, all] = plain(programPath(command) ?? command, args)
  return new Promise((resolve) => {
    execFile(program, all, { cwd: root, env: childEnv(env), maxBuffer: 1 << 26 }, (error, stdout, stderr) => {
      const code = error === null ? 0 : (error as ExecFileException).code
      resolve({ code: typeof code === 'number' ? code : 1, stdout, stderr: stderr || (error?.message ?? '') })
    })
  })
}

export interface Daemon {
  readonly process: ChildProcess
  /** What it wrote so far, both streams. */
  readonly output: string
  /** Ends it; resolves when it has ended. */
  stop(): Promise<void>
}

/** Starts a program in the foreground and ends it with the scope. */
export function startDaemon(
  t: Scope,
  command: string,
  args: string[],
  env: Record<string, string> = {},
): Daemon {
  const [program, all] = plain(programPath(command) ?? command, args)
  const child = spawn(program, all, { cwd: root, env: childEnv(env), stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout!, child.stderr!]) stream.on('data', (text) => (output += text))
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const stop = () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM')
    return exited
  }
  t.teardown(stop)
  return {
    process: child,
    get output() {
      return output
    },
    stop,
  }
}

/** Waits for an answer with this status. @throws with what the daemon said when there is none within a minute */
export async function untilAnswers(url: string, daemon: Daemon, status = 200): Promise<void> {
  const deadline = Date.now() + 60_000
  for (;;) {
    const got = await fetch(url, { redirect: 'manual' }).then(
      (response) => response.body?.cancel().then(() => response.status) ?? response.status,
      () => 0,
    )
    if (got === status) return
    if (Date.now() > deadline || daemon.process.exitCode !== null) {
      throw new Error(`${url} answered ${got}, not ${status}:\n${daemon.output}`)
    }
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
