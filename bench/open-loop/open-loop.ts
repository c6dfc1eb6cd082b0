import { join } from 'node:path'
import { startWorker, type WorkerOptions } from '../load/worker.ts'
import type { Load, Offered } from './load.ts'

// The client makes garbage with every turn of its loop: with a large young generation it is collected once in seconds.
const FLAGS = ['--max-semi-space-size=64', '--min-semi-space-size=64']

/** Offers this load from a process of its own, which keeps its core busy all the time. */
export async function offerLoad(options: Omit<WorkerOptions, 'flags'>, load: Load): Promise<Offered> {
  const worker = startWorker(join(import.meta.dirname, 'client.ts'), { ...options, flags: FLAGS })
  try {
    return await worker.ask(load)
  } finally {
    await worker.stop()
  }
}
