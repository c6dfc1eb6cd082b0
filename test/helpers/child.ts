import { delimiter, dirname } from 'node:path'

/**
 * Environment for processes that a test starts: the Node of this test first in PATH, also where the system's is older.
 */
export function childEnv(more: Record<string, string> = {}): NodeJS.ProcessEnv {
  return { ...process.env, PATH: `${dirname(process.execPath)}${delimiter}${process.env.PATH}`, ...more }
}

/**
 * A command for spawn or execFile, without the loaders that tap puts into the NODE_OPTIONS of every child: they change
 * what is measured, and some programs (tsc) do not start with them. `env` becomes the command: the process id is its own.
 */
export function plain(command: string, args: readonly string[]): [string, string[]] {
  return ['env', ['-u', 'NODE_OPTIONS', command, ...args]]
}
