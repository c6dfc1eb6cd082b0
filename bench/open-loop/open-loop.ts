import { fork } from 'node:child_process'
import { setPriority } from 'node:os'
import { join } from 'node:path'
import type { Scope } from '../../test/helpers/scope.ts'
import { pinned } from '../peers/daemon.ts'
import type { Load, Offered } from './load.ts'

export interface ClientOptions {
  scope: Scope
  /** The core of the client, which it keeps busy; null: any. */
  core: number | null
  /** Whether others work on that core as well: then it gives way to them whenever they have something to do. */
  isShared?: boolean
}

// The client makes garbage with every turn of its loop: with a large young generation it is collected once in seconds.
const FLAGS = ['--max-semi-space-size=64', '--min-semi-space-size=64']

/** Offers this load from a process of its own. */
export async function offerLoad({ scope, core, isShared }: ClientOptions, load: Load): Promise<Offered> {
  const [command, args] = pinned(core, [process.execPath, FLAGS])
  const child = fork(join(import.meta.dirname, 'client.ts'), { execPath: command, execArgv: [...args] })
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  scope.teardown(() => {
    child.kill()
    return ended
  })
  if (isShared) setPriority(child.pid!, 19)
  child.send(load)
  const offered = await new Promise<Offered>((resolve, reject) => {
    child.once('message', (message) => resolve(message as Offered))
    child.once('exit', (code) => reject(new Error(`the client of the open loop ended with ${code}`)))
  })
  await ended
  return offered
}
