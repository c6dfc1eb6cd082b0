import { spawn } from 'node:child_process'
import { programPath } from '../test/helpers/program-path.ts'
import type { Scope } from '../test/helpers/scope.ts'

const LOOP = ['sh', '-c', 'while :; do :; done']

/**
 * Keeps a core from sleeping, by a loop that gives way to everything else at once (SCHED_IDLE, sched(7)): on a virtual machine an idle
 * core is given to others, and it takes milliseconds to come back, which would be counted as the server's.
 *
 * @returns ends it
 */
export function keepAwake(scope: Scope, core: number | null): () => void {
  if (core === null || programPath('chrt') === undefined) return () => {}
  const child = spawn('taskset', ['-c', String(core), 'chrt', '--idle', '0', ...LOOP], { stdio: 'ignore' })
  const end = () => void child.kill('SIGKILL')
  scope.teardown(end)
  return end
}
