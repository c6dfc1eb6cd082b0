import { fork } from 'node:child_process'
import type { Scope } from '../../test/helpers/scope.ts'
import { pinned } from '../peers/daemon.ts'

/** A client of a bench's own, a process by itself: it measures without what else the bench does. */
export interface Worker {
  /** One order at a time. @throws when it ends without an answer */
  ask<Order extends object, Outcome>(order: Order): Promise<Outcome>
  stop(): Promise<void>
}

export interface WorkerOptions {
  scope: Scope
  /** null: any */
  core: number | null
  flags?: readonly string[]
}

/** Starts a script that calls `answerOrders`. */
export function startWorker(script: string, { scope, core, flags = [] }: WorkerOptions): Worker {
  const [command, args] = pinned(core, [process.execPath, [...flags]])
  const child = fork(script, { execPath: command, execArgv: args })
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve))
  async function stop(): Promise<void> {
    if (child.connected) child.disconnect()
    await ended
  }
  scope.teardown(stop)
  return {
    async ask<Order extends object, Outcome>(order: Order): Promise<Outcome> {
      child.send(order)
      return new Promise((resolve, reject) => {
        child.once('message', (message) => resolve(message as Outcome))
        void ended.then((code) => reject(new Error(`${script} ended with ${code}`)))
      })
    },
    stop,
  }
}

/** The worker's side. */
export function answerOrders<Order, Outcome>(work: (order: Order) => Promise<Outcome>): void {
  process.on('message', async (order: Order) => {
    const outcome = await work(order)
    process.send!(outcome)
  })
  process.on('disconnect', () => process.exit())
}
