import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import type { Scope } from '../helpers/scope.ts'

export const root = join(import.meta.dirname, '../..')

/** A program that runs, and all that it has written so far. */
export interface Run {
  readonly process: ChildProcess
  readonly output: { stdout: string; stderr: string }
  /** Exit code; null when a signal ended it. */
  readonly exited: Promise<number | null>
  /** Resolves once standard output has this text. */
  until(text: string): Promise<void>
}

/** Starts `node …` in the project's directory. It is killed when the test ends. */
export function runNode(t: Scope, args: string[], env: Record<string, string> = {}): Run {
  const child = spawn(process.execPath, args, { cwd: root, env: { ...process.env, ...env }, stdio: 'pipe' })
  const output = { stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', (text) => (output.stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text) => (output.stderr += text))
  const exited = new Promise<number | null>((resolve) => child.once('close', resolve))
  t.teardown(() => {
    child.kill('SIGKILL')
    return exited
  })
  return {
    process: child,
    output,
    exited,
    async until(text) {
      const written = () => output.stdout.includes(text)
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      const look = () => written() && resolve()
      child.stdout.on('data', look)
      void exited.then(() => reject(new Error(`ended without "${text}":\n${output.stdout}${output.stderr}`)))
      look()
      return promise
    },
  }
}

/** Runs `node server.ts …` to its end. */
export async function runServer(t: Scope, args: string[], env?: Record<string, string>) {
  const run = runNode(t, ['server.ts', ...args], env)
  return { code: await run.exited, ...run.output }
}
